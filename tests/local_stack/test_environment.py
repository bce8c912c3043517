"""One environment: the user's settings count, addresses and secrets are the stack's own."""

from __future__ import annotations

import json

import pytest

from include.deployment import VENDOR
from include.local_stack.credentials import ensure_credentials
from include.local_stack.environment import build_environment, name_vendor, uses_vendor
from include.local_stack.errors import StackError
from include.local_stack.market import Market
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


def test_the_stack_beats_the_shell_where_it_decides(build, tmp_path, credentials):
    stale = {"AIRFLOW_HOME": "/elsewhere", "AIRFLOW__CELERY__BROKER_URL": "redis://elsewhere", "PYTHONPATH": "/old"}
    environment = build(**stale)
    assert environment["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert environment["AIRFLOW__CELERY__BROKER_URL"] == (
        f"redis://:{credentials['REDIS_PASSWORD']}@127.0.0.1:{Ports.redis}/0"
    )
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


@pytest.mark.parametrize(
    ("user", "key", "url"),
    [
        ({"MASSIVE_API_KEY": " mine "}, "mine", None),
        ({"MASSIVE_API_KEY": "mine", "POLYGON_API_KEY": "mine "}, "mine", None),
        ({"POLYGON_API_KEY": "", "MASSIVE_API_KEY": "mine", "MASSIVE_BASE_URL": " https://api.massive.com"}, "mine",
         "https://api.massive.com"),
        ({"MASSIVE_API_KEY": "  "}, None, None),
    ],
)  # fmt: skip
def test_the_vendors_newer_name_is_as_good(user, key, url):
    named = name_vendor(user | {"OTHER": "x"})
    assert (named.get("POLYGON_API_KEY"), named.get("POLYGON_BASE_URL"), named["OTHER"]) == (key, url, "x")
    assert not [name for name in named if name.startswith("MASSIVE")]


@pytest.mark.parametrize("what", ["API_KEY", "BASE_URL"])
def test_two_names_that_differ_are_an_error_without_the_key(what):
    with pytest.raises(StackError, match=f"POLYGON_{what} and MASSIVE_{what} are both set and differ") as caught:
        name_vendor({f"POLYGON_{what}": "secret-one", f"MASSIVE_{what}": "secret-two"})
    assert "secret" not in str(caught.value)


def test_the_vendor_is_asked_at_its_pace_and_the_simulator_at_any(build):
    assert build()["POLYGON_CALLS_PER_SECOND"] == "0"
    assert build(Market("vendor"), POLYGON_API_KEY="mine")["POLYGON_CALLS_PER_SECOND"] == ""
    assert build(POLYGON_CALLS_PER_SECOND="5")["POLYGON_CALLS_PER_SECOND"] == "5"


def test_everything_listens_on_loopback(build):
    environment = build()
    addresses = [value for name, value in environment.items() if "://" in value and "DBT" not in name]
    assert addresses
    assert all("127.0.0.1" in address for address in addresses), addresses


def test_the_shared_settings_hold_no_address_and_no_secret():
    settings = [line for line in (ROOT / "airflow.env.example").read_text().splitlines() if line[:1] not in ("", "#")]
    assert settings
    assert not [line for line in settings if "://" in line or "SECRET" in line or "PASSWORD" in line or "_KEY" in line]
