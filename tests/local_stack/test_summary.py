"""What a summary makes of what it has counted; tests/e2e/test_demo.py asks a whole platform."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from rich.console import Console

from include.local_stack import summary
from include.local_stack.summary import TABLES, CoveredTime, Summary
from include.surveillance.sessions import Session

GOOD = Summary(
    minutes_polled=2,
    symbols_polled_each_minute=24,
    profiles=24,
    alerts_by_rule={"price_gap": 3},
    alerts_by_form={"price_gap": {"robust": 2, "literal": 1}},
    live_alerts=1,
    live_robust_alerts=1,
    labels_found={"price_gap": 2},
    labels_missed={"price_gap": 1},
    rows=dict.fromkeys(TABLES, 10),
    dbt_tests_passed=40,
    alerts_notified=3,
    alerts_shown=3,
    alerts_replayed=3,
    docs_shown=True,
    latency_p50=1.25,
    latency_p95=4.0,
)


def test_a_good_run_has_no_failures():
    assert GOOD.failures() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"minutes_polled": 0}, "poll: no live minute was polled"),
        ({"symbols_polled_each_minute": 19}, "poll: fewer than 20 symbols in a minute"),
        ({"profiles": 0}, "detect: no profile was built"),
        ({"alerts_by_rule": {}}, "detect: no alert"),
        ({"live_alerts": 0}, "detect: no alert in the live minutes"),
        ({"labels_found": {}}, "detect: no labelled price_gap was found (1 missed)"),
        ({"alerts_replayed": 0}, "replay: no alert to compare"),
        ({"replay_differences": ["a", "b"]}, "replay: 2 differences from what ran live, first ['a']"),
        ({"doubled_rows": 1}, "land: 1 rows are there twice"),
        ({"bars_missing": 2}, "land: 2 minute bars of the vendor did not arrive"),
        ({"rows": {"RAW.RAW_BARS": 0}}, "land/model: RAW.RAW_BARS is empty"),
        ({"alerts_notified": 0}, "notify: no alert reached the application database"),
        ({"alerts_shown": 0}, "show: Airflow's page shows no alert"),
        ({"docs_shown": False}, "show: dbt's documentation is not there"),
        ({"dbt_tests_passed": 0}, "model: no dbt test passed"),
        ({"dbt_tests_failed": 1}, "model: 1 dbt tests failed"),
    ],
)
def test_each_stage_that_fails_is_named_alone(change, said):
    assert replace(GOOD, **change).failures() == [said]


def test_the_table_shows_every_count():
    console = Console(width=120, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(GOOD.table())
    shown = capture.get()
    for text in (
        "3 alerts (1 literal, 2 robust); labelled: 2 found, 1 missed",
        "raw.raw_bars",
        "40 passed, 0 failed",
        "p50 1.2 s, p95 4.0 s",
    ):
        assert text in shown


LABELS = [
    # kind, symbol, start and end
    ("price_gap", "KO", 100, 200),  # an alert lies in it
    ("price_gap", "PEP", 100, 200),  # an alert of another symbol does not
    ("abnormal_volume", "KO", 700, 900),  # all of it was seen
    ("abnormal_volume", "KO", 700, 1_001),  # it was going on at the end
    ("abnormal_volume", "KO", 40, 90),  # it began before there was a profile
    ("price_gap", "KO", 60, 70),  # with the second session there is one
    ("feed_freshness", "KO", 100, 200),  # nobody polled then
    ("feed_freshness", "KO", 600, 700),
]


@pytest.fixture
def clients() -> Iterator[SimpleNamespace]:
    """A simulator that knows these labels, for whoever knows its key."""
    labels = [dict(zip(("kind", "symbol", "start_ms", "end_ms"), label, strict=True)) for label in LABELS]

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            known = (self.path, self.headers["Authorization"]) == ("/simulator/labels", "Bearer key")
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"labels": labels}).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(
        stack=SimpleNamespace(market=SimpleNamespace(mode="synthetic")),
        sessions=SimpleNamespace(following=lambda ts_ms: Session("", 30, 30, 60, 60) if ts_ms < 30 else None),
        environment={"POLYGON_BASE_URL": f"http://127.0.0.1:{server.server_port}", "POLYGON_API_KEY": "key"},
    )
    server.shutdown()
    server.server_close()


def test_a_label_is_hit_in_its_window_and_missed_when_all_of_it_was_judged(clients):
    alerts = [SimpleNamespace(rule="price_gap", symbol="KO", ts_ms=200)]
    hit, missed = summary._labels(clients, CoveredTime(30, 500, 1_000), alerts)
    assert hit == {"price_gap": 1, "abnormal_volume": 0, "feed_freshness": 0}
    assert missed == {"price_gap": 2, "abnormal_volume": 1, "feed_freshness": 1}


def test_nobody_labels_the_real_market(clients):
    clients.stack.market.mode = "vendor"
    assert summary._labels(clients, CoveredTime(30, 500, 1_000), []) == ({}, {})
