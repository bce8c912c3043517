"""What the watchdog sees of real servers: when they work, when they are gone, and when they stand still."""

import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import celery
import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging

from include.surveillance import broker
from include.surveillance.live import progress as detection
from include.surveillance.places import Place
from include.surveillance.records import Bar, Watermark
from include.surveillance.settings import Settings
from include.surveillance.timespans import MINUTE_MS
from include.surveillance.warehouse import progress as landing
from include.watchdog import checks
from include.watchdog.checks import Heartbeats, Kafka, Machine, Postgres, Progress, Redis, Server, Workers, make_checks
from include.watchdog.rounds import Rounds
from include.watchdog.settings import WatchdogSettings
from tests.conftest import free_port, kafka_server
from tests.sinks import Answer, serving

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC).timestamp()  # a Wednesday, 10:00 in New York
NIGHT = datetime(2026, 3, 4, 6, 0, tzinfo=UTC).timestamp()


def status(check, now=NOW):
    """Cause -> status of one look, as a round takes it."""
    rounds = Rounds([check], wait_seconds=10)
    try:
        return {sight.cause: sight.status for sight in rounds.look(now)}
    finally:
        rounds.close()


@contextmanager
def silent_server():
    """A server that takes connections and says nothing, as one does that stands still."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(checks, "TIMEOUT_SECONDS", 2.0)


# --- databases and servers


def test_postgres_that_answers_is_gone_or_stands_still(postgres_server):
    port, credentials = postgres_server
    login = {"host": "127.0.0.1", "login": "surveillance_reader", "schema": "surveillance"}
    login["password"] = credentials["SURVEILLANCE_READER_PASSWORD"]
    assert status(Postgres(json.dumps(login | {"port": port}))) == {"postgres": "well"}
    assert status(Postgres(json.dumps(login | {"port": free_port()}))) == {"postgres": "failing"}
    with silent_server() as silent:
        assert status(Postgres(json.dumps(login | {"port": silent}))) == {"postgres": "failing"}


def test_redis_that_answers_is_gone_or_stands_still(redis_url):
    assert status(Redis(redis_url)) == {"redis": "well"}
    assert status(Redis(f"redis://127.0.0.1:{free_port()}/0")) == {"redis": "failing"}
    with silent_server() as silent:
        assert status(Redis(f"redis://127.0.0.1:{silent}/0")) == {"redis": "failing"}


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(200, "well"), (204, "well"), (302, "well"), (404, "failing"), (500, "failing"), (503, "failing")],
)
def test_a_server_answers_or_fails(sink, answer, seen):
    sink.answer = lambda _: Answer(answer, {"Location": "http://127.0.0.1:9/"})
    assert status(Server("execution-api", f"{sink.url}/health")) == {"execution-api": seen}


def test_a_server_that_is_gone_or_stands_still_fails():
    assert status(Server("warehouse", f"http://127.0.0.1:{free_port()}/health")) == {"warehouse": "failing"}
    with silent_server() as silent:
        assert status(Server("warehouse", f"http://127.0.0.1:{silent}/health")) == {"warehouse": "failing"}


def test_a_check_that_hangs_hangs_alone_and_is_not_begun_twice():
    class Hanging(checks.Check):
        name, begun = "kafka", 0

        def look(self, now):
            self.begun += 1
            free.wait(30)
            return [checks.Sight("kafka")]

    free, hanging = threading.Event(), Hanging()
    rounds = Rounds([hanging, Machine([], 1, 0.1)], wait_seconds=0.2)
    for second in range(3):
        seen = {sight.cause: sight for sight in rounds.look(NOW + 10 * second)}
        assert seen["memory"].status == "well"
        assert seen["kafka"].status == "failing"
    assert "20 s" in seen["kafka"].text
    assert hanging.begun == 1
    free.set()
    rounds.close()


# --- Airflow


class Health(BaseHTTPRequestHandler):
    """Answers what the api-server would."""

    def do_GET(self):
        body = json.dumps(self.server.health).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def health():
    def component(name, age):
        newest = None if age is None else (datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=age)).isoformat()
        return {"status": "healthy", f"latest_{name}_heartbeat": newest}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)

    def look(scheduler=1, triggerer=1, dag_processor=1, metadatabase="healthy"):
        ages = {"scheduler": scheduler, "triggerer": triggerer, "dag_processor": dag_processor}
        server.health = {"metadatabase": {"status": metadatabase}}
        server.health |= {name: component(name, age) for name, age in ages.items()}
        return status(Heartbeats(f"http://127.0.0.1:{server.server_port}"))

    with serving(server):
        yield look


def test_a_heartbeat_grows_old(health):
    well = dict.fromkeys(("api-server", "scheduler", "triggerer", "dag-processor"), "well")
    assert health() == well
    assert health(triggerer=40) == well | {"triggerer": "doubtful"}
    assert health(triggerer=61, scheduler=600) == well | {"triggerer": "failing", "scheduler": "failing"}
    assert health(dag_processor=None) == well | {"dag-processor": "failing"}


def test_an_api_server_without_its_database_says_nothing_of_the_others(health):
    assert health(metadatabase="unhealthy", scheduler=600) == {"api-server": "failing"}


def test_workers_answer_over_redis_or_do_not(redis_url):
    # Of itself it would take over the logging of the whole process.
    setup_logging.connect(nothing := lambda **_: None, weak=False)
    app = celery.Celery(broker=redis_url)
    names = ["worker-poll", "worker-batch"]
    with start_worker(app, perform_ping_check=False, hostname="worker-poll@here"):
        assert status(Workers(redis_url, names)) == {"worker-poll": "well", "worker-batch": "failing"}
    setup_logging.disconnect(nothing)


def test_nobody_knows_of_workers_while_redis_is_gone():
    assert status(Workers(f"redis://127.0.0.1:{free_port()}/0", ["worker-poll"])) == {}


# --- what comes by Kafka


@pytest.fixture(scope="module")
def topics(tmp_path_factory):
    """A broker of one's own: what other tests have published is no news of a feed."""
    with kafka_server(tmp_path_factory.mktemp("kafka")) as client:
        broker.ensure_topics(client, 2)
        yield client


def watermark(minute, feed="minute", source="live"):
    fields = {"symbol": "ACME", "timespan": feed, "source": source, "bars": 1}
    return Watermark(**fields, from_ms=minute * MINUTE_MS, as_of_ms=(minute + 1) * MINUTE_MS)


def bar(minute):
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    return Bar(symbol="ACME", timespan="minute", ts_ms=minute * MINUTE_MS, volume=Decimal(1), **prices)


@pytest.fixture
def follower(topics, monkeypatch):
    """A check of feeds on a market that is always open, that has just seen a poll of this minute and half an hour."""

    def make(calendar="24/7"):
        check = Kafka(topics, Settings(poll_calendar=calendar, market_calendar=calendar), feed_seconds=100)
        check._began = 0.0
        return check

    minute = round(time.time()) // 60
    broker.publish(topics, [*(bar(minute - ago) for ago in range(30)), watermark(minute), watermark(minute, "5minute")])
    return make


def test_feeds_that_are_polled_are_well_and_silent_after_their_time(follower):
    check, now = follower(), time.time()
    assert status(check, now) == {"kafka": "well", "feed": "well", "bars": "well"}
    # As if at noon: this market's days begin at midnight UTC, and in its first minutes no feed is silent yet.
    noon = now - now % 86_400 + 43_200
    check._stored = {timespan: at_ms + round((noon - now) * 1_000) for timespan, at_ms in check._stored.items()}
    now = noon
    assert status(check, now + 90)["feed"] == "well"
    (feed,) = [it for it in check.look(now + 110) if it.cause == "feed"]
    assert feed.status == "failing"
    assert "minute: newest poll 11" in feed.text
    assert "5minute" not in feed.text
    (feed,) = [it for it in check.look(now + 600) if it.cause == "feed"]
    assert "5minute" in feed.text


def test_polls_that_bring_no_bar_are_a_cause_of_their_own(follower, topics):
    check, now = follower(), time.time()
    assert status(check, now)["bars"] == "well"
    check._stored = dict.fromkeys(("minute", "5minute"), round((now + 200) * 1_000))
    assert status(check, now + 200) == {"kafka": "well", "feed": "well", "bars": "failing"}
    check._minutes = set(list(check._minutes)[:10])  # a market in which seldom anything is traded
    assert status(check, now + 200)["bars"] == "well"


def test_a_backfill_is_no_poll(follower, topics):
    check, now = follower(), time.time()
    status(check, now)
    before = dict(check._stored)
    broker.publish(topics, [watermark(round(now) // 60, source="backfill")])
    status(check, now)
    assert check._stored == before


def test_nothing_is_silent_at_night_or_when_the_market_has_just_opened(follower):
    check = follower("XNYS")
    opened = datetime(2026, 3, 4, 14, 30, tzinfo=UTC).timestamp()
    check.look(NIGHT)
    check._stored = {"minute": round((opened - 60_000) * 1_000)}
    for moment, seen in ((NIGHT, "well"), (opened + 90, "well"), (opened + 110, "failing")):
        (feed,) = [it for it in check.look(moment) if it.cause == "feed"]
        assert feed.status == seen


def test_what_was_never_polled_is_not_in_operation(follower):
    check = follower()
    check.look(time.time())
    check._stored = {}
    (feed,) = [it for it in check.look(time.time() + 10_000) if it.cause == "feed"]
    assert feed.status == "well"


def test_a_broker_that_is_gone_fails_and_is_seen_again(follower, monkeypatch):
    check = follower()
    for module in (broker.client, broker.identity, broker.reader):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1.0, raising=False)
    there, check._kafka = check._kafka, {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
    assert status(check) == {"kafka": "failing"}
    check._kafka = there
    assert status(check)["kafka"] == "well"


def test_progress_is_the_age_of_the_oldest_unread_message(topics):
    positions = detection.list_detected(topics)
    assert {topic for topic, _ in positions} == {broker.BARS, broker.NEWS}
    with broker.Bounds(topics) as bounds:
        ends = {position: Place(bounds(position)[1]) for position in positions}
    broker.commit(topics, detection.GROUP, ends)
    check = Progress("detection", topics, detection.GROUP, "detect_anomalies", 180, detection.list_detected)
    now = time.time()
    assert status(check, now) == {"detection": "well"}
    broker.publish(topics, [bar(1)])
    assert status(check, time.time() + 170) == {"detection": "well"}
    (sight,) = check.look(time.time() + 185)
    assert sight.status == "failing"
    assert "18" in sight.text
    assert "detect_anomalies" in sight.text


def test_progress_that_nobody_knows_fails(topics):
    positions = detection.list_detected(topics)
    broker.commit(topics, detection.GROUP, dict.fromkeys(positions, Place(10_000_000)))
    check = Progress("detection", topics, detection.GROUP, "detect_anomalies", 180, detection.list_detected)
    assert status(check) == {"detection": "failing"}


def test_landing_counts_from_its_first_run_on(topics):
    check = Progress("landing", topics, landing.GROUP, "land_raw", 600, landing.list_landed)
    assert status(check) == {"landing": "well"}
    broker.publish(topics, [bar(2)])
    with broker.Bounds(topics) as bounds:
        at = {(broker.BARS, number): Place(max(0, bounds((broker.BARS, number))[1] - 1)) for number in (0, 1)}
    broker.commit(topics, landing.GROUP, at)
    assert status(check, time.time() + 60) == {"landing": "well"}
    assert status(check, time.time() + 700) == {"landing": "failing"}


# --- the machine


class Space:
    def __init__(self, free, inodes=50, blocks=1_000_000):
        self.f_blocks, self.f_frsize, self.f_bavail = blocks, 4_096, int(blocks * free / 100)
        self.f_files, self.f_favail = 100, inodes


@pytest.mark.parametrize(
    ("space", "disk", "full"),
    [
        (Space(50), "well", "well"),
        (Space(4), "failing", "well"),
        (Space(0), "failing", "failing"),
        (Space(50, inodes=0), "failing", "failing"),
        (Space(50, inodes=3), "failing", "well"),
    ],
)
def test_a_disk_has_space_little_or_none(tmp_path, monkeypatch, space, disk, full):
    monkeypatch.setattr(os, "statvfs", lambda _: space)
    seen = status(Machine([str(tmp_path)], 5, 0.1))
    assert (seen["disk"], seen["disk-full"], seen["memory"]) == (disk, full, "well")


def test_a_disk_at_its_limit_is_told_once(tmp_path, monkeypatch):
    machine, seen = Machine([str(tmp_path)], 5, 0.1), []
    for free in (7, 4, 5, 5.5, 7, 5.5, 4):
        monkeypatch.setattr(os, "statvfs", lambda _, free=free: Space(free))
        seen.append(next(it.status for it in machine.look(NOW) if it.cause == "disk"))
    assert seen == ["well", "failing", "failing", "failing", "well", "well", "failing"]


def test_a_folder_that_is_not_there_yet_is_no_cause(tmp_path):
    assert set(status(Machine([str(tmp_path / "later")], 5, 0.1))) == {"memory"}


def test_memory_that_is_short_is_said():
    (sight,) = [it for it in Machine([], 5, 100).look(NOW) if it.cause == "memory"]
    assert sight.status == "failing"
    assert "GiB" in sight.text


def test_what_is_not_given_is_not_watched_and_said_once(caplog):
    made = make_checks({"AIRFLOW__CELERY__BROKER_URL": "redis://127.0.0.1:1/0"}, WatchdogSettings())
    assert [check.name for check in made] == ["machine", "redis", "workers"]
    for what in ("PostgreSQL", "Kafka", "triggerer", "execution API", "warehouse"):
        assert what in caplog.text
