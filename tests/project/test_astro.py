"""The Astro CLI's own files: .astro/config.yaml, what `astro dev parse` runs and what `astro dev start` merges."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.paths import ROOT

GOOD = "from airflow.sdk import DAG\n\nwith DAG('good', schedule=None):\n    pass\n"
BROKEN = "from airflow.sdk import DAG\n\nraise RuntimeError('a broken import')\n"
EMPTY = "ANSWER = 42\n"
RESET = "reset"
AIRFLOW = ("scheduler", "dag-processor", "api-server", "triggerer")


def generate(volumes: tuple[str, ...]) -> dict:
    """What the CLI generates for Airflow 3, as far as it matters to a merge: names, settings that would win, mounts."""
    settings = {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor", "AIRFLOW__CORE__FERNET_KEY": "the CLI's"}
    component = {
        "image": "market-surveillance_abc123/airflow:latest",
        "depends_on": ["db-migration"],
        "networks": ["airflow"],
        "environment": settings,
        "volumes": ["./include:/usr/local/airflow/include:z"],
    }
    return {
        "networks": {"airflow": {"driver": "bridge"}},
        "volumes": {name: {"driver": "local"} for name in volumes},
        "services": {
            "postgres": {"image": "postgres:17.6", "environment": {"POSTGRES_PASSWORD": "postgres"}},
            "db-migration": {**component, "depends_on": ["postgres"]},
            **dict.fromkeys(AIRFLOW, component),
        },
    }


# Versions 1 and 2, from the CLI's published templates.
GENERATED = {"1.x": generate(("postgres_data", "airflow_logs")), "2.x": generate(("postgres_data",))}


class ComposeLoader(yaml.SafeLoader):
    """Knows Compose's tag for what is taken out of an earlier file."""


ComposeLoader.add_constructor("!reset", lambda loader, node: RESET)


def parse(folder: Path, home: Path) -> subprocess.CompletedProcess:
    """What the CLI runs, on a DAG folder."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
    }
    test = ROOT / ".astro" / "test_dag_integrity_default.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(test)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home)


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "dags"
    path.mkdir()
    return path


def test_the_project_has_the_compose_files_name(compose):
    config = yaml.safe_load((ROOT / ".astro" / "config.yaml").read_text())
    assert config["project"]["name"] == compose["name"]


def test_parse_passes_on_a_dag_that_loads(folder, tmp_path):
    (folder / "good.py").write_text(GOOD)
    run = parse(folder, tmp_path)
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout


def test_parse_fails_on_a_broken_file_an_empty_file_and_a_missing_folder(folder, tmp_path):
    (folder / "good.py").write_text(GOOD)
    (folder / "broken.py").write_text(BROKEN)
    (folder / "empty.py").write_text(EMPTY)
    run = parse(folder, tmp_path)
    assert "2 failed, 2 passed" in run.stdout, run.stdout
    assert "a broken import" in run.stdout
    assert "empty.py defines no DAG" in run.stdout
    assert "no DAG file" in parse(tmp_path / "missing", tmp_path).stdout


@pytest.fixture(scope="module")
def override() -> dict:
    return yaml.load((ROOT / "docker-compose.override.yml").read_text(), Loader=ComposeLoader)


@pytest.fixture(scope="module")
def additions(override) -> dict:
    """The included file that is not docker-compose.yml."""
    (included,) = override["include"]
    assert included["path"][0] == "docker-compose.yml", "its folder is the one whose .env and relative paths count"
    (path,) = included["path"][1:]
    return yaml.safe_load((ROOT / path).read_text())


@pytest.mark.parametrize("generated", GENERATED.values(), ids=GENERATED)
def test_all_that_the_cli_generates_gives_way_to_what_is_included(override, generated):
    """What is reset is taken out of the generated file, before the included ones are merged into it."""
    for kind in ("services", "networks", "volumes"):
        assert set(generated[kind]) <= set(override[kind]), kind
    assert set(override) == {"include", "services", "networks", "volumes"}
    assert {value for kind in ("services", "networks", "volumes") for value in override[kind].values()} == {RESET}


def test_the_platform_is_the_compose_files_own_but_for_sources_and_a_password(additions, services):
    """So image, environment, ports, secrets and health checks need no second look."""
    assert set(additions) == {"x-source", "services"}
    assert set(additions["services"]) <= set(services)
    password = additions["services"].pop("airflow-init")
    assert password == {"environment": {"AIRFLOW_ADMIN_PASSWORD": "admin"}}
    assert {tuple(service) for service in additions["services"].values()} == {("volumes",)}


def test_the_cli_signs_in_as_the_administrator_and_from_this_machine_only(services):
    """The CLI's own user, with which it brings in airflow_settings.yaml after the start."""
    assert services["airflow-init"]["environment"]["AIRFLOW_ADMIN_USER"] == "admin"
    assert all(port.startswith("127.0.0.1:") for port in services["api-server"]["ports"])
    # Where it looks for a server that is healthy.
    assert services["api-server"]["ports"] == ["127.0.0.1:8080:8080"]


def test_whoever_runs_code_runs_the_folders_of_the_project(additions, airflow_services):
    running = {name for name, service in airflow_services.items() if "profiles" not in service} - {"airflow-init"}
    mounted = {
        name: tuple(service["volumes"]) for name, service in additions["services"].items() if "volumes" in service
    }
    assert set(mounted) == running
    (volumes,) = set(mounted.values())
    for volume in volumes:
        source, target, options = volume.split(":")
        assert (ROOT / source).is_dir(), source
        assert target == f"/usr/local/airflow/{source.removeprefix('./')}"
        assert "ro" in options.split(","), "no container changes the project"


def test_no_mounted_folder_hides_compiled_kernels(additions):
    """Numba keeps them beside the source, and the image has them compiled."""
    mounted = [ROOT / volume.split(":")[0] for volume in additions["x-source"]["volumes"]]
    kernels = [file for file in (ROOT / "include").rglob("*.py") if "njit" in file.read_text()]
    assert kernels
    assert not [file for file in kernels for folder in mounted if file.is_relative_to(folder)]


def test_plain_compose_does_not_read_what_is_for_the_cli(environment):
    assert environment["COMPOSE_FILE"] == "docker-compose.yml"


def test_compose_itself_merges_the_generated_file_to_the_same_platform(tmp_path, environment):
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("the docker command has no compose plugin here; the other tests read the file themselves")
    for name in ("docker-compose.yml", "docker-compose.override.yml", "include/deploy/astro.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("airflow.env", "channels.env", "watchdog.env"):
        shutil.copy(ROOT / f"{name}.example", tmp_path / name)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))

    def read(*files: str) -> dict:
        command = [docker, "compose", *(word for file in files for word in ("--file", file)), "config"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return yaml.safe_load(run.stdout)

    plain = read("docker-compose.yml")
    for generated in GENERATED.values():
        (tmp_path / "generated.yml").write_text(yaml.safe_dump(generated))
        merged = read("generated.yml", "docker-compose.override.yml")
        assert set(merged["services"]) == set(plain["services"])
        for name, service in merged["services"].items():
            for key in service.keys() - {"volumes"}:
                changed = {"environment"} if name == "airflow-init" else set()
                assert key in changed or service[key] == plain["services"][name][key], f"{name}: {key}"
