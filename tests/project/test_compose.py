"""docker-compose.yml by itself: what can be known about it without an engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from include.local_stack.access import CARRIERS
from tests.paths import ROOT
from tests.project.files import dotenv, filled, started, strings, variables

ONE_SHOT = {"airflow-init", "postgres-roles"}
WORKERS = {"worker-poll", "worker-detect", "worker-batch"}
AIRFLOW_COMPONENTS = {
    "airflow-init",
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
    "WAREHOUSE_PASSWORD",
}


def is_secret(name: str) -> bool:
    return name.endswith(("PASSWORD", "SECRET", "_KEY"))


def test_the_whole_platform_is_there(services, airflow_services):
    stores = {"postgres", "redis", "kafka", "akhq", "warehouse", "simulator", "watchdog"}
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


def test_each_component_asks_for_its_own_health(services):
    probed = {name: services[name]["healthcheck"]["test"][-1] for name in ("scheduler", "dag-processor", "triggerer")}
    assert probed == {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
    for name in (*probed, "api-server"):
        compile(services[name]["healthcheck"]["test"][3], name, "exec")


def test_each_worker_asks_for_its_own_health_and_can_be_doubled(services):
    for name in WORKERS:
        *command, code, asked = services[name]["healthcheck"]["test"]
        # The broker that the worker itself has, be it one of the user's own.
        assert command == ["CMD", "python", "-m", "include.deployment", "python", "-c"]
        compile(code, name, "exec")
        assert asked == name
        assert f"--celery-hostname {name}@%h" in str(services[name]["command"]), "the ping asks for this name"
        assert not {"container_name", "hostname", "ports"} & set(services[name]), f"--scale {name}=2 would clash"


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
        for key in ("image", "build", "volumes"):
            assert service[key] == first[key], key
        shared = [{n: v for n, v in it["environment"].items() if n not in secrets} for it in (first, service)]
        assert shared[0] == shared[1]


def test_what_is_built_has_a_name_and_what_is_pulled_a_version(services):
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image, f"{name}: {service['image']} has no tag"
        if "build" in service:
            assert service["build"] == ".", name
        else:
            assert tag != "latest", f"{name} follows latest"
            # PostgreSQL numbers its releases by two, the others by three.
            parts = 2 if name.startswith("postgres") else 3
            assert re.fullmatch(r"\d+(\.\d+)*", tag), f"{name}: {tag} is not one version"
            assert len(tag.split(".")) == parts, f"{name}: {tag} follows every release of a series"


def test_named_volumes_are_declared_and_used(compose, services):
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])
    assert not any(volume.startswith((".", "/")) for volume in used), "the image holds the code; nothing is mounted"


def test_mounted_folders_belong_to_the_image_user(services):
    """A named volume takes the owner of the folder that it covers, so the image must make each of them."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    made = next(line for line in dockerfile.splitlines() if "install --directory" in line).split()
    for service in services.values():
        if "build" in service:
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
