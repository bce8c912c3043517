"""Alerts in a real PostgreSQL and from a real Kafka: one row per alert, told once, never lost to a broken channel."""

import json
import uuid

import pytest

from include.orchestration import channels, connections, notifications
from include.surveillance import broker, wire
from include.surveillance.models import Alert, Reject


def alert(name="ACME", **changes):
    fields = {
        "rule": "price_gap",
        "rule_version": 1,
        "parameters_version": "test",
        "symbol": name,
        "timespan": "minute",
        "ts_ms": 1_700_000_000_000,
        "bar_close_ms": 1_700_000_060_000,
        "value": 0.031,
        "threshold": 0.02,
        "window_start_ms": 1_700_000_000_000,
        "window_end_ms": 1_700_000_060_000,
        "score": 70.0,
        "severity": "high",
        "episode_start_ms": 1_700_000_000_000,
        "session_phase": "regular",
        "session_date": "2023-11-14",
        "data_age_ms": 900,
        "event_ids": ("bar 1", "bar 2"),
        "explanation": f"{name} opened 3.1 % above the previous close",
    }
    return Alert(**(fields | changes))


@pytest.fixture
def database(postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    notifications.create_tables()
    notifications.create_tables()
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute("truncate alerts")


@pytest.fixture
def told(monkeypatch):
    """Messages instead of channels; set ``told.broken`` to have them refused."""

    class Told(list):
        broken = False

    messages = Told()

    def send(text, detail):
        if messages.broken:
            raise ConnectionError("the channel is down")
        messages.append(text)
        assert json.dumps(detail)
        return "slack"

    monkeypatch.setattr(channels, "send", send)
    return messages


def rows(columns="alert_id, notification"):
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute(f"select {columns} from alerts order by alert_id")
        return cursor.fetchall()


def test_alert_is_one_row_and_told_once_however_often_it_comes(database, told):
    assert notifications.notify([alert()]) == {"recorded": 1, "told": 1}
    assert notifications.notify([alert(), alert()]) == {"recorded": 2, "told": 0}
    assert rows() == [(alert().event_id, "slack")]
    assert told == ["[high] ACME opened 3.1 % above the previous close"]


def test_row_says_what_the_alert_says(database, told):
    notifications.notify([alert(baseline=100.5, direction="up")])
    columns = "symbol, rule, severity, score, value, threshold, baseline, direction, event_ids"
    ((*values, bar_at),) = rows(f"{columns}, extract(epoch from bar_at)")
    assert values == ["ACME", "price_gap", "high", 70.0, 0.031, 0.02, 100.5, "up", ["bar 1", "bar 2"]]
    assert bar_at == 1_700_000_000


def test_episode_that_goes_on_updates_its_row(database, told):
    notifications.notify([alert()])
    notifications.notify([alert(ts_ms=1_700_000_120_000, score=95.0, severity="critical")])
    assert rows("severity, score, first_seen_at < last_seen_at") == [("critical", 95.0, True)]


def test_broken_channel_loses_neither_row_nor_message(database, told):
    told.broken = True
    with pytest.raises(ConnectionError):
        notifications.notify([alert()])
    assert rows() == [(alert().event_id, "pending")]
    told.broken = False
    assert notifications.notify([alert()])["told"] == 1
    assert rows() == [(alert().event_id, "slack")]


def test_alerts_of_a_backfill_are_kept_and_not_told(database, told):
    assert notifications.notify([alert(source="backfill"), alert("ZVZZT")]) == {"recorded": 2, "told": 1}
    assert [notification for _, notification in rows()] == ["not sent: backfill", "slack"]
    assert len(told) == 1


def test_many_alerts_are_one_message(database, told):
    notifications.notify([alert(f"S{n}") for n in range(25)])
    (message,) = told
    assert len(message.splitlines()) == notifications.LINES_PER_MESSAGE + 1
    assert message.endswith("and 5 more on page Market surveillance")


@pytest.fixture
def backlog(topics, monkeypatch):
    """Topic ALERTS with a group of its own that stands at its end."""
    positions = [(broker.ALERTS, partition) for partition in range(4)]
    group = f"notifier-{uuid.uuid4().hex}"
    monkeypatch.setattr(notifications, "GROUP", group)
    broker.commit(topics, group, broker.read(topics, dict.fromkeys(positions)).next_offsets)
    return topics, positions


def test_backlog_is_notified_up_to_the_end_of_transactions(database, told, backlog):
    kafka, positions = backlog
    for name in ("ACME", "ZVZZT"):
        with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
            transaction.send(alert(name))
    counts = notifications.notify_backlog(kafka, positions)
    assert counts == {"recorded": 2, "told": 2, "rejected": 0}
    assert broker.lag(kafka, notifications.GROUP, positions) == 0
    assert notifications.notify_backlog(kafka, positions) == {"rejected": 0}


def test_failure_before_the_commit_repeats_without_telling_twice(database, told, backlog, monkeypatch):
    kafka, positions = backlog
    broker.publish(kafka, [alert()])
    with monkeypatch.context() as patch:
        patch.setattr(broker, "commit", lambda *_: (_ for _ in ()).throw(ConnectionError("lost")))
        with pytest.raises(ConnectionError):
            notifications.notify_backlog(kafka, positions)
    assert notifications.notify_backlog(kafka, positions)["told"] == 0
    assert (len(told), len(rows())) == (1, 1)


def test_what_is_no_alert_is_rejected_with_its_bytes_and_holds_nothing_up(database, told, backlog):
    kafka, positions = backlog
    rejected = [(broker.REJECTED, partition) for partition in range(4)]
    before = broker.read(kafka, dict.fromkeys(rejected)).next_offsets
    with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
        transaction.send_raw(broker.ALERTS, b"\xff not json", key="ACME")
        transaction.send(alert())
    assert notifications.notify_backlog(kafka, positions) == {"recorded": 1, "told": 1, "rejected": 1}
    (reject,) = [wire.decode(message.value) for message in broker.read(kafka, before).messages]
    assert isinstance(reject, Reject)
    assert (reject.stage, reject.encoding) == ("consume", "base64")
