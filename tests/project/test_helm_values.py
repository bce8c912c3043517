"""The values for Airflow's chart: keys and types that it knows, secrets by name, the same programs as with Docker."""

from __future__ import annotations

import shlex
from typing import Any

import jsonschema
import pytest
import yaml

from include.local_stack.access import CARRIERS, SECRETS
from tests.paths import ROOT
from tests.project.files import dotenv
from tests.project.test_compose_matches_local_stack import words

WORKERS = {"poll": "worker-poll", "detect": "worker-detect", "batch": "worker-batch"}
# The others are in Airflow's own database there, or are of use with a limit of calls a minute, or features, only.
CONNECTIONS = {
    name for names in CARRIERS.values() for name in names if name.startswith("AIRFLOW_CONN_")
} - CARRIERS["CHANNELS"] - {"AIRFLOW_CONN_RATE_LIMIT", "AIRFLOW_CONN_FEATURE_STORE"}  # fmt: skip
# Of the store that holds the tasks' logs; with Docker it is a volume.
LOGS = "AIRFLOW_CONN_TASK_LOGS"


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


def schema() -> dict:
    """The keys that the values use and their types, from the chart's published values.schema.json."""
    text, flag, number = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}
    texts = {"type": ["array", "null"], "items": text}
    secret = closed(("secretKeyRef",), secretKeyRef=closed(("name", "key"), name=text, key=text))
    variable = closed(("name",), name=text, value=text, valueFrom=secret)
    variable["anyOf"] = [{"required": ["value"]}, {"required": ["valueFrom"]}]
    variables, objects = {"type": "array", "items": variable}, {"type": "array", "items": {"type": "object"}}
    probe = closed(command=texts, periodSeconds=number, timeoutSeconds=number, failureThreshold=number)
    switch, pods = closed(enabled=flag), {"replicas": number, "env": variables}
    program = {"args": texts, "terminationGracePeriodSeconds": number, "livenessProbe": probe}
    budget = closed(enabled=flag, config=closed(maxUnavailable=number, minAvailable=number))
    image = closed(repository=text, tag=text, pullPolicy={"enum": ["Always", "Never", "IfNotPresent"]})
    names = ("metadataSecretName", "resultBackendSecretName", "brokerUrlSecretName")
    sets = {"type": "array", "items": closed(("name",), name=text, queue=text, **pods, **program)}
    section = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
    return closed(
        executor=text,
        airflowVersion=text,
        airflowHome=text,
        uid=number,
        gid=number,
        images=closed(airflow=image),
        extraEnvFrom={"type": ["string", "null"]},
        env=variables,
        volumes=objects,
        volumeMounts=objects,
        config={"type": "object", "additionalProperties": section},
        postgresql=switch,
        redis=switch,
        statsd=switch,
        data=closed(**dict.fromkeys(names, text)),
        fernetKeySecretName=text,
        apiSecretKeySecretName=text,
        jwtSecretName=text,
        migrateDatabaseJob=closed(enabled=flag, args=texts, env=variables),
        createUserJob=switch,
        apiServer=closed(**pods, startupProbe=probe, podDisruptionBudget=budget),
        scheduler=closed(**pods, **program, startupProbe=probe),
        dagProcessor=closed(**pods, **program, enabled=flag),
        triggerer=closed(**pods, **program, persistence=switch),
        workers=closed(celery=closed(enableDefault=flag, persistence=switch, sets=sets)),
    )


@pytest.fixture(scope="module")
def values() -> dict:
    return yaml.safe_load((ROOT / "include" / "deploy" / "helm-values.yaml").read_text())


@pytest.fixture(scope="module")
def sets(values) -> dict[str, dict]:
    return {WORKERS[one["name"]]: one for one in values["workers"]["celery"]["sets"]}


@pytest.fixture(scope="module")
def components(values, sets) -> dict[str, dict]:
    """By their names with Docker."""
    named = {"airflow-init": "migrateDatabaseJob", "api-server": "apiServer", "dag-processor": "dagProcessor"}
    named |= {"triggerer": "triggerer", "scheduler": "scheduler"}
    return {name: values[key] for name, key in named.items()} | sets


def test_every_key_is_one_of_the_charts_and_of_its_type(values):
    jsonschema.validate(values, schema())


@pytest.mark.parametrize(
    ("path", "wrong"), [(("scheduler", "replica"), 2), (("triggerer", "replicas"), "2"), (("worker",), {})]
)
def test_a_key_or_type_that_the_chart_does_not_know_is_noticed(values, path, wrong):
    broken = yaml.safe_load(yaml.safe_dump(values))
    *parents, last = path
    place = broken
    for parent in parents:
        place = place[parent]
    place[last] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema())


def test_three_kinds_of_workers_with_the_commands_of_docker(services, sets):
    assert set(sets) == set(WORKERS.values())
    for name, one in sets.items():
        shell, option, command = one["args"]
        assert (shell, option) == ("bash", "-c")
        here = shlex.split(command.replace("$((${KAFKA_PARTITIONS:-4} + 6))", "10"))
        there = words(services[name])
        assert here[here.index("celery") :] == there[there.index("celery") :], name
        assert ("AIRFLOW__CELERY__POOL=threads" in here) == ("AIRFLOW__CELERY__POOL=threads" in there)
        assert one["queue"] == here[here.index("--queues") + 1]


def test_each_worker_is_asked_by_its_own_name(sets):
    """The chart's own probe asks for celery@HOST, which none of them is."""
    for name, one in sets.items():
        command = one["livenessProbe"]["command"][-1]
        assert command.endswith(f'inspect ping --destination "{name}@$(hostname)"')
        assert f"--celery-hostname {name}@%h" in one["args"][-1]


def test_what_stops_has_the_time_that_it_has_with_docker(components, services):
    for name in ("scheduler", "triggerer", *WORKERS.values()):
        given = int(services[name].get("stop_grace_period", "60s").removesuffix("s"))
        assert components[name]["terminationGracePeriodSeconds"] >= given


def test_tables_settings_and_roles_are_made_by_the_same_commands_as_with_docker(values, services):
    def commands(script: str) -> list[str]:
        return [
            line for line in script.splitlines() if line.startswith(("python -m airflow", "python -m include.orch"))
        ]

    here = commands(values["migrateDatabaseJob"]["args"][-1])
    assert here == commands(services["airflow-init"]["command"][-1])
    assert len(here) == 4
    assert not values["createUserJob"]["enabled"]


def test_each_component_has_the_connections_that_it_has_with_docker(components):
    for name, component in components.items():
        granted = set().union(*(CARRIERS[secret] for secret in SECRETS[name])) & CONNECTIONS
        given = {variable["name"] for variable in component.get("env", ()) if "CONN" in variable["name"]}
        assert given - {LOGS} == granted, name


def test_whoever_writes_or_shows_logs_reaches_their_store(values, components):
    assert values["config"]["logging"]["remote_log_conn_id"].upper() == LOGS.removeprefix("AIRFLOW_CONN_")
    reaching = {
        name for name, one in components.items() if LOGS in {variable["name"] for variable in one.get("env", ())}
    }
    assert reaching == {"api-server", "triggerer", *WORKERS.values()}


def test_no_secret_has_its_value_here(values):
    def variables(node: Any) -> list[dict]:
        if isinstance(node, list):
            return [one for item in node for one in variables(item)]
        if not isinstance(node, dict):
            return []
        own = [node] if "name" in node and ({"value", "valueFrom"} & node.keys()) else []
        return own + [one for item in node.values() for one in variables(item)]

    carried = set().union(*CARRIERS.values()) | {LOGS}
    found = {variable["name"]: variable for variable in variables(values)}
    assert {name for name in found if name in carried} >= CONNECTIONS
    for name, variable in found.items():
        assert name not in carried or "valueFrom" in variable, name


def test_every_secret_volume_and_map_is_on_the_page(values):
    page = (ROOT / "docs" / "start" / "kubernetes.md").read_text()
    text = (ROOT / "include" / "deploy" / "helm-values.yaml").read_text()
    named = {word.strip("{},") for word in text.split() if word.startswith("surveillance-")}
    assert len(named) > 10
    assert {name for name in named if f"`{name}`" not in page and f" {name} " not in page} == set()


def test_settings_are_the_ones_of_docker(values):
    """The chart writes its own into airflow.cfg; the environment, from airflow.env, wins."""
    shared = dotenv(ROOT / "airflow.env.example")
    assert values["executor"] == shared["AIRFLOW__CORE__EXECUTOR"]
    assert "CeleryExecutor" in values["executor"], "the chart makes workers of nobody else's"
    assert values["config"]["core"]["auth_manager"] == shared["AIRFLOW__CORE__AUTH_MANAGER"]
    assert not {name for name in shared if name.startswith("AIRFLOW__LOGGING__REMOTE")}


def test_what_must_not_be_alone_is_not(components):
    assert {name for name, one in components.items() if one.get("replicas", 1) >= 2} == {
        "api-server",
        "scheduler",
        "triggerer",
        "worker-detect",
    }
