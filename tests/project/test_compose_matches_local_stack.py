"""Docker and the local stack run the same programs with the same settings; only addresses and folders differ."""

from __future__ import annotations

import json
import pkgutil
import re
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from airflow.providers.celery.executors.celery_executor import CeleryExecutor

from include.deployment import WRITERS
from include.local_stack import components, kafka, monitoring, postgres
from include.local_stack.access import SECRETS, withheld
from include.local_stack.credentials import GENERATORS, ensure_credentials
from include.local_stack.environment import build_environment
from include.local_stack.market import Market
from include.local_stack.ports import HOST, Ports
from tests.paths import ROOT
from tests.project.files import dotenv, filled, started

# What a container needs besides: where to listen, and under which name it is trusted.
FOR_CONTAINERS = ["--tls-name", "warehouse", "--host", "0.0.0.0", "--allow-remote"]
# What a folder of a machine needs besides.
FOR_FOLDERS = {"PATH", "PYTHONPATH", "STACK_STATE"}
# The user's own names for what the connection polygon_default holds; containers have the connection alone.
FOR_SHELLS = {"POLYGON_BASE_URL", "POLYGON_API_KEY"}
# One environment serves all local components; in Docker a stand-in's secret is in its own container only.
FOR_STAND_INS = {"SIMULATOR_API_KEY", "WAREHOUSE_PASSWORD"}
# What the container's connections and URLs are written of.
FOR_WRITERS = {*WRITERS, "POSTGRES", "REDIS", "KAFKA_PASSWORD", "OWN_VENDOR", "WATCHLIST"}
# Airflow's default queue, and those of include/orchestration/dag_defaults.py.
QUEUES = ["default", "detect", "poll", "short", "warehouse"]
WORKERS = ["worker-poll", "worker-detect", "worker-batch"]
# What a shell adds up.
SUM = re.compile(r"\$\(\((\w+) \+ (\d+)\)\)")


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports()


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def local_environment(state, ports) -> dict[str, str]:
    return build_environment(state, ports, ensure_credentials(state / "secrets.env"), Market(), {})


@pytest.fixture(scope="module")
def local(state, ports, local_environment) -> dict[str, components.Component]:
    known = ensure_credentials(state / "secrets.env")
    everything = [
        *components.services(state, ports, known, Market()),
        *components.airflow(state, ports, local_environment),
        components.watchdog(state),
        *monitoring.components(state, ports, local_environment),
    ]
    return {component.name: component for component in everything}


def words(service: dict) -> list[str]:
    command = service["command"]
    if command[:2] == ["sh", "-c"]:
        command = SUM.sub(lambda match: str(int(service["environment"][match[1]]) + int(match[2])), command[2])
    return shlex.split(command) if isinstance(command, str) else command


def arguments(command: list[str]) -> list[str]:
    """A Python module's name and options, without the interpreter, the folders and what only containers need."""
    given = command[command.index("-m") + 1 :]
    folders = {"--db-path", "--tls", "--directory", "--bind", "--pid"}
    kept = [word for at, word in enumerate(given) if word not in folders and given[at - 1] not in folders]
    return [word for word in kept if word not in FOR_CONTAINERS]


def test_the_same_components(services, local):
    assert set(services) - {"akhq", "grafana", "airflow-cli", "airflow-init", "postgres-roles"} == set(local)


@pytest.mark.parametrize(
    "name",
    [
        *("api-server", "execution-api", "scheduler", "dag-processor", "triggerer"),
        *(*WORKERS, "dbt-docs", "simulator", "warehouse", "watchdog", "exporter"),
    ],
)
def test_the_same_command(services, local, name):
    assert sorted(arguments(words(services[name]))) == sorted(arguments(local[name].command))


def test_every_queue_has_one_kind_of_worker_and_what_nobody_waits_for_gives_way(services, local):
    commands = [words(services[name]) for name in WORKERS]
    taken = [queue for words in commands for queue in words[words.index("--queues") + 1].split(",")]
    assert sorted(taken) == QUEUES
    assert [name for name in WORKERS if "cpu_shares" in services[name]] == ["worker-batch"]
    assert [name for name in WORKERS if local[name].command[0] == "nice"] == ["worker-batch"]


def test_containers_listen_beyond_loopback_only_where_compose_publishes_on_loopback(services):
    for name in ("warehouse", "simulator"):
        assert {"--allow-remote", "--host", "0.0.0.0"} <= set(words(services[name])), name
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"]), name


def test_the_same_redis(services, local):
    """The digest of the password is a shell's in the container, whose user is ``default`` like the local one."""
    command = local["redis"].command
    ours = command[command.index("--save") :]
    theirs = shlex.split(services["redis"]["command"][2])
    digest = next(word for word in theirs if word.startswith("#$("))
    assert [word if word != digest else ours[theirs.index(digest) - 2] for word in theirs][2:] == ours


def test_the_same_database_settings(services, state):
    ours = dict(option.split("=") for option in words(services["postgres"]) if "=" in option)
    theirs = dict(option.split("=") for option in postgres.command(state, 1) if "=" in option)
    assert ours == {name: theirs[name] for name in ("max_connections", "synchronous_commit")}


def test_the_same_databases(services):
    given = {name for name in services["postgres-roles"]["environment"] if name.endswith("_DB_PASSWORD")}
    assert given == set(postgres.DATABASES.values())


def test_the_same_kafka(services, state):
    """Every property of the local broker that is no address or folder is the container's too."""
    properties = kafka._properties(state, 1, 2).splitlines()
    local = dict(line.split("=", 1) for line in properties if line)
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"):
        del local[name]
    container = services["kafka"]["environment"]
    assert local == {name: container.get(f"KAFKA_{name.upper().replace('.', '_')}") for name in local}


def test_the_same_kafka_version(services):
    names = {"": "http://maven.apache.org/POM/4.0.0"}
    dependencies = ElementTree.parse(kafka.POM).iterfind(".//dependency", names)
    versions = {item.findtext("artifactId", "", names): item.findtext("version", "", names) for item in dependencies}
    assert services["kafka"]["image"] == f"apache/kafka:{versions['kafka_2.13']}"


def test_the_same_environment_names(services, local_environment):
    shared = set(dotenv(ROOT / "airflow.env.example"))
    for name in services.keys() & SECRETS.keys() - {"warehouse", "simulator", "alertmanager"}:
        local = (
            set(local_environment) - shared - FOR_FOLDERS - FOR_SHELLS - set(withheld(name)) - {"AIRFLOW_ADMIN_USER"}
        )
        # In Docker the watchdog's own are in its own container only, and nobody can start another anew.
        own = {it for it in local if it.startswith("WATCHDOG_")}
        local -= {"WATCHDOG_RESTART"} if name == "watchdog" else own
        # So have exporter and Alertmanager.
        local -= set() if name == "exporter" else {it for it in local if it.startswith("EXPORTER_")}
        assert (
            set(services[name]["environment"]) - FOR_WRITERS - FOR_SHELLS - {"AIRFLOW_ADMIN_USER"}
            == local - FOR_WRITERS
        )


def test_the_stand_ins_find_their_secret_under_the_same_name(services, local_environment):
    given = set(services["simulator"]["environment"]) | set(services["warehouse"]["environment"])
    assert given >= FOR_STAND_INS
    # Locally the folder of the kernels can be written.
    assert given - {"NUMBA_CACHE_DIR"} <= set(local_environment)


def test_settings_of_airflow_live_in_one_place(services):
    """Compose's `environment` would silently win over airflow.env, the file that a person edits."""
    twice = set(services["worker-batch"]["environment"]) & set(dotenv(ROOT / "airflow.env.example"))
    assert not twice, f"both in docker-compose.yml and in airflow.env.example: {sorted(twice)}"


def test_the_executor_is_celery():
    executor = pkgutil.resolve_name(dotenv(ROOT / "airflow.env.example")["AIRFLOW__CORE__EXECUTOR"])
    assert issubclass(executor, CeleryExecutor)


def test_the_same_secrets(secret_names):
    assert secret_names == set(GENERATORS)


def test_the_same_connections_but_for_addresses(services, local_environment):
    def without_addresses(environment: dict[str, str]) -> dict[str, dict]:
        connections = {}
        for name, value in environment.items():
            if name.startswith("AIRFLOW_CONN_"):
                connection = json.loads(value)
                extra = connection.get("extra", {})
                # The local broker listens on loopback alone and asks for no login.
                for key in [key for key in extra if key.startswith(("sasl.", "security."))]:
                    del extra[key]
                for field in (connection, extra):
                    for key in {"host", "port", "password", "bootstrap.servers"} & set(field):
                        field[key] = "set"
                connections[name] = connection
        return connections

    containers = services["worker-batch"]["environment"] | services["api-server"]["environment"]
    assert without_addresses(containers) == without_addresses(local_environment)


def test_the_same_heap_for_kafka(services):
    assert services["kafka"]["environment"]["KAFKA_HEAP_OPTS"] == f"-Xmx{kafka.HEAP}"


@pytest.mark.parametrize("key", ["", "mine"])
def test_the_same_market(compose_text, environment, state, ports, key):
    user = {"POLYGON_API_KEY": key, "POLYGON_BASE_URL": "https://vendor.test"}
    names = ("MARKET_CALENDAR", "MARKET_SHIFT_MS", "POLL_CALENDAR", "KAFKA_PARTITIONS", "POLYGON_CALLS_PER_SECOND")
    worker = filled(yaml.safe_load(compose_text), environment | user)["services"]["worker-batch"]
    container = started(worker)["environment"]
    known = ensure_credentials(state / "secrets.env")
    local = build_environment(state, ports, known, Market.wanted(None, bool(key)), user)
    assert {name: container[name] for name in names} == {name: local[name] for name in names}
    assert container.get("AIRFLOW_VAR_WATCHLIST") == local.get("AIRFLOW_VAR_WATCHLIST")
    hosts = [json.loads(it["AIRFLOW_CONN_POLYGON_DEFAULT"])["host"] for it in (container, local)]
    simulators = ["http://simulator:18090", f"http://{HOST}:{ports.simulator}"]
    assert hosts == (["https://vendor.test"] * 2 if key else simulators)


def test_one_jwt_secret_one_fernet_key(airflow_services):
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY"):
        values = {service["environment"].get(name) for service in airflow_services.values()} - {None}
        assert len(values) == 1, name
        assert values != {""}, name


def test_init_does_what_the_local_stack_does_before_airflow_starts(services):
    script = services["airflow-init"]["command"][-1]
    assert "python -m airflow db migrate\n" in script
    assert "python -m include.orchestration.migrate\n" in script
    assert "python -m include.orchestration.apply_settings\n" in script
    assert "python -m include.orchestration.accounts.apply_roles\n" in script


def test_addresses_agree_with_the_default_ports(services, ports):
    for name, port in {"postgres": 5432, "kafka": 9092, "warehouse": 18821, "simulator": 18090}.items():
        assert services[name]["ports"] == [f"{HOST}:{getattr(ports, name)}:{port}"]
    assert services["api-server"]["ports"] == [f"{HOST}:{ports.airflow}:8080"]
    url = services["worker-poll"]["environment"]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert url == f"http://execution-api:{ports.execution_api}/execution/"
    assert services["dbt-docs"]["ports"] == [f"{HOST}:{ports.dbt_docs}:8081"]
    assert services["prometheus"]["ports"] == [f"{HOST}:{ports.prometheus}:9090"]
    assert services["alertmanager"]["ports"] == [f"{HOST}:{ports.alertmanager}:9093"]
    assert services["exporter"]["environment"]["EXPORTER_PORT"] == str(ports.exporter)


@pytest.mark.parametrize("url", ["", "https://example.com/hook?token=a&b=1"])
def test_the_same_alertmanager(services, tmp_path, url):
    """The container's shell script is run, as far as Alertmanager's own start."""
    script = services["alertmanager"]["command"][0].partition("exec alertmanager")[0]
    shipped, written = monitoring.DEPLOY / "alertmanager.yml", tmp_path / "written.yml"
    script = script.replace("/etc/alertmanager/shipped.yml", str(shipped))
    script = script.replace("/tmp/alertmanager.yml", str(written))
    subprocess.run(["sh", "-euc", script], env={"MONITORING_WEBHOOK_URL": url}, check=True)
    monitoring.write_alertmanager(tmp_path, url)
    assert yaml.safe_load(written.read_text()) == yaml.safe_load((tmp_path / "alertmanager.yml").read_text())


def test_the_same_prometheus(services, local):
    ours = {it for it in local["prometheus"].command if "retention" in it or "log.level" in it}
    assert ours <= set(services["prometheus"]["command"])


def test_every_file_of_monitoring_is_in_a_container(compose, services):
    given = {ROOT / it["file"] for it in compose["configs"].values() if "file" in it}
    assert given == {it for it in monitoring.DEPLOY.rglob("*") if it.is_file()}
    taken = {it["source"] for service in services.values() for it in service.get("configs", [])}
    assert taken == set(compose["configs"])
