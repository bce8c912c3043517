"""docker-compose.yml by itself: what can be known about it without an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from airflow.api_fastapi.core_api.datamodels.monitor import HealthInfoResponse

from include.local_stack.access import CARRIERS
from tests.paths import ROOT
from tests.project.files import dotenv, filled, started, strings, variables

# Run once per start, or by hand.
ONE_SHOT = {"airflow-init", "postgres-roles", "airflow-cli"}
WORKERS = {"worker-poll", "worker-detect", "worker-batch"}
AIRFLOW_COMPONENTS = {
    "airflow-init",
    "airflow-cli",
    "api-server",
    "execution-api",
    "scheduler",
    "dag-processor",
    "triggerer",
} | WORKERS
SECRETS_OF_SERVICES = {
    "AKHQ_PASSWORD",
    "KAFKA_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "API_SECRET_KEY",
    "FERNET_KEY",
    "JWT_SECRET",
    "POSTGRES_PASSWORD",
    "SIMULATOR_API_KEY",
    "SURVEILLANCE_DB_PASSWORD",
    "SURVEILLANCE_READER_PASSWORD",
    "SURVEILLANCE_DESK_PASSWORD",
    "WAREHOUSE_PASSWORD",
}


def is_secret(name: str) -> bool:
    return name.endswith(("PASSWORD", "SECRET", "_KEY"))


def test_the_whole_platform_is_there(services, airflow_services):
    stores = {"postgres", "redis", "kafka", "akhq", "warehouse", "simulator", "watchdog"}
    stores |= {"exporter", "prometheus", "alertmanager", "grafana"}
    assert set(airflow_services) == AIRFLOW_COMPONENTS
    assert set(services) >= stores | AIRFLOW_COMPONENTS


def test_docker_itself_reads_the_file(tmp_path, compose_text, environment):
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("the docker command has no compose plugin here; the other tests read the file themselves")
    (tmp_path / "docker-compose.yml").write_text(compose_text)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    for name in ("airflow.env", "channels.env", "watchdog.env"):
        shutil.copy(ROOT / f"{name}.example", tmp_path / name)
    run = subprocess.run([docker, "compose", "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_interpolated_variable_is_in_the_example(compose_text):
    unknown = set(variables(compose_text)) - set(dotenv(ROOT / ".env.example"))
    assert not unknown, f".env.example lacks {sorted(unknown)}"


def test_every_secret_is_required_and_has_no_default(compose_text, secret_names):
    assert secret_names == SECRETS_OF_SERVICES
    for name, rules in variables(compose_text).items():
        if name in secret_names:
            assert rules == {":?"}, f"{name} is interpolated with {rules}"


@pytest.mark.parametrize("name", sorted(SECRETS_OF_SERVICES))
def test_compose_refuses_to_start_without_a_secret(compose_text, environment, name):
    with pytest.raises(LookupError, match=f"{name} is not set: run make env"):
        filled(yaml.safe_load(compose_text), {**environment, name: ""})


def test_no_password_is_written_down(compose_text):
    """With every variable taken out, nothing is left where a secret belongs."""
    for service, definition in yaml.safe_load(compose_text)["services"].items():
        for name, value in (definition.get("environment") or {}).items():
            assert not is_secret(name) or str(value).startswith("${"), f"{service}: {name} is a literal"
    for text in strings(yaml.safe_load(compose_text)):
        for password in re.findall(r"://[\w.-]*:([^/\s]+)@|\"password\": \"([^\"]*)", text):
            assert "".join(password).startswith("${"), f"a literal password in {text}"


def test_host_ports_are_on_loopback_and_differ(services):
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    for port in published:
        assert isinstance(port, str), f"{port}: write host address, host port and container port as one string"
        assert port.startswith("127.0.0.1:"), f"{port} is open to the network"
        assert len(port.split(":")) == 3, port
    host_ports = [port.split(":")[1] for port in published]
    assert len(set(host_ports)) == len(host_ports), f"two services share a host port: {sorted(host_ports)}"


def test_the_known_addresses(services):
    assert "127.0.0.1:8080:8080" in services["api-server"]["ports"]
    assert "127.0.0.1:8088:8080" in services["akhq"]["ports"]


def test_every_service_shows_its_health_or_runs_once(services):
    for name, service in services.items():
        if name in ONE_SHOT:
            assert service["restart"] == "no"
            assert "healthcheck" not in service
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name


def test_no_health_check_starts_an_interpreter(services):
    """Each would cost up to seconds of a processor, every half minute, for ever."""
    for name, service in services.items():
        for word in service.get("healthcheck", {}).get("test", []):
            assert not re.search(r"\b(python|java|airflow|celery|kafka-\w+\.sh)\b", word), f"{name}: {word}"


LIVENESS = ["bash", "include/liveness.sh"]


def check(service: dict, folder: Path, **programs: str) -> int:
    """Run a service's health check with these shell scripts for programs; return its exit code."""
    command = service["healthcheck"]["test"][1:]
    # Not what ends a container: tests/test_liveness.py runs that where nothing else can be ended.
    return _run(command[3:] if command[:2] == LIVENESS else command, folder, programs)


def knows(service: dict, folder: Path, **programs: str) -> int:
    """Run what says whether a service's check can know anything; return its exit code."""
    command = service["healthcheck"]["test"][1:]
    assert command[:2] == LIVENESS
    return _run(["bash", "-c", command[2]], folder, programs)


def _run(command: list[str], folder: Path, programs: dict[str, str]) -> int:
    for program, script in programs.items():
        (folder / program).write_text(f"#!/bin/sh\n{script}\n")
        (folder / program).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "AIRFLOW_HOME": str(folder)}
    return subprocess.run(command, env=environment, cwd=folder).returncode


def answer(**unhealthy: str) -> str:
    """What Airflow's API server says of its components, as it writes it."""
    status = {name: unhealthy.get(name, "healthy") for name in HealthInfoResponse.model_fields}
    beat = "2026-03-02T14:30:00Z"
    report = {name: {"status": it, f"latest_{name}_heartbeat": beat} for name, it in status.items()}
    return f"echo '{HealthInfoResponse.model_validate(report).model_dump_json()}'"


@pytest.mark.parametrize(
    ("service", "component"),
    [
        ("api-server", "metadatabase"),
        ("scheduler", "scheduler"),
        ("dag-processor", "dag_processor"),
        ("triggerer", "triggerer"),
    ],
)
def test_each_component_asks_for_its_own_health(services, tmp_path, service, component):
    others = {name: "unhealthy" for name in HealthInfoResponse.model_fields if name != component}
    assert check(services[service], tmp_path, curl=answer(**others)) == 0
    assert check(services[service], tmp_path, curl=answer(**{component: "unhealthy"})) != 0
    assert check(services[service], tmp_path, curl="exit 22") != 0


@pytest.mark.parametrize("name", ["scheduler", "dag-processor", "triggerer"])
def test_whose_health_the_api_server_knows_is_not_ended_while_that_or_its_database_is_gone(services, tmp_path, name):
    assert knows(services[name], tmp_path, curl=answer(**{name.replace("-", "_"): "unhealthy"})) == 0
    assert knows(services[name], tmp_path, curl=answer(metadatabase="unhealthy")) != 0
    assert knows(services[name], tmp_path, curl="exit 22") != 0


def test_whatever_ends_itself_has_a_first_process_that_lives_on(services):
    ending = {name for name, it in services.items() if it.get("healthcheck", {}).get("test", [])[1:3] == LIVENESS}
    assert ending == AIRFLOW_COMPONENTS - {"airflow-init", "airflow-cli"} | {"watchdog"}
    assert all(services[name].get("init") is True and services[name]["restart"] == "unless-stopped" for name in ending)


def test_a_server_that_handles_no_signal_has_a_first_process_that_does(services):
    """Linux gives the first process of a container no default action: `docker compose stop` would wait and kill it."""
    unaware = {name for name, it in services.items() if "http.server" in str(it.get("command", ""))}
    assert unaware == {"dbt-docs"}
    assert all(services[name]["init"] is True for name in unaware)


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_a_worker_is_healthy_while_its_heartbeat_is_fresh_and_can_be_doubled(services, tmp_path, name):
    service, beat = services[name], tmp_path / f"{name}.heartbeat"
    assert check(service, tmp_path) != 0, "none yet"
    beat.touch()
    assert check(service, tmp_path) == 0
    os.utime(beat, (old := time.time() - 150, old))
    assert check(service, tmp_path) != 0
    assert f"--celery-hostname {name}@%h" in str(service["command"]), "the file has this name"
    assert not {"container_name", "hostname", "ports"} & set(service), f"--scale {name}=2 would clash"


def test_whoever_is_asked_for_health_has_a_limit(services):
    """A check that hangs keeps its container from being called unhealthy."""
    for name, service in services.items():
        words = " ".join(service.get("healthcheck", {}).get("test", []))
        assert "curl " not in words or "--max-time 10 " in words, name


def test_dependencies_exist_and_say_when_they_are_met(services):
    for name, service in services.items():
        for needed, rule in service.get("depends_on", {}).items():
            assert needed in services, f"{name} waits for {needed}, which is not a service"
            wanted = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert rule["condition"] == wanted, f"{name} -> {needed}: {rule['condition']}"


def test_dependencies_have_no_cycle(services):
    waiting = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    while ready := [name for name, needs in waiting.items() if not needs & waiting.keys()]:
        for name in ready:
            del waiting[name]
    assert not waiting, f"these wait for each other: {sorted(waiting)}"


def test_tasks_start_only_when_what_they_talk_to_is_up(services):
    needs = set(services["worker-batch"]["depends_on"])
    assert needs >= {"airflow-init", "execution-api", "redis", "kafka", "simulator", "warehouse"}
    assert set(services["airflow-init"]["depends_on"]) == {
        "postgres-roles",
        "kafka",
        "warehouse",
    }  # it migrates all three


def test_airflow_components_share_image_settings_and_volumes(airflow_services):
    first, *others = airflow_services.values()
    secrets = set().union(*CARRIERS.values()) | set(CARRIERS) | {"KAFKA", "AIRFLOW_ADMIN_USER"}
    for service in others:
        for key in ("image", "volumes"):
            assert service[key] == first[key], key
        shared = [{n: v for n, v in it["environment"].items() if n not in secrets} for it in (first, service)]
        assert shared[0] == shared[1]


def test_each_image_is_built_once_and_pulled_by_nobody(services):
    """Builds of one name run side by side: all but the first would fail, because the name exists by then."""
    built = [(service["image"], name) for name, service in services.items() if "build" in service]
    assert built == [("market-surveillance:latest", "airflow-init")]
    assert services["airflow-init"]["build"] == "."
    for name, service in services.items():
        ours = service["image"] == built[0][0]
        assert service.get("pull_policy") == ("never" if ours else None), f"{name}: a stranger's image of our name"


def test_kernels_of_a_service_that_writes_nothing_are_kept_in_memory(services):
    """Their modules cannot be imported where their cache cannot be written."""
    kept = {}
    for name, service in services.items():
        module = re.search(r"python -m (include\.\w+)", str(service.get("command", "")))
        if service.get("read_only") and module:
            code = f"import runpy, sys; runpy.run_module({module[1]!r}, run_name='one'); print('numba' in sys.modules)"
            printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
            kept[name] = service.get("environment", {}).get("NUMBA_CACHE_DIR")
            assert (kept[name] in service.get("tmpfs", [])) == (printed.strip() == "True"), name
    assert kept == {"simulator": "/tmp", "warehouse": None, "watchdog": None, "exporter": None}


def test_what_is_pulled_has_a_version(services):
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image, f"{name}: {service['image']} has no tag"
        if service.get("pull_policy") != "never":
            assert tag != "latest", f"{name} follows latest"
            # PostgreSQL numbers its releases by two, the others by three.
            parts, tag = 2 if name.startswith("postgres") else 3, tag.removeprefix("v")
            assert re.fullmatch(r"\d+(\.\d+)*", tag), f"{name}: {tag} is not one version"
            assert len(tag.split(".")) == parts, f"{name}: {tag} follows every release of a series"


def test_nothing_grows_or_is_killed_without_a_limit(services):
    for name, service in services.items():
        assert service["stop_grace_period"] == "60s", f"{name} is killed after ten seconds"
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert re.fullmatch(r"\d+m", service["mem_limit"]), name


def test_volumes_that_an_image_declares_are_covered(services):
    """Every start leaves an anonymous volume behind otherwise."""
    declared = {
        "apache/kafka": {"/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"},
        "postgres": {"/var/lib/postgresql/data"},
        "redis": {"/data"},
        "prom/prometheus": {"/prometheus"},
        "prom/alertmanager": {"/alertmanager"},
    }
    for name, service in services.items():
        covered = {*service.get("tmpfs", ()), *(volume.split(":")[1] for volume in service.get("volumes", ()))}
        assert covered >= declared.get(service["image"].split(":")[0], set()), name


def test_what_only_shows_can_be_left_out(services, environment):
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    monitoring = {name: ["monitoring"] for name in ("exporter", "prometheus", "alertmanager", "grafana")}
    assert profiles == {"akhq": ["console"], "airflow-cli": ["debug"], **monitoring}
    assert environment["COMPOSE_PROFILES"] == "console"


def test_named_volumes_are_declared_and_used(compose, services):
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])
    assert not any(volume.startswith((".", "/")) for volume in used), "the image holds the code; nothing is mounted"


def test_mounted_folders_belong_to_the_image_user(services):
    """A named volume takes the owner of the folder that it covers, so the image must make each of them."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    made = next(line for line in dockerfile.splitlines() if "install --directory" in line).split()
    for service in services.values():
        if service["image"].startswith("market-surveillance:"):
            for volume in service.get("volumes", []):
                assert volume.split(":")[1].removeprefix("/usr/local/airflow/") in made, volume


def test_kafka_listeners_fit_together(services):
    kafka = services["kafka"]["environment"]
    listeners = dict(re.split("://(?:localhost)?:", part) for part in kafka["KAFKA_LISTENERS"].split(","))
    advertised = dict(part.split("://") for part in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(part.split(":") for part in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    controller = kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert set(protocols) == set(listeners) == {*advertised, controller}
    assert kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@localhost:{listeners[controller]}"
    # Every listener that another container can reach asks for a password.
    assert f"{controller}://localhost:" in kafka["KAFKA_LISTENERS"]
    assert {protocols[name] for name in advertised} == {"SASL_PLAINTEXT"}
    internal, host = kafka["KAFKA_INTER_BROKER_LISTENER_NAME"], "HOST"
    assert advertised[internal] == f"kafka:{listeners[internal]}"
    outside = services["kafka"]["ports"][0].removeprefix("127.0.0.1:").split(":")
    assert outside == [advertised[host].removeprefix("localhost:"), listeners[host]]


def test_containers_use_the_listener_meant_for_them(services):
    kafka = services["kafka"]["environment"]
    advertised = dict(part.split("://") for part in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    inside = advertised[kafka["KAFKA_INTER_BROKER_LISTENER_NAME"]]
    connection = json.loads(services["worker-batch"]["environment"]["AIRFLOW_CONN_KAFKA_DEFAULT"])
    akhq = yaml.safe_load(services["akhq"]["environment"]["AKHQ_CONFIGURATION"])
    assert connection["extra"]["bootstrap.servers"] == inside
    assert akhq["akhq"]["connections"]["surveillance"]["properties"]["bootstrap.servers"] == inside
    assert services["kafka"]["healthcheck"]["test"][-1] == f"</dev/tcp/{inside.replace(':', '/')}"


def test_a_single_broker_keeps_single_copies_and_makes_no_topic_by_itself(services):
    kafka = services["kafka"]["environment"]
    copies = {name: value for name, value in kafka.items() if name.endswith(("REPLICATION_FACTOR", "MIN_ISR"))}
    assert len(copies) >= 5
    assert set(copies.values()) == {"1"}, copies
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_connections_reach_the_services_that_the_file_defines(services):
    environment = services["worker-batch"]["environment"]
    connections = {
        name.removeprefix("AIRFLOW_CONN_"): json.loads(value)
        for name, value in environment.items()
        if name.startswith("AIRFLOW_CONN_")
    }
    assert set(connections) == {
        "POLYGON_DEFAULT",
        "RATE_LIMIT",
        "FEATURE_STORE",
        "KAFKA_DEFAULT",
        "SNOWFLAKE_DEFAULT",
        "SURVEILLANCE_DB",
        "AIRFLOW_DB",
    }
    assert connections["SURVEILLANCE_DB"]["host"] == "postgres"
    assert connections["RATE_LIMIT"]["host"] == "redis"
    warehouse = connections["SNOWFLAKE_DEFAULT"]["extra"]
    assert (warehouse["host"], f"--port {warehouse['port']}") == ("warehouse", "--port 18821")
    assert f"--port {warehouse['port']}" in services["warehouse"]["command"]
    assert f"--tls-name {warehouse['host']}" in services["warehouse"]["command"]
    simulator = connections["POLYGON_DEFAULT"]["host"]
    assert simulator == "http://simulator:18090"
    assert "--port 18090" in services["simulator"]["command"]


@pytest.mark.parametrize("key", ["POLYGON_API_KEY", "MASSIVE_API_KEY"])
def test_a_key_of_the_vendors_alone_brings_its_market(compose_text, environment, key):
    compose = filled(yaml.safe_load(compose_text), environment | {key: "mine"})
    found = {name: started(compose["services"][name])["environment"] for name in ("worker-poll", "scheduler")}
    connection = json.loads(found["worker-poll"]["AIRFLOW_CONN_POLYGON_DEFAULT"])
    assert (connection["host"], connection["password"]) == ("https://api.polygon.io", "mine")
    for given in found.values():
        assert (given["MARKET_CALENDAR"], given["POLL_CALENDAR"]) == ("XNYS", "XNYS")
        # The list is the project's own, or the Variable of Airflow's.
        assert "AIRFLOW_VAR_WATCHLIST" not in given
        assert given["POLYGON_CALLS_PER_SECOND"] == ""
    assert "mine" not in found["scheduler"].values()


def test_an_address_without_a_key_leaves_the_simulator_alone(compose_text, environment):
    given = environment | {"POLYGON_BASE_URL": "https://api.massive.com"}
    worker = started(filled(yaml.safe_load(compose_text), given)["services"]["worker-poll"])["environment"]
    assert json.loads(worker["AIRFLOW_CONN_POLYGON_DEFAULT"])["host"] == "http://simulator:18090"
    assert worker["MARKET_CALENDAR"] == "24/7"


def test_an_account_of_snowflakes_alone_brings_its_address(compose_text, environment):
    given = environment | {"SNOWFLAKE_ACCOUNT": "org-account", "SNOWFLAKE_PASSWORD": "token"}
    worker = started(filled(yaml.safe_load(compose_text), given)["services"]["worker-batch"])["environment"]
    extra = json.loads(worker["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])["extra"]
    assert (extra["host"], extra["port"]) == ("org-account.snowflakecomputing.com", 443)
    assert (worker["SNOWFLAKE_HOST"], worker["SNOWFLAKE_PORT"]) == (extra["host"], "443")


def test_a_real_vendor_and_a_real_account_are_a_matter_of_env_alone(compose_text, environment):
    real = {
        "POLYGON_BASE_URL": "https://vendor.test",
        "POLYGON_API_KEY": "key",
        "MARKET_CALENDAR": "XNYS",
        "POLL_CALENDAR": "XNYS",
        "SNOWFLAKE_ACCOUNT": "org-account",
        "SNOWFLAKE_HOST": "org-account.test",
        "SNOWFLAKE_PORT": "443",
        "SNOWFLAKE_USER": "loader",
        "SNOWFLAKE_PASSWORD": "word",
    }
    worker = started(filled(yaml.safe_load(compose_text), environment | real)["services"]["worker-batch"])[
        "environment"
    ]
    polygon = json.loads(worker["AIRFLOW_CONN_POLYGON_DEFAULT"])
    assert (polygon["host"], polygon["password"]) == ("https://vendor.test", "key")
    snowflake = json.loads(worker["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    assert (snowflake["login"], snowflake["password"]) == ("loader", "word")
    assert (snowflake["extra"]["host"], snowflake["extra"]["port"]) == ("org-account.test", 443)
    for name in real:
        if name in worker:
            assert worker[name] == real[name]
    assert "private_key_file" not in snowflake["extra"]


def test_a_key_pair_is_a_matter_of_env_too(compose_text, environment):
    given = {"SNOWFLAKE_PRIVATE_KEY_PATH": "/home/me/key.p8", "SNOWFLAKE_PASSWORD": "phrase"}
    compose = filled(yaml.safe_load(compose_text), environment | given)
    worker = started(compose["services"]["worker-batch"])
    place = f"/run/secrets/{worker['secrets'][0]}"
    connection = json.loads(worker["environment"]["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    assert (connection["extra"]["private_key_file"], connection["password"]) == (place, "phrase")
    assert worker["environment"]["SNOWFLAKE_PRIVATE_KEY_PATH"] == place
    assert compose["secrets"][worker["secrets"][0]]["file"] == "/home/me/key.p8"


def test_both_ends_of_the_stand_ins_share_their_secret(services, environment):
    worker = services["worker-batch"]["environment"]
    assert services["warehouse"]["environment"]["WAREHOUSE_PASSWORD"] == environment["WAREHOUSE_PASSWORD"]
    assert json.loads(worker["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])["password"] == environment["WAREHOUSE_PASSWORD"]
    assert json.loads(worker["AIRFLOW_CONN_POLYGON_DEFAULT"])["password"] == environment["SIMULATOR_API_KEY"]
    assert environment["SIMULATOR_API_KEY"] in services["simulator"]["environment"].values()


def test_clients_trust_the_certificate_that_the_warehouse_makes(services):
    worker, warehouse = services["worker-batch"], services["warehouse"]
    folder = next(volume.split(":")[1] for volume in warehouse["volumes"] if volume.startswith("tls:"))
    assert worker["environment"]["REQUESTS_CA_BUNDLE"] == f"{folder}/ca-bundle.pem"
    assert f"tls:{folder}:ro" in worker["volumes"]
    assert f"--tls {folder.removeprefix('/usr/local/airflow/')}" in warehouse["command"]
