"""The whole platform, started as a user starts it: interrupted once, gone on with, summed up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tenacity import retry, retry_if_exception_message, stop_after_attempt

from include.local_stack.airflow_api import AirflowApi
from include.local_stack.credentials import ensure_credentials
from include.local_stack.ports import HOST, Ports, variable
from include.local_stack.stack import clean
from include.local_stack.supervisor import Supervisor
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.detection.rules.registry import rules_at
from tests.ground import ground
from tests.leaks import leaked_credentials
from tests.monitoring.outage import told, watch_outage
from tests.paths import ROOT, SHARED_DATA
from tests.rights import MAY, acts_of_every_role
from tests.sinks import HttpSink, serving

# In its second run the exporter is away; until people are told of its beginning and its end, four minutes pass.
LIVE_SECONDS = 210
# Airflow's own way of running a task; the fast lane is what the example settings switch on.
PLAIN_LANE = {"AIRFLOW__SDK__QUEUE_TO_COORDINATOR": "{}"}
RECORDED = SHARED_DATA / "minute_2019feb.parquet"
RULES = set(rules_at("minute"))


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[dict[str, str]]:
    """A state folder and ports of its own; Kafka's jars are shared with the other tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    yield {**own, **ground(folder / "stack"), "PYTHONPATH": str(ROOT)}
    clean(folder / "stack")


def demo(*arguments: str) -> list[str]:
    replay = ["--replay", str(RECORDED)] if RECORDED.exists() else []
    return [sys.executable, "-m", "include.local_stack", "demo", *replay, *arguments]


@contextmanager
def running(command: list[str], environment: dict[str, str], output: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside the block and wait for its end; whatever fails, the test shows what it wrote."""
    try:
        with (
            output.open("w") as file,
            subprocess.Popen(command, env=environment, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT) as process,
        ):
            yield process
    finally:
        sys.stdout.write(output.read_text())


def reachable(state: Path) -> list[str]:
    """What the running stack listens on beyond loopback: program and address."""
    supervisor = psutil.Process(int((state / "supervisord.pid").read_text()))
    listening = []
    for process in supervisor.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # tasks come and go
            connections = process.net_connections(kind="inet")
            listening += [(process.name(), one.laddr) for one in connections if one.status == psutil.CONN_LISTEN]
    assert len(listening) >= len(vars(Ports()))
    return [f"{name} on {at.ip}:{at.port}" for name, at in listening if at.ip not in (HOST, f"::ffff:{HOST}")]


def polls(state: Path) -> tuple[int, int]:
    """Logs of poll tasks that ran in a process of their own, which parses the DAG file, and of those that did not."""
    logs = [path.read_text() for path in (state / "airflow" / "logs").rglob("task_id=poll/**/attempt=*.log")]
    parsed = sum("Worker startup parse complete" in text for text in logs)
    return parsed, len(logs) - parsed


@retry(
    retry=retry_if_exception_message(match=".*answered 500 .*Database error"), stop=stop_after_attempt(5), reraise=True
)
def mark_run(airflow: AirflowApi, path: str, state: str) -> None:
    """Mark a run, as often as Airflow's deadlock with its own scheduler is what it answers: a person presses again."""
    airflow._call("PATCH", path, json={"state": state})


def clear_runs(airflow: AirflowApi) -> None:
    """Clear a run that has failed and one that goes on: both are done in the end."""
    dag_id = "bootstrap_platform"
    for state in ("failed", None):
        run = airflow.trigger(dag_id)
        if state:
            mark_run(airflow, f"/dags/{dag_id}/dagRuns/{run}", state)
        airflow._call("POST", f"/dags/{dag_id}/dagRuns/{run}/clear", json={"dry_run": False})
        airflow.wait(dag_id, run, timeout=180)


@pytest.mark.timeout(1800)
def test_interrupted_demo_goes_on_where_it_was_and_every_stage_delivers(environment: dict[str, str], kafka: dict):
    # Started without an end and without the fast lane, interrupted at its first live alert.
    plain, state = {**environment, **PLAIN_LANE}, Path(environment["STACK_STATE"])
    with subprocess.Popen(demo(), env=plain, cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        seen = []
        for line in first.stdout:
            seen.append(line)
            if any(rule in line for rule in RULES):
                break
        open_to_all = reachable(state)
        airflow, login = f"http://{HOST}:{environment[variable('airflow')]}", ensure_credentials(state / "secrets.env")
        allowed = acts_of_every_role(airflow, login["AIRFLOW_ADMIN_PASSWORD"])
        clear_runs(AirflowApi(airflow, "admin", login["AIRFLOW_ADMIN_PASSWORD"]))
        first.send_signal(signal.SIGINT)
        rest, _ = first.communicate(timeout=180)
    assert first.returncode == 0, "".join(seen) + rest
    assert any(rule in seen[-1] for rule in RULES), "".join(seen) + rest
    assert open_to_all == []
    assert allowed == MAY
    in_own_process, inside_worker = polls(state)
    assert in_own_process > 0
    assert inside_worker == 0

    # While it prepares itself and goes on live, nobody measures it for a minute, and people are told so.
    sink, output = HttpSink(), state / "second.log"
    watched = {**environment, "MONITORING_WEBHOOK_URL": f"{sink.url}/people"}
    command = demo("--duration", str(LIVE_SECONDS))
    with serving(sink), running(command, watched, output) as second:
        while second.poll() is None and "bootstrap_platform done" not in output.read_text():
            time.sleep(1)
        prometheus = f"http://{HOST}:{environment[variable('prometheus')]}"
        outage = watch_outage(prometheus, Supervisor(state), sink, lambda: second.poll() is None)
    report = output.read_text()
    assert second.returncode == 0, report
    assert not outage, f"Prometheus has nothing of {outage}\n{report}"
    for status in ("firing", "resolved"):
        (alert, *_) = told(sink, status)
        assert alert["annotations"]["runbook"] == "docs/operate/monitoring.md#exporterdown"
    summary = json.loads((state / "summary.json").read_text())
    assert summary["failures"] == [], report
    assert summary["symbols_polled_each_minute"] >= 20
    # Of the generated market the news that was planted may lie before the first profile.
    assert set(summary["labels_found"]) in ([RULES] if RECORDED.exists() else [RULES, RULES - {"news_impact"}])
    assert all(summary["labels_found"].values()), summary
    assert all(summary["rows"].values()), summary
    assert summary["doubled_rows"] == 0
    assert summary["bars_missing"] == 0
    assert summary["dbt_tests_passed"] > 0
    assert summary["alerts_notified"] == sum(summary["alerts_by_rule"].values())
    of_market = {rule: count for rule, count in summary["alerts_by_rule"].items() if kind_of(rule) == "market"}
    assert summary["alerts_shown"] == sum(of_market.values())
    assert summary["latency_p95"] is not None
    # Live minutes were held against profiles, and a replay of the log raises what ran live.
    assert summary["live_robust_alerts"] > 0
    assert summary["alerts_replayed"] > 0
    assert summary["replay_differences"] == []
    # Both runs used one history: it was fetched once.
    assert "history is there" in report

    assert polls(state)[0] == in_own_process
    assert polls(state)[1] >= summary["symbols_polled_each_minute"]

    credentials = ensure_credentials(state / "secrets.env")
    assert [leak for logs in ("logs", "airflow/logs") for leak in leaked_credentials(state / logs, credentials)] == []
    # Only what prints the login for the user may say a password, and only that one.
    assert [name for name, value in credentials.items() if value in report] in ([], ["AIRFLOW_ADMIN_PASSWORD"])
