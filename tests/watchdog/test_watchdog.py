"""The watchdog as a whole: what it sees, whom it tells, what it starts anew, and when it pings."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from include.watchdog.__main__ import UNTOLD_SECONDS, Watchdog
from include.watchdog.causes import Sight
from include.watchdog.checks import Check
from include.watchdog.deadman import DeadMan
from include.watchdog.memory import Keeper
from include.watchdog.people import Webhook
from include.watchdog.restarts import AGAIN_SECONDS, Restarter
from include.watchdog.rounds import Rounds
from tests.conftest import free_port
from tests.paths import ROOT
from tests.sinks import Answer, HttpSink, serving


class Played(Check):
    """A component that is as the test says."""

    def __init__(self, name):
        self.name, self.error, self.patience = name, "", 30.0

    def look(self, now):
        if self.error:
            raise RuntimeError(self.error)
        return [Sight(self.name)]


@pytest.fixture
def pings():
    server = HttpSink()
    with serving(server):
        yield server


@pytest.fixture
def stage(sink, pings, tmp_path):
    """A watchdog of three components; ``play`` makes rounds, ten seconds apart, ``begin`` starts it anew."""

    class Stage:
        def __init__(self):
            self.now, self.restarted = 1_000_000.0, tmp_path / "restarted"
            self.components = {name: Played(name) for name in ("scheduler", "postgres", "redis")}
            self.begin()

        def begin(self):
            append = f"import sys; open({str(self.restarted)!r}, 'a').write(sys.argv[1] + '\\n')"
            self.restarter = Restarter([sys.executable, "-c", append])
            self.watchdog = Watchdog(
                Rounds(list(self.components.values())),
                [Webhook(f"{sink.url}/hook", "")],
                Keeper(tmp_path / "known.json"),
                DeadMan(f"{pings.url}/ping"),
                self.restarter,
            )

        def play(self, rounds, **errors):
            for name, component in self.components.items():
                component.error = errors.get(name, "")
            for _ in range(rounds):
                self.watchdog.go_round(self.now)
                self.now += 10
            for process in self.restarter._running:
                process.wait()

        def told(self):
            return [(it.json["cause"], it.json["event"]) for it in sink.taken]

    stage = Stage()
    stage.play(7)
    return stage


BEGAN, OVER = ("scheduler", "watchdog_began"), ("scheduler", "watchdog_over")


def test_a_component_that_stands_still_is_told_then_started_anew_then_over(stage):
    stage.play(4, scheduler="stands still")
    assert stage.told() == [BEGAN]
    stage.play(5, scheduler="stands still")
    assert not stage.restarted.exists()
    stage.play(1, scheduler="stands still")
    assert stage.restarted.read_text() == "scheduler\n"
    stage.play(20, scheduler="stands still")
    assert stage.restarted.read_text() == "scheduler\n"
    stage.play(round(AGAIN_SECONDS / 10), scheduler="stands still")
    assert stage.restarted.read_text() == "scheduler\n" * 2
    stage.play(3)
    assert stage.told() == [BEGAN, OVER]


def test_a_database_is_left_to_people(stage):
    stage.play(10, postgres="is gone", scheduler="is gone, too")
    assert stage.told() == [("postgres", "watchdog_began")]
    assert not stage.restarted.exists()


def test_whoever_starts_anew_tells_nobody_again_and_tells_what_is_over(stage):
    stage.play(4, scheduler="stands still")
    stage.begin()
    stage.play(40, scheduler="stands still")
    assert stage.told() == [BEGAN]
    stage.begin()
    stage.play(4)
    assert stage.told() == [BEGAN, OVER]


def test_what_could_not_be_told_is_told_by_the_next_one(stage, sink):
    sink.answer = lambda _: Answer(503)
    stage.play(4, scheduler="stands still")
    stage.begin()
    sink.answer = lambda _: Answer()
    stage.play(4, scheduler="stands still")
    assert stage.told() == [BEGAN]


def test_pings_end_with_the_first_failure_and_begin_when_all_is_over(stage, pings):
    assert len(pings.taken) == 2
    stage.play(30, redis="is gone")
    assert len(pings.taken) == 2
    stage.play(10)
    assert len(pings.taken) > 2
    assert stage.told()[-1] == ("redis", "watchdog_over")


def test_pings_end_when_nobody_can_be_told(stage, sink, pings):
    sink.answer = lambda _: Answer(500)
    stage.play(4, scheduler="stands still")
    stage.play(3)
    before = len(pings.taken)
    stage.play(round(UNTOLD_SECONDS / 10) + 60)
    assert len(pings.taken) - before <= UNTOLD_SECONDS / 60 + 1
    sink.answer = lambda _: Answer()
    stage.play(20)
    assert stage.told() == [BEGAN, OVER]
    assert len(pings.taken) - before > UNTOLD_SECONDS / 60 + 1


def test_a_restart_that_cannot_be_run_is_no_error(stage, caplog):
    stage.begin()
    stage.restarter._command = ("/nonexistent/program",)
    stage.play(7)
    stage.play(10, scheduler="stands still")
    assert "cannot be started anew" in caplog.text
    assert stage.told() == [BEGAN]


# --- as a process


def run(tmp_path, **settings):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {"PYTHONPATH": str(ROOT), "WATCHDOG_STATE": str(tmp_path / "known.json"), **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "include.watchdog"], env=kept | given, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def test_a_wrong_setting_is_named_and_nothing_else_is_needed(tmp_path):
    with run(tmp_path, DEADMAN_URL="http://example.com/secret") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "DEADMAN_URL must begin with https://" in said
    assert "secret" not in said


def test_it_starts_and_ends_while_everything_that_it_watches_is_gone(tmp_path):
    gone = f"127.0.0.1:{free_port()}"
    kafka = {"conn_type": "kafka", "extra": {"bootstrap.servers": gone}}
    reader = {"host": "127.0.0.1", "port": free_port(), "login": "r", "schema": "s"}
    settings = {
        "AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps(kafka),
        "AIRFLOW_CONN_SURVEILLANCE_READER": json.dumps(reader),
        "AIRFLOW__CELERY__BROKER_URL": f"redis://{gone}/0",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{gone}/execution/",
        "WATCHDOG_AIRFLOW": f"http://{gone}",
        "WATCHDOG_WAREHOUSE": f"https://{gone}",
        "POLL_CALENDAR": "24/7",
        "MARKET_CALENDAR": "24/7",
    }
    with run(tmp_path, **settings) as process:
        beat = tmp_path / "known.beat"
        while not beat.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "nobody is told but this log" in said
    assert "Traceback" not in said
