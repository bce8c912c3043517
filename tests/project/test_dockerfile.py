"""Dockerfile, .dockerignore, packages.txt: what a linter would say, and what gets into the image."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.project.files import dotenv, kept_files


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def given(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def sources() -> list[str]:
    """What COPY takes from the build context."""
    copied = [[word for word in arguments.split() if not word.startswith("--")] for arguments in given("COPY")]
    return [source for words in copied for source in words[:-1]]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path, or a folder that it is in, from the build; the last rule that fits wins."""
    parts = path.split("/")
    candidates = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    out = False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = re.escape(rule.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if rule and not rule.startswith("#") and any(re.fullmatch(pattern, candidate) for candidate in candidates):
            out = not rule.startswith("!")
    return out


def test_one_base_image_of_astro_runtime_for_airflow_3_3():
    (base,) = given("FROM")
    image, _, tag = base.partition(":")
    assert image == "astrocrpublic.azurecr.io/runtime"
    assert re.fullmatch(r"3\.3-\d+-python-3\.1[12]-base", tag), f"{tag} is not one build for one Python"


def test_only_known_instructions_in_upper_case():
    assert {name for name, _ in instructions()} <= {"FROM", "WORKDIR", "USER", "COPY", "RUN", "ENV"}


def test_nothing_is_downloaded_past_the_package_clients():
    assert not given("ADD")
    for command in given("RUN"):
        assert not re.search(r"https?://|\bcurl\b|\bwget\b|\bsudo\b", command), command


def test_containers_do_not_run_as_root():
    assert given("USER")[-1] == "astro"
    last_root_step = max(at for at, step in enumerate(instructions()) if step == ("USER", "root"))
    code = [at for at, (name, arguments) in enumerate(instructions()) if name == "COPY" and "dags dags" in arguments]
    assert code[0] > last_root_step


def test_dependencies_come_before_the_code_and_from_the_lock():
    """An edited DAG must not install everything again."""
    steps = [f"{name} {arguments}" for name, arguments in instructions()]
    install = next(at for at, step in enumerate(steps) if "uv pip install" in step)
    assert "--require-hashes --requirement requirements.lock" in steps[install]
    assert all(install < at for at, step in enumerate(steps) if step.startswith("COPY --chown"))


def test_every_folder_of_the_project_is_copied_and_exists():
    assert set(sources()) >= {"dags", "include", "plugins", "dbt_project", "airflow_settings.yaml"}
    for source in sources():
        assert (ROOT / source).exists(), source


def test_the_manifest_is_built_after_the_project_is_copied():
    steps = [f"{name} {arguments}" for name, arguments in instructions()]
    parse = next(at for at, step in enumerate(steps) if "dbt parse" in step)
    assert parse > next(at for at, step in enumerate(steps) if step.endswith("dbt_project dbt_project"))


def test_the_manifest_can_be_built_as_the_dockerfile_says(tmp_path):
    """The build step itself, with no variable but its own placeholders."""
    (step,) = [command for command in given("RUN") if "dbt parse" in command]
    generated = shutil.ignore_patterns("target", "logs", "dbt_packages")
    shutil.copytree(ROOT / "dbt_project", tmp_path / "dbt_project", ignore=generated)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    run = subprocess.run(["sh", "-c", step], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "dbt_project" / "target" / "manifest.json").exists()


def test_no_secret_in_a_layer():
    assert not given("ARG")
    for name, arguments in instructions():
        for variable, value in re.findall(r"(\w*(?:PASSWORD|SECRET|KEY|TOKEN)\w*)=(\S+)", arguments):
            assert value == "none", f"{name} sets {variable}"


def test_copied_files_reach_the_build_context():
    for source in sources():
        assert not ignored(source), f"{source} is copied but ignored"


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "airflow.env",
        ".git/config",
        ".local/secrets.env",
        ".venv/bin/python",
        "tests/conftest.py",
        "include/.env",
        "include/surveillance/__pycache__/wire.cpython-312.pyc",
        "dbt_project/target/manifest.json",
        "dbt_project/logs/dbt.log",
    ],
)
def test_secrets_and_leftovers_stay_out_of_the_build_context(path):
    assert ignored(path)


def test_all_code_is_in_the_build_context():
    code = [path.relative_to(ROOT).as_posix() for path in kept_files() if path.suffix in {".py", ".sql", ".yml"}]
    shipped = [path for path in code if path.split("/")[0] in {"dags", "include", "plugins", "dbt_project"}]
    assert shipped
    assert not [path for path in shipped if ignored(path)]


def test_system_packages_are_names_alone():
    for line in (ROOT / "packages.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line), line


def test_env_examples_hold_no_quotes_that_compose_would_keep():
    for example in (".env.example", "airflow.env.example"):
        for name, value in dotenv(ROOT / example).items():
            assert not value.startswith(("'", '"')), f"{example}: {name}"


KERNEL = """
import sys
import llvmlite.binding as llvm
import numpy as np

llvm.get_host_cpu_name = lambda: sys.argv[1]
from include.surveillance.detection.windows import _extremes as kernel

kernel(np.arange(50.0), 1.0, 20, np.empty(30))
print(sum(kernel.stats.cache_hits.values()))
"""


@pytest.mark.parametrize(("variables", "hits"), [([], 0), (given("ENV"), 1)])
def test_kernels_are_compiled_once_whatever_the_processor(tmp_path, variables, hits):
    """Built on one machine, run on another: without the image's variables every container would compile again."""
    environment = {"PATH": os.defpath, "NUMBA_CACHE_DIR": str(tmp_path), **dict(it.split("=") for it in variables)}
    for processor, expected in (("nehalem", 0), ("skylake", hits)):
        command = [sys.executable, "-c", KERNEL, processor]
        run = subprocess.run(command, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert (run.stdout, run.stderr) == (f"{expected}\n", ""), processor


def test_everything_is_compiled_after_it_was_copied():
    steps = [f"{name} {arguments}" for name, arguments in instructions()]
    compiled = next(at for at, step in enumerate(steps) if "compileall" in step)
    assert {"dags", "include", "plugins"} <= set(steps[compiled].split())
    assert all(at < compiled for at, step in enumerate(steps) if step.startswith("COPY"))
