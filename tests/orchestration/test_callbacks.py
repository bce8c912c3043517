"""Callbacks: one message where people look, and the log when nothing is configured."""

import asyncio
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from include.orchestration import callbacks, channels
from include.surveillance.errors import VendorError


@pytest.fixture
def sink():
    """A local HTTP server that keeps what is posted to it."""

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append((self.path, json.loads(body)))
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Sink)
    server.received, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def webhook(sink, monkeypatch):
    connection = {"conn_type": "http", "host": f"http://127.0.0.1:{sink.server_port}/hook"}
    monkeypatch.setenv("AIRFLOW_CONN_WEBHOOK_ALERTS", json.dumps(connection))
    return sink


@pytest.fixture
def slack(sink, monkeypatch):
    connection = {"conn_type": "slackwebhook", "host": f"http://127.0.0.1:{sink.server_port}", "password": "T0/B0/X"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(connection))
    return sink


def failed_task(map_index=-1):
    return SimpleNamespace(
        dag_id="ingest_market_data", task_id="poll", run_id="run 1", map_index=map_index, log_url="http://airflow/log"
    )


def run_context(task):
    return {
        "ti": task,
        "dag": SimpleNamespace(dag_id="ingest_market_data"),
        "run_id": "run 1",
        "reason": "task_failure",
    }


def test_failed_task_is_told_with_its_error_and_its_log(webhook):
    callbacks.report_task_failure({"ti": failed_task(), "exception": VendorError("401: unknown API key")})
    ((path, message),) = webhook.received
    assert path == "/hook"
    assert message["text"] == (
        "Task ingest_market_data.poll failed in run 1: VendorError: 401: unknown API key\nhttp://airflow/log"
    )
    assert message["event"] == "task_failed"
    assert message["task_id"] == "poll"


@pytest.mark.parametrize("map_index", [0, 7])
def test_mapped_tasks_are_told_once_by_their_run(webhook, map_index):
    callbacks.report_task_failure({"ti": failed_task(map_index), "exception": VendorError("no")})
    assert webhook.received == []
    callbacks.report_run_failure(run_context(failed_task(map_index)))
    ((_, message),) = webhook.received
    assert f"failed in task poll [{map_index}]: task_failure" in message["text"]


def test_run_with_an_unmapped_failure_is_not_told_twice(webhook):
    callbacks.report_run_failure(run_context(failed_task()))
    assert webhook.received == []


def test_run_that_failed_without_a_task_is_told(webhook):
    context = run_context(None)
    del context["ti"]
    callbacks.report_run_failure(context | {"reason": "timed_out"})
    assert webhook.received[0][1]["text"] == "Run run 1 of ingest_market_data failed: timed_out"


def test_missed_deadline_is_told(webhook):
    run = {"dag_id": "land_raw", "dag_run_id": "run 2"}
    asyncio.run(callbacks.report_deadline(context={"dag_run": run}, allowed="0:15:00"))
    assert webhook.received[0][1]["text"] == "Run run 2 of land_raw is late: not done after 0:15:00"


@pytest.mark.parametrize(("state", "told"), [("success", 0), ("failed", 0), ("queued", 1), ("running", 1)])
def test_a_run_that_has_ended_is_not_late(webhook, state, told):
    run = {"dag_id": "land_raw", "dag_run_id": "run 2", "state": state}
    asyncio.run(callbacks.report_deadline(context={"dag_run": run}, allowed="0:15:00"))
    assert len(webhook.received) == told


def test_slack_is_told(slack):
    assert channels.send_message("hello", {}) == "slack"
    assert slack.received == [("/T0/B0/X", {"text": "hello"})]


def test_log_says_how_to_be_told_elsewhere(caplog):
    with caplog.at_level(logging.WARNING):
        assert channels.send_message("price gap of ACME", {}) == "log"
    assert "price gap of ACME (set connection slack_alerts or webhook_alerts" in caplog.text


def test_refusing_channel_raises_so_that_the_caller_can_retry(webhook):
    webhook.status = 500
    with pytest.raises(Exception, match="500"):
        channels.send_message("hello", {})


def test_refusing_channel_does_not_hide_the_failure(webhook, caplog):
    webhook.status = 500
    callbacks.report_task_failure({"ti": failed_task(), "exception": VendorError("the first error")})
    assert "could not send" in caplog.text
    assert "the first error" in caplog.text
