"""One environment: the user's settings count, addresses and secrets are the stack's own."""

from __future__ import annotations

import json

import pytest

from include.local_stack.credentials import ensure_credentials
from include.local_stack.environment import build_environment, uses_vendor
from include.local_stack.market import VENDOR, Market
from include.local_stack.ports import Ports
from tests.paths import ROOT


@pytest.fixture
def credentials(tmp_path):
    return ensure_credentials(tmp_path / "secrets.env")


@pytest.fixture
def build(tmp_path, credentials):
    def build(market=None, **user):
        return build_environment(tmp_path, Ports(), credentials, market or Market(), user)

    return build


def test_the_shell_beats_the_shared_settings(build):
    name = "AIRFLOW__CORE__PARALLELISM"
    assert name in build()
    assert build(**{name: "7"})[name] == "7"


def test_the_stack_beats_the_shell_where_it_decides(build, tmp_path):
    stale = {"AIRFLOW_HOME": "/elsewhere", "AIRFLOW__CELERY__BROKER_URL": "redis://elsewhere", "PYTHONPATH": "/old"}
    environment = build(**stale)
    assert environment["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert environment["AIRFLOW__CELERY__BROKER_URL"] == f"redis://127.0.0.1:{Ports.redis}/0"
    assert environment["PYTHONPATH"] == str(ROOT)


def test_services_write_bytecode(build):
    assert "PYTHONDONTWRITEBYTECODE" not in build(PYTHONDONTWRITEBYTECODE="1")


def test_own_environment_exported_into_the_shell_changes_nothing(build, credentials):
    """`eval "$(... env)"` must not make the simulator's key look like one of the vendor's."""
    exported = build()
    assert build(**exported) | {"PATH": ""} == exported | {"PATH": ""}
    assert not uses_vendor(exported, credentials)


def test_a_key_of_the_users_own_goes_to_the_vendor(build, credentials):
    user = {"POLYGON_API_KEY": "mine"}
    assert uses_vendor(user, credentials)
    connection = json.loads(build(Market("vendor"), **user)["AIRFLOW_CONN_POLYGON_DEFAULT"])
    assert (connection["host"], connection["password"]) == (VENDOR, "mine")


def test_the_users_address_of_the_vendor_is_used(build):
    user = {"POLYGON_API_KEY": "mine", "POLYGON_BASE_URL": "https://proxy.example"}
    assert (
        json.loads(build(Market("vendor"), **user)["AIRFLOW_CONN_POLYGON_DEFAULT"])["host"] == "https://proxy.example"
    )


def test_everything_listens_on_loopback(build):
    environment = build()
    addresses = [value for name, value in environment.items() if "://" in value and "DBT" not in name]
    assert addresses
    assert all("127.0.0.1" in address for address in addresses), addresses


def test_the_shared_settings_hold_no_address_and_no_secret():
    settings = [line for line in (ROOT / "airflow.env.example").read_text().splitlines() if line[:1] not in ("", "#")]
    assert settings
    assert not [line for line in settings if "://" in line or "SECRET" in line or "PASSWORD" in line or "_KEY" in line]
