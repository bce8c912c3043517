"""A real Prometheus asks a real exporter, works out the rules, and a real Alertmanager tells a sink of it."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from include.local_stack import monitoring
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST, Ports
from tests.conftest import free_port, service
from tests.monitoring.shipped import program
from tests.paths import ROOT
from tests.sinks import HttpSink, serving


def wait(what, ready):
    deadline = time.monotonic() + 90
    while not (seen := ready()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return seen


def ask(ports: Ports, expression: str) -> list[dict]:
    answer = httpx.get(f"http://{HOST}:{ports.prometheus}/api/v1/query", params={"query": expression}).json()
    return answer["data"]["result"]


@pytest.fixture
def ports() -> Ports:
    return Ports(**{name: free_port() for name in vars(Ports())})


def test_what_is_broken_reaches_people_and_so_does_its_end(ports, tmp_path):
    """The exporter is stopped and started again; what a task sends by StatsD is in Prometheus."""
    program("prometheus")
    program("prometheus-alertmanager", "alertmanager")
    sink = HttpSink()
    given = {"MONITORING_WEBHOOK_URL": f"{sink.url}/people"}
    shared = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "POLL_CALENDAR": "24/7"}
    environment = shared | monitoring.environment(ports, given)
    del environment["EXPORTER_WAREHOUSE"], environment["EXPORTER_AIRFLOW"]
    parts = {part.name: part for part in monitoring.components(tmp_path, ports, given)}
    for part in parts.values():
        part.prepare()
    hasten(tmp_path / "monitoring")
    with ExitStack() as running, serving(sink):
        for name in ("alertmanager", "prometheus"):
            part = parts[name]
            running.enter_context(service(part.command, lambda it=part: it.healthy(0.0), tmp_path / f"{name}.log"))
        with exporter(environment, tmp_path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as task:
            wait("the exporter is asked", lambda: ask(ports, 'up{job="exporter"} == 1'))
            task.sendto(b"airflow.ti.finish,dag_id=d,task_id=t,state=success:1|c", (HOST, ports.exporter))
            (seen,) = wait("the task's statistics", lambda: ask(ports, "airflow_ti_finish_total"))
            assert {seen["metric"][name] for name in ("dag_id", "task_id", "state")} == {"d", "t", "success"}
            wait("the calendar", lambda: ask(ports, "surveillance_polling_open == 1"))
            wait("a recorded rule", lambda: ask(ports, 'slo:objective{slo="landing_lag"} == 0.99'))
        told = wait("people are told", lambda: [it.json for it in sink.taken if it.json["status"] == "firing"])[0]
        (alert,) = told["alerts"]
        assert alert["labels"]["alertname"] == "ExporterDown"
        assert alert["annotations"]["runbook"] == "docs/operate/monitoring.md#exporterdown"
        with exporter(environment, tmp_path):
            over = wait(
                "people are told of its end", lambda: [it.json for it in sink.taken if it.json["status"] == "resolved"]
            )
        assert over[0]["alerts"][0]["labels"]["alertname"] == "ExporterDown"


def exporter(environment: dict[str, str], folder: Path):
    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{environment['EXPORTER_PORT']}/metrics").status_code == 200
        except httpx.TransportError:
            return False

    command = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    return service([*command, sys.executable, "-m", "include.monitoring"], ready, folder / "exporter.log")


def hasten(folder: Path) -> None:
    """Let seconds pass for minutes."""
    for name, changes in {
        "prometheus.yml": {"10s": "1s"},
        "rules.yml": {"for: 30s": "for: 1s"},
        "alertmanager.yml": {"group_wait: 10s": "group_wait: 1s", "group_interval: 1m": "group_interval: 1s"},
    }.items():
        text = (folder / name).read_text()
        for old, new in changes.items():
            assert old in text, name
            text = text.replace(old, new)
        (folder / name).write_text(text)


def test_without_an_address_alertmanager_starts_and_tells_nobody(ports, tmp_path):
    program("prometheus-alertmanager", "alertmanager")
    (part,) = [it for it in monitoring.components(tmp_path, ports, {}) if it.name == "alertmanager"]
    part.prepare()
    assert "webhook" not in (tmp_path / "monitoring" / "alertmanager.yml").read_text()
    with service(part.command, lambda: part.healthy(0.0), tmp_path / "alertmanager.log"):
        pass


def test_it_can_be_left_out(ports, tmp_path):
    assert monitoring.components(tmp_path, ports, {"MONITORING": "0"}) == []
    assert monitoring.environment(ports, {"MONITORING": "0"})["AIRFLOW__METRICS__STATSD_ON"] == "False"
    assert [it.name for it in monitoring.components(tmp_path, ports, {})] == ["exporter", "alertmanager", "prometheus"]
    with pytest.raises(StackError, match="MONITORING is 'yes'"):
        monitoring.is_wanted({"MONITORING": "yes"})


def test_an_address_that_is_none_is_said_without_its_value(tmp_path):
    with pytest.raises(StackError, match="MONITORING_WEBHOOK_URL") as error:
        monitoring.write_alertmanager(tmp_path, "hooks.example.com/secret")
    assert "secret" not in str(error.value)
