"""The pulse goes by the time of the data, and an empty platform says what to do first."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from include.orchestration import connections, pulse, quality
from include.orchestration.application.reviews import change_reviews
from include.orchestration.application.silences import silence
from include.surveillance import broker
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import Review
from include.surveillance.desk.silences import Matcher
from include.surveillance.errors import BrokerError
from include.surveillance.settings import Settings
from include.surveillance.timespans import to_ms
from tests.orchestration.conftest import alert, store

NOW = datetime.now(UTC)
POLICY = Policy.load(Settings().desk_policy_file)


@pytest.fixture
def platform(desk, airflow_database, monkeypatch):
    """What Kafka says: how old, in seconds, the newest poll and the oldest unread messages are."""
    ages = SimpleNamespace(feed=30.0, detection=None, notification=None)
    pulse._kafka.cache_clear()

    def oldest(age):
        return {} if age is None else {(broker.BARS, 0): to_ms(NOW) - round(age * 1_000)}

    monkeypatch.setenv("MARKET_CALENDAR", "24/7")
    monkeypatch.setattr(connections, "kafka", dict)
    monkeypatch.setattr(pulse, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(quality, "measure_feeds", lambda: {"minute": to_ms(NOW) - round(ages.feed * 1_000)})
    monkeypatch.setattr(quality, "measure_detection", lambda: oldest(ages.detection))
    monkeypatch.setattr(broker, "partitions_of", lambda *_: [0])
    monkeypatch.setattr(broker, "oldest_unread", lambda *_: oldest(ages.notification))
    desk("truncate batches")
    return ages


def stages():
    return {stage["name"]: stage for stage in pulse.read_pulse(NOW)["stages"]}


def land(desk, ago):
    desk(
        "insert into batches (dag_id, run_id, stage, interval_end, started_at, ended_at, tasks, failed) "
        "values ('land_raw', 'one', 'land', %s, %s, %s, 1, 0)",
        *(NOW - timedelta(seconds=ago), NOW, NOW),
    )


def test_each_stage_is_behind_by_the_age_of_its_data(platform, desk):
    platform.detection, platform.notification = 5.0, 7.0
    land(desk, 120)
    found = stages()
    seconds = {name: round(stage["seconds"], 1) for name, stage in found.items()}
    assert seconds == {"feed": 30.0, "detection": 5.0, "telling": 7.0, "warehouse": 120.0}
    assert not any(stage["late"] for stage in found.values())


def test_what_is_beyond_its_limit_is_late(platform, desk):
    platform.feed, platform.detection, platform.notification = 301.0, 181.0, 601.0
    land(desk, 901)
    assert [name for name, stage in stages().items() if stage["late"]] == list(stages())


def test_a_message_that_waits_counts_as_not_told(platform, desk, monkeypatch):
    monkeypatch.setenv("ALERT_CHANNELS", "log")
    desk(
        "insert into outbox (channel, kind, subject, version, severity, known_at, message) "
        "values ('log', 'alert', 'a', '1', 'high', %s, '{}')",
        NOW - timedelta(seconds=40),
    )
    assert round(stages()["telling"]["seconds"]) == 40


def test_what_nobody_knows_is_late_and_says_why(platform, monkeypatch):
    def away():
        raise BrokerError("Kafka does not answer")

    monkeypatch.setattr(quality, "measure_feeds", away)
    feed = stages()["feed"]
    assert (feed["seconds"], feed["late"], feed["problem"]) == (None, True, "Kafka does not answer")
    assert stages()["warehouse"]["problem"] == "nothing has been landed"


def test_kafka_that_does_not_answer_is_asked_once_and_waited_for_by_nobody(platform, monkeypatch):
    asked, back = [], threading.Event()

    def hang():
        asked.append(1)
        back.wait(60)
        return {"minute": to_ms(NOW)}

    monkeypatch.setattr(quality, "measure_feeds", hang)
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 0.01)
    try:
        # More than the server has threads for.
        with ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(lambda _: pulse._kafka().ask(), range(120)))
        assert answers == [(pulse.SILENT,) * 3] * 120
        found = stages()
        silent = {name for name, stage in found.items() if stage["problem"] == "Kafka does not answer"}
        assert silent == {"feed", "detection", "telling"}
        assert all(found[name]["late"] for name in silent)
        assert len(asked) == 1
    finally:
        back.set()
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 60.0)
    assert stages()["feed"]["problem"] is None


def test_what_goes_wrong_besides_is_raised_and_asked_again(platform, monkeypatch):
    measure, answers = quality.measure_feeds, [KeyError("minute")]

    def fail_once():
        if answers:
            raise answers.pop()
        return measure()

    monkeypatch.setattr(quality, "measure_feeds", fail_once)
    with pytest.raises(KeyError):
        stages()
    assert stages()["feed"]["problem"] is None


def test_when_the_market_is_closed_nobody_polls_and_nothing_lands(platform, monkeypatch):
    monkeypatch.setenv("MARKET_CALENDAR", "XNYS")
    sunday = datetime(2026, 1, 4, 17, tzinfo=UTC)
    answer = pulse.read_pulse(sunday)
    assert answer["phase"] == "closed"
    assert {stage["name"]: stage["late"] for stage in answer["stages"] if stage["name"] in ("feed", "warehouse")} == {
        "feed": False,
        "warehouse": False,
    }
    assert f"{answer['exchange_time']:%H:%M}" == "12:00"


def test_open_alerts_and_silences_are_counted(platform):
    recent = {"ts_ms": to_ms(NOW), "episode_start_ms": to_ms(NOW)}
    closed = alert("PEP", **recent)
    store([alert("KO", **recent), alert("MSFT", severity="low", **recent), alert("OLD"), closed])
    change_reviews(
        "nina",
        "close",
        {closed.event_id: 0},
        lambda it, _: Review(state="closed", owner="nina", reason="usual", closed_by="nina", version=1),
    )
    silence("nina", Matcher(symbol="KO"), "why", NOW - timedelta(hours=1), NOW + timedelta(hours=1), POLICY)
    answer = pulse.read_pulse(NOW)
    assert answer["open_alerts"] == {"high": 1, "low": 1}
    assert answer["silences"] == 1


def test_paused_dags_are_named(platform):
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    made = [
        ("at_rest", True, False, "CronTriggerTimetable"),
        ("at_work", False, False, "CronTriggerTimetable"),
        ("gone", True, True, "CronTriggerTimetable"),
        ("study", True, False, "NullTimetable"),
    ]
    with create_session() as session:
        session.merge(DagBundleModel(name="of the test"))
        session.flush()
        for name, paused, stale, timetable in made:
            own = {"is_paused": paused, "is_stale": stale, "timetable_type": timetable}
            session.merge(DagModel(dag_id=name, bundle_name="of the test", **own))
    found = pulse.read_pulse(NOW)["paused"]
    assert [name for name, *_ in made if name in found] == ["at_rest"]
    with create_session() as session:
        for name, *_ in made:
            session.delete(session.get(DagModel, name))


def test_an_empty_platform_says_what_to_do_first(empty_database, airflow_database, postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_READER", os.environ["AIRFLOW_CONN_SURVEILLANCE_DB"])
    answer = pulse.read_pulse(NOW)
    assert (answer["ready"], "bootstrap_platform" in answer["hint"], answer["stages"]) == (False, True, [])
