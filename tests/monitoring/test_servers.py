"""What the exporter sees of servers that answer, fail and are gone."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry

from include.monitoring.catalogue import Catalogue
from include.monitoring.look import Look, repeat
from include.monitoring.servers import Server
from include.surveillance.errors import SurveillanceError
from tests.conftest import free_port
from tests.sinks import Answer, HttpSink, serving

BEAT = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


@pytest.fixture
def catalogue():
    return Catalogue(CollectorRegistry())


def probes(catalogue, outcome):
    return catalogue.registry.get_sample_value("surveillance_probes_total", {"target": "warehouse", "outcome": outcome})


def test_answers_and_failures_are_counted(catalogue):
    sink = HttpSink()
    with serving(sink):
        server = Server("warehouse", sink.url, catalogue)
        server.look(0.0)
        sink.answer = lambda _: Answer(status=503)
        with pytest.raises(SurveillanceError, match="does not answer"):
            server.look(0.0)
    assert (probes(catalogue, "ok"), probes(catalogue, "failed")) == (1, 1)


def test_one_that_is_gone_fails_and_both_outcomes_are_there_before(catalogue):
    server = Server("warehouse", f"http://127.0.0.1:{free_port()}", catalogue)
    assert (probes(catalogue, "ok"), probes(catalogue, "failed")) == (0, 0)
    with pytest.raises(SurveillanceError):
        server.look(0.0)
    assert probes(catalogue, "failed") == 1


def test_heartbeats_are_shown_as_moments_and_what_has_none_is_not(catalogue):
    health = {
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": BEAT.isoformat()},
        "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    }

    class Api(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(health).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    with serving(api):
        Server("api-server", f"http://127.0.0.1:{api.server_port}", catalogue, heartbeats=True).look(0.0)
    shown = {s.labels["component"]: s.value for s in next(iter(catalogue.heartbeat.collect())).samples}
    assert shown == {"scheduler": BEAT.timestamp()}


def test_a_look_that_fails_says_so_once_and_its_moment_stays(catalogue, caplog):
    stop, outcomes = threading.Event(), ["fine", "broken", "broken", "fine", "end"]

    class Part(Look):
        part, every = "part", 0.0

        def look(self, now):
            outcome = outcomes.pop(0)
            if outcome == "broken":
                raise SurveillanceError("it is broken\nwith details")
            if outcome == "end":
                stop.set()

    with caplog.at_level("INFO"):
        repeat(Part(), catalogue, stop)
    assert [record.message for record in caplog.records] == ["part: it is broken", "part answers again"]
    assert catalogue.registry.get_sample_value("surveillance_look_timestamp_seconds", {"part": "part"}) > 1_700_000_000
