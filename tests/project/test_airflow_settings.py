"""airflow_settings.yaml: the Astro CLI ignores what it does not know, so a wrong key must be seen here."""

from __future__ import annotations

import ast
import re

import pytest
import yaml

from include.orchestration import connections
from include.orchestration.dag_defaults import Pool
from tests.paths import ROOT

# Everything that the Astro CLI reads, with the type that it expects.
KNOWN = {
    "connections": {
        "conn_id": str,
        "conn_type": str,
        "conn_host": str,
        "conn_schema": str,
        "conn_login": str,
        "conn_password": str,
        "conn_port": int,
        "conn_uri": str,
        "conn_extra": dict,
    },
    "pools": {"pool_name": str, "pool_slot": int, "pool_description": str},
    "variables": {"variable_name": str, "variable_value": str},
}
REQUIRED = {
    "connections": {"conn_id", "conn_type"},
    "pools": {"pool_name", "pool_slot", "pool_description"},
    "variables": {"variable_name", "variable_value"},
}


@pytest.fixture(scope="module")
def document() -> dict:
    return yaml.safe_load((ROOT / "airflow_settings.yaml").read_text())


@pytest.fixture(scope="module")
def settings(document) -> dict:
    return document["airflow"]


def pools_of_tasks() -> set[str]:
    """What the code gives as `pool`, as keyword or in a dictionary: `Pool.NAME`, or the text itself."""
    pools = set()
    for folder in ("dags", "include/orchestration"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "pool":
                    pools.add(ast.unparse(node.value))
                elif isinstance(node, ast.Dict):
                    pairs = zip(node.keys, node.values, strict=True)
                    pools |= {ast.unparse(item) for key, item in pairs if getattr(key, "value", None) == "pool"}
    return pools


def test_only_keys_that_the_astro_cli_reads(document, settings):
    assert set(document) == {"airflow"}
    assert set(settings) <= set(KNOWN)
    for kind, entries in settings.items():
        for entry in entries:
            assert set(entry) <= set(KNOWN[kind]), f"{kind}: {sorted(set(entry) - set(KNOWN[kind]))} would be ignored"
            assert set(entry) >= REQUIRED[kind], f"{kind}: {entry} lacks {sorted(REQUIRED[kind] - set(entry))}"
            for key, value in entry.items():
                assert type(value) is KNOWN[kind][key], f"{key}: {value!r}"


def test_each_name_once(settings):
    for kind, key in (("pools", "pool_name"), ("variables", "variable_name"), ("connections", "conn_id")):
        names = [entry[key] for entry in settings.get(kind, [])]
        assert len(names) == len(set(names)), f"{kind}: {names}"


def test_pools_of_tasks_are_the_pools_that_exist(settings):
    assert pools_of_tasks() == {f"Pool.{pool.name}" for pool in Pool}
    assert {pool["pool_name"] for pool in settings["pools"]} == set(Pool)
    assert all(pool["pool_slot"] > 0 for pool in settings["pools"])


def test_connections_are_those_that_the_code_asks_for(settings):
    asked = {
        connections.POLYGON,
        connections.RATE_LIMIT,
        connections.FEATURE_STORE,
        connections.KAFKA,
        connections.WAREHOUSE,
        connections.APPLICATION,
        connections.APPLICATION_READER,
        connections.DESK,
    }
    assert {entry["conn_id"] for entry in settings["connections"]} == asked


def test_no_secret(settings):
    for connection in settings["connections"]:
        assert "conn_password" not in connection, f"{connection['conn_id']}: secrets come from the environment"
        assert "conn_uri" not in connection, f"{connection['conn_id']}: a URI would carry its password"
        for key in connection.get("conn_extra", {}):
            assert not re.search("password|secret|token|private_key", key), f"{connection['conn_id']}: {key}"


def test_the_skeletons_name_what_the_stacks_use(settings, services):
    """A person who fills a skeleton in on Astro gets the same database, warehouse and role."""
    skeletons = {entry["conn_id"]: entry for entry in settings["connections"]}
    worker = services["worker-batch"]["environment"]
    for key, value in skeletons[connections.WAREHOUSE]["conn_extra"].items():
        assert worker[f"SNOWFLAKE_{key.upper()}"] == value, key
