"""Which secret each container may have: the whole table, and that nothing else gives one more."""

from __future__ import annotations

import re

import pytest

from include.local_stack import components, monitoring
from include.local_stack.access import CARRIERS, SECRETS, withheld
from include.local_stack.credentials import ensure_credentials
from include.local_stack.environment import build_environment
from include.local_stack.market import Market
from include.local_stack.ports import Ports
from tests.paths import ROOT
from tests.project.files import strings

ALLOWED = {
    "postgres": {"POSTGRES_PASSWORD"},
    "postgres-roles": {
        *("POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "SURVEILLANCE_DB_PASSWORD"),
        *("SURVEILLANCE_READER_PASSWORD", "SURVEILLANCE_DESK_PASSWORD"),
    },
    "redis": {"REDIS_PASSWORD"},
    "kafka": {"KAFKA_PASSWORD"},
    "akhq": {"KAFKA_PASSWORD", "AKHQ_PASSWORD"},
    "warehouse": {"WAREHOUSE_PASSWORD"},
    "simulator": {"SIMULATOR_API_KEY"},
    "dbt-docs": set(),
    "watchdog": {"REDIS_PASSWORD", "SURVEILLANCE_READER_PASSWORD", "KAFKA_PASSWORD"},
    "exporter": {"SURVEILLANCE_READER_PASSWORD", "KAFKA_PASSWORD"},
    "prometheus": set(),
    "alertmanager": set(),
    "grafana": set(),
    "airflow-init": {
        *("FERNET_KEY", "AIRFLOW_DB_PASSWORD", "AIRFLOW_ADMIN_PASSWORD"),
        *("SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD", "WAREHOUSE_PASSWORD"),
    },
    "airflow-cli": {"FERNET_KEY", "AIRFLOW_DB_PASSWORD"},
    "api-server": {
        *("FERNET_KEY", "AIRFLOW_DB_PASSWORD", "JWT_SECRET", "API_SECRET_KEY", "KAFKA_PASSWORD"),
        *("SURVEILLANCE_READER_PASSWORD", "SURVEILLANCE_DESK_PASSWORD"),
    },
    "execution-api": {"FERNET_KEY", "AIRFLOW_DB_PASSWORD", "JWT_SECRET"},
    "scheduler": {"FERNET_KEY", "AIRFLOW_DB_PASSWORD", "JWT_SECRET", "REDIS_PASSWORD"},
    "dag-processor": {"FERNET_KEY", "AIRFLOW_DB_PASSWORD", "SURVEILLANCE_DB_PASSWORD"},
    "triggerer": {"FERNET_KEY", "AIRFLOW_DB_PASSWORD", "SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD"},
    "worker-detect": {"REDIS_PASSWORD", "SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD"},
    "worker-poll": {
        *("REDIS_PASSWORD", "SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD"),
        *("SIMULATOR_API_KEY", "WAREHOUSE_PASSWORD"),
    },
    "worker-batch": {
        *("REDIS_PASSWORD", "SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD"),
        *("SIMULATOR_API_KEY", "WAREHOUSE_PASSWORD", "AIRFLOW_DB_PASSWORD"),
    },
}
# What the local table calls by the part that it plays for a component -> the secret that plays it here.
PLAYED_BY = {
    "POLYGON_API_KEY": "SIMULATOR_API_KEY",
    "SNOWFLAKE_PASSWORD": "WAREHOUSE_PASSWORD",
    "MAINTENANCE_DB_PASSWORD": "AIRFLOW_DB_PASSWORD",
}
# Not generated: empty, or with the password of the user's own directory.
GIVEN = "LOGIN_SETTINGS"
OPEN = {"postgres", "postgres-roles", "redis", "kafka", "akhq"}


@pytest.fixture
def environment_of(tmp_path):
    credentials = ensure_credentials(tmp_path / "secrets.env")
    environment = build_environment(tmp_path, Ports(), credentials, Market(), {})
    return environment, credentials


def held(texts: object, secrets: dict[str, str]) -> set[str]:
    whole = "\n".join(strings(texts))
    return {name for name, value in secrets.items() if value in whole}


def test_each_container_has_its_own_secrets_and_no_other(services, environment, secret_names):
    secrets = {name: environment[name] for name in secret_names}
    assert {name: held(service, secrets) for name, service in services.items()} == ALLOWED


def test_the_local_table_says_the_same(services):
    played = {
        name: {
            PLAYED_BY.get(secret, secret)
            for secret in SECRETS.get(name, set()) - {GIVEN, "CHANNELS", "WATCHDOG", "MONITORING"}
        }
        for name in ALLOWED
    }
    assert {name: played[name] for name in played.keys() - OPEN} == {
        name: ALLOWED[name] for name in ALLOWED.keys() - OPEN
    }


def test_only_those_who_sign_people_in_know_the_directory(services):
    assert {name for name, service in services.items() if GIVEN in service.get("environment", {})} == {
        name for name, secrets in SECRETS.items() if GIVEN in secrets
    }


def test_no_variable_with_a_secret_is_left_out_of_the_table(environment_of):
    environment, credentials = environment_of
    carrying = {name for name, value in environment.items() if held(value, credentials)}
    known = set().union(*CARRIERS.values())
    assert carrying <= known
    # The local broker asks for no login, and no channel is set.
    assert known - carrying == {
        "AIRFLOW_CONN_KAFKA_DEFAULT",
        GIVEN,
        *CARRIERS["CHANNELS"],
        *CARRIERS["WATCHDOG"],
        *CARRIERS["MONITORING"],
    }


def test_local_programs_run_without_what_is_withheld(environment_of, tmp_path):
    environment, credentials = environment_of
    started = [
        *components.services(tmp_path, Ports(), credentials, Market()),
        *components.airflow(tmp_path, Ports(), environment),
        components.watchdog(tmp_path),
        *monitoring.components(tmp_path, Ports(), environment),
    ]
    for component in started:
        unset = {word.removeprefix("--unset=") for word in component.program if word.startswith("--unset=")}
        assert unset == set(withheld(component.name))
        assert component.program[-len(component.command) :] == component.command
        left = {name: value for name, value in environment.items() if name not in unset}
        allowed = {"POSTGRES_PASSWORD"} | ALLOWED[component.name] if component.name not in OPEN else set()
        assert held(left, credentials) <= allowed, component.name


def test_only_those_that_tell_people_know_the_channels(airflow_services):
    told = {name for name, service in airflow_services.items() if "channels.env" in service["env_file"]}
    assert told == {name for name, secrets in SECRETS.items() if "CHANNELS" in secrets}
    example = (ROOT / "channels.env.example").read_text()
    assert set(re.findall(r"^# (AIRFLOW_CONN_\w+)=", example, re.MULTILINE)) == CARRIERS["CHANNELS"]
    assert "AIRFLOW_CONN_" not in (ROOT / "airflow.env.example").read_text()


def test_only_the_watchdog_knows_whom_it_tells(services):
    told = {name for name, service in services.items() if "watchdog.env" in service.get("env_file", ())}
    assert told == {name for name, secrets in SECRETS.items() if "WATCHDOG" in secrets} == {"watchdog"}
    example = (ROOT / "watchdog.env.example").read_text()
    assert set(re.findall(r"^# (\w+)=", example, re.MULTILINE)) >= CARRIERS["WATCHDOG"]


def test_only_alertmanager_knows_whom_prometheus_tells(services):
    told = {name for name, service in services.items() if CARRIERS["MONITORING"] & set(service.get("environment", {}))}
    assert told == {name for name, secrets in SECRETS.items() if "MONITORING" in secrets} == {"alertmanager"}


def test_one_more_worker_has_what_the_first_has():
    assert withheld("worker-detect-2") == withheld("worker-detect")
    assert "AIRFLOW__API_AUTH__JWT_SECRET" in withheld("worker-batch")


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_container_can_gain_rights(services, name):
    service = services[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "network_mode", "devices"} & set(service)
    # The official image starts as root, gives its folder to its user and becomes that user.
    assert set(service.get("cap_add", ())) <= (
        {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"} if name == "postgres" else set()
    )


def test_the_console_reaches_kafka_alone_and_the_documentation_nothing(services):
    networks = {name: set(service["networks"]) for name, service in services.items()}
    assert {name for name, joined in networks.items() if "console" in joined} == {"kafka", "akhq"}
    assert networks["akhq"] == {"console"}
    assert {name for name, joined in networks.items() if "documents" in joined} == {"dbt-docs"}
    watching = {"exporter", "prometheus", "alertmanager", "grafana"}
    assert {name for name, joined in networks.items() if "monitoring" in joined} == {*watching, "api-server"}
    # It shows what the exporter tells it, and reaches no database; the page asks it.
    assert {name for name in watching if networks[name] != {"monitoring"}} == {"exporter"}
