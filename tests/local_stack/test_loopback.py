"""Nothing that the stack starts can be reached from another machine."""

from __future__ import annotations

import shlex

import pytest

from include.local_stack import components, kafka
from include.local_stack.credentials import ensure_credentials
from include.local_stack.environment import build_environment
from include.local_stack.market import Market
from include.local_stack.ports import HOST, Ports

# What each says about where it listens. The others do not listen at all.
SAID = {
    "postgres": f"listen_addresses={HOST}",
    "redis": f"--bind {HOST}",
    "dbt-docs": f"--bind {HOST}",
    "triggerer": "--skip-serve-logs",
    **dict.fromkeys(("worker-poll", "worker-detect", "worker-batch"), "--skip-serve-logs"),
}
# These refuse anything but loopback by themselves, see their own tests; Kafka and the API server read a setting.
BY_THEMSELVES = {"warehouse", "simulator"}
BY_SETTING = {"kafka", "api-server", "execution-api"}
SILENT = {"scheduler", "dag-processor"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    state = tmp_path_factory.mktemp("state")
    return build_environment(state, Ports(), ensure_credentials(state / "secrets.env"), Market(), {})


def test_each_component_listens_on_loopback_or_not_at_all(environment, tmp_path):
    known = ensure_credentials(tmp_path / "secrets.env")
    started = [
        *components.services(tmp_path, Ports(), known, Market()),
        *components.airflow(tmp_path, Ports(), environment),
    ]
    assert {component.name for component in started} == {*SAID, *BY_THEMSELVES, *BY_SETTING, *SILENT}
    for component in started:
        command = shlex.join(component.command)
        assert SAID.get(component.name, "") in command
        for wide in ("0.0.0.0", "::", "--allow-remote", "listen_addresses=*"):
            assert wide not in component.command, f"{component.name}: {wide}"


def test_kafka_and_the_api_server_are_told_to(environment, tmp_path):
    assert environment["AIRFLOW__API__HOST"] == HOST == "127.0.0.1"
    properties = dict(line.split("=", 1) for line in kafka._properties(tmp_path, 1, 2).splitlines())
    for name in ("listeners", "advertised.listeners"):
        assert all(f"://{HOST}:" in listener for listener in properties[name].split(",")), name


@pytest.mark.parametrize("section", ["SCHEDULER", "DAG_PROCESSOR", "TRIGGERER"])
def test_no_health_server_is_switched_on(environment, section):
    """Airflow's servers for health checks listen on every interface."""
    assert environment.get(f"AIRFLOW__{section}__ENABLE_HEALTH_CHECK", "False") == "False"
