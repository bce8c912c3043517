"""Alerts in a real PostgreSQL and from a real Kafka: one row per alert, told once, never lost to a broken channel."""

import json
import uuid

import pytest

from include.orchestration import channels, connections, notify
from include.orchestration.application import alerts as alerts_table
from include.orchestration.application import statements
from include.surveillance import broker, wire
from include.surveillance.records import Alert, Reject


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
    statements.create_tables()
    statements.create_tables()
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute("truncate alerts")


@pytest.fixture
def told(monkeypatch):
    """Messages instead of channels; set ``told.broken`` to have them refused."""

    class LastNotified(list):
        broken = False

    messages = LastNotified()

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
    assert notify.notify([alert()]) == {"recorded": 1, "told": 1}
    assert notify.notify([alert(), alert()]) == {"recorded": 2, "told": 0}
    assert rows() == [(alert().event_id, "slack")]
    assert told == ["[high] ACME opened 3.1 % above the previous close"]


def test_row_says_what_the_alert_says(database, told):
    notify.notify([alert(baseline=100.5, direction="up")])
    columns = "symbol, rule, severity, score, value, threshold, baseline, direction, event_ids"
    ((*values, bar_at),) = rows(f"{columns}, extract(epoch from bar_at)")
    assert values == ["ACME", "price_gap", "high", 70.0, 0.031, 0.02, 100.5, "up", ["bar 1", "bar 2"]]
    assert bar_at == 1_700_000_000


def test_episode_that_goes_on_updates_its_row(database, told):
    notify.notify([alert()])
    notify.notify([alert(ts_ms=1_700_000_120_000, score=95.0, severity="critical")])
    assert rows("severity, score, first_seen_at < last_seen_at") == [("critical", 95.0, True)]


def test_broken_channel_loses_neither_row_nor_message(database, told):
    told.broken = True
    with pytest.raises(ConnectionError):
        notify.notify([alert()])
    assert rows() == [(alert().event_id, "pending")]
    told.broken = False
    assert notify.notify([alert()])["told"] == 1
    assert rows() == [(alert().event_id, "slack")]


def test_alerts_of_a_backfill_are_kept_and_not_told(database, told):
    assert notify.notify([alert(source="backfill"), alert("ZVZZT")]) == {"recorded": 2, "told": 1}
    assert [notification for _, notification in rows()] == ["not sent: backfill", "slack"]
    assert len(told) == 1


def test_what_has_been_told_stays_so_when_a_backfill_brings_it_again(database, told):
    notify.notify([alert()])
    assert notify.notify([alert(source="backfill", score=80.0)])["told"] == 0
    assert rows("notification, told_status, source, score") == [("slack", "fired", "backfill", 80.0)]


def test_alerts_of_several_statements_are_all_stored_the_last_message_of_each(database, told, monkeypatch):
    monkeypatch.setattr(alerts_table, "ROWS", 2)
    assert notify.notify([*crowd(5), alert("S0", firings=2), alert("S3", score=80.0)])["told"] == 5
    assert rows("symbol, firings, score") == [
        ("S0", 2, 70.0), ("S1", 1, 70.0), ("S2", 1, 70.0), ("S3", 1, 80.0), ("S4", 1, 70.0)
    ]  # fmt: skip


def test_many_alerts_are_one_message(database, told):
    notify.notify([alert(f"S{n}") for n in range(25)])
    (message,) = told
    assert len(message.splitlines()) == notify.LINES_PER_MESSAGE + 1
    assert message.endswith("and 5 more on page Market surveillance")


# --- what is told of an alert as it goes on


def crowd(count, **changes):
    return [alert(f"S{number}", **changes) for number in range(count)]


def test_an_episode_that_goes_on_is_told_again_only_when_it_gets_worse(database, told):
    again = {"status": "refired", "ts_ms": 1_700_000_120_000}
    notify.notify([alert()])
    assert notify.notify([alert(firings=2, **again)])["told"] == 0
    assert notify.notify([alert(firings=2, severity="medium", **again)])["told"] == 0
    assert notify.notify([alert(firings=3, severity="critical", **again)])["told"] == 1
    assert notify.notify([alert(firings=4, severity="critical", **again)])["told"] == 0
    assert told == [f"[{how}] {alert().explanation}" for how in ("high", "critical, was high")]
    assert rows("status, firings, severity") == [("refired", 4, "critical")]


def test_a_rise_that_could_not_be_told_is_told_later(database, told):
    notify.notify([alert()])
    told.broken = True
    with pytest.raises(ConnectionError):
        notify.notify([alert(severity="critical", status="refired")])
    told.broken = False
    assert notify.notify([alert(severity="critical", status="refired")])["told"] == 1


def test_a_retraction_is_told_once_to_whom_was_told(database, told):
    gone = {"status": "retracted", "before_value": 0.031, "before_threshold": 0.02, "value": 0.001}
    notify.notify([alert()])
    assert [notify.notify([alert(**gone)])["told"] for _ in range(2)] == [1, 0]
    assert told[1:] == [f"withdrawn: {alert().explanation}"]
    assert rows("status, value, before_value, before_threshold") == [("retracted", 0.001, 0.031, 0.02)]
    # Corrected back: news once more.
    assert notify.notify([alert()])["told"] == 1


def test_a_retraction_of_what_nobody_was_told_is_not_told(database, told):
    assert notify.notify([alert(), alert(status="retracted")]) == {"recorded": 2, "told": 0}
    assert (told, rows()) == ([], [(alert().event_id, "not sent: retracted")])


def test_a_confirmation_is_recorded_and_not_told(database, told):
    notify.notify([alert()])
    assert notify.notify([alert(status="confirmed", value=0.03, before_value=0.031)])["told"] == 0
    assert rows("status, value, before_value") == [("confirmed", 0.03, 0.031)]


def test_an_inhibited_alert_is_recorded_and_told_when_nothing_inhibits_it_any_more(database, told):
    assert notify.notify([alert(inhibited_by="bars missing before")])["told"] == 0
    assert rows("inhibited_by, notification") == [("bars missing before", "not sent: bars missing before")]
    assert notify.notify([alert(status="refired", firings=2)])["told"] == 1
    assert rows("inhibited_by, notification") == [(None, "slack")]


def test_one_symbol_is_one_line_led_by_its_highest_score(database, told):
    breakout = {"rule": "price_breakout", "direction": "up", "explanation": "ACME closed above its range"}
    counts = notify.notify([alert(), alert(score=95.0, severity="critical", **breakout), alert("ZVZZT")])
    assert counts["told"] == 3
    assert told == [
        "[critical] ACME closed above its range (also price_gap)\n[high] ZVZZT opened 3.1 % above the previous close"
    ]
    assert [notification for _, notification in rows()] == ["slack"] * 3


def test_a_move_of_the_whole_market_is_one_line(database, told):
    assert notify.notify(crowd(40), watched=500)["told"] == 1
    (message,) = told
    assert message.splitlines() == [
        "[medium] 40 of 500 symbols fired price_gap in the minute from 22:13 UTC, led by S0, S1 and S10."
    ]
    found = {row[0]: row[1:] for row in rows("symbol, rule, inhibited_by, notification")}
    assert found.pop("MARKET") == ("market_event", None, "slack")
    assert {row[1].partition("|")[0] for row in found.values()} == {"market event market_event"}
    # The same episodes going on, one more name in the same minute, and the event going on are no news.
    again = crowd(41, status="refired", firings=2, ts_ms=1_700_000_120_000)
    assert notify.notify(again, watched=500)["told"] == 0
    assert len(told) == 1


def test_an_event_is_seen_across_batches(database, told):
    first, second = crowd(20), [alert(f"T{number}") for number in range(20)]
    assert notify.notify(first, watched=500)["told"] == 20
    assert notify.notify(second, watched=500)["told"] == 1
    assert "40 of 500 symbols" in told[1]


def test_a_name_that_the_market_covers_stays_covered_when_it_gets_worse(database, told):
    notify.notify(crowd(40), watched=500)
    worse = alert("S7", status="refired", firings=2, severity="critical", ts_ms=1_700_000_120_000)
    notify.notify([worse], watched=500)
    assert told[1:] == []
    assert ("S7", "critical", "covered") in rows("symbol, severity, told_status")


def test_table_of_an_earlier_version_is_upgraded_with_its_rows(postgres, monkeypatch, told):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    earlier = statements.statement("create_alerts").partition(";")[0]
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute(f"drop table if exists alerts; {earlier}")
        cursor.execute(
            "insert into alerts values (%(id)s, 'price_gap', 'ACME', 'minute', now(), 'high', 70, '', 0.03, 0.02, null,"
            " 'regular', '2023-11-14', 900, 'live', 'said', '{}', now(), now(), 'slack', now())",
            {"id": alert().event_id},
        )
    statements.create_tables()
    statements.create_tables()
    assert rows("form, status, firings, told_status, told_severity") == [("literal", "fired", 1, "fired", "high")]
    assert notify.notify([alert(status="refired", firings=2)])["told"] == 0


@pytest.fixture
def backlog(topics, monkeypatch):
    """Topic ALERTS with a group of its own that stands at its end."""
    positions = [(broker.ALERTS, partition) for partition in range(4)]
    group = f"notifier-{uuid.uuid4().hex}"
    monkeypatch.setattr(notify, "GROUP", group)
    broker.commit(topics, group, broker.read(topics, dict.fromkeys(positions)).next_offsets)
    return topics, positions


def test_backlog_is_notified_up_to_the_end_of_transactions(database, told, backlog):
    kafka, positions = backlog
    for name in ("ACME", "ZVZZT"):
        with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
            transaction.send(alert(name))
    counts = notify.notify_backlog(kafka, positions)
    assert counts == {"recorded": 2, "told": 2, "rejected": 0}
    assert broker.lag(kafka, notify.GROUP, positions) == 0
    assert notify.notify_backlog(kafka, positions) == {"rejected": 0}


def test_a_backfill_does_not_ask_for_the_watchlist(database, told, backlog, monkeypatch):
    kafka, positions = backlog
    monkeypatch.setattr(notify.polling, "symbols", lambda: pytest.fail("asked"))
    broker.publish(kafka, [alert(source="backfill")])
    assert notify.notify_backlog(kafka, positions) == {"recorded": 1, "told": 0, "rejected": 0}


def test_what_an_alerts_delay_was_made_of_is_kept(database, told, backlog):
    kafka, positions = backlog
    said = {"polled_ms": "1700000062000", "appended_ms": "1700000062300", "detected_ms": "1700000062900"}
    with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
        transaction.send(alert(), headers=said)
        transaction.send(alert("ZVZZT"), headers={"polled_ms": "soon", "detected_ms": "9" * 30})
    notify.notify_backlog(kafka, positions)
    steps = ["bar_closed_at", "polled_at", "appended_at", "detected_at"]
    full, broken = rows(", ".join(f"(extract(epoch from {step}) * 1000)::bigint" for step in steps))
    assert full == (1_700_000_060_000, *map(int, said.values()))
    assert broken == (1_700_000_060_000, None, None, None)
    assert rows("published_at <= last_seen_at + interval '1 s'") == [(True,), (True,)]


def test_failure_before_the_commit_repeats_without_telling_twice(database, told, backlog, monkeypatch):
    kafka, positions = backlog
    broker.publish(kafka, [alert()])
    with monkeypatch.context() as patch:
        patch.setattr(broker, "commit", lambda *_: (_ for _ in ()).throw(ConnectionError("lost")))
        with pytest.raises(ConnectionError):
            notify.notify_backlog(kafka, positions)
    assert notify.notify_backlog(kafka, positions)["told"] == 0
    assert (len(told), len(rows())) == (1, 1)


def test_what_is_no_alert_is_rejected_with_its_bytes_and_holds_nothing_up(database, told, backlog):
    kafka, positions = backlog
    rejected = [(broker.REJECTED, partition) for partition in range(4)]
    before = broker.read(kafka, dict.fromkeys(rejected)).next_offsets
    with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
        transaction.send_raw(broker.ALERTS, b"\xff not json", key="ACME")
        transaction.send(alert())
    assert notify.notify_backlog(kafka, positions) == {"recorded": 1, "told": 1, "rejected": 1}
    (reject,) = [wire.decode(message.value) for message in broker.read(kafka, before).messages]
    assert isinstance(reject, Reject)
    assert (reject.stage, reject.encoding) == ("consume", "base64")


@pytest.mark.parametrize(
    "broken", [{"explanation": "a\0b"}, {"event_ids": ("\0",)}, {"firings": 2**31}, {"data_age_ms": -(2**63)}]
)
def test_what_no_row_can_hold_is_rejected(database, told, backlog, broken):
    kafka, positions = backlog
    broker.publish(kafka, [alert(**broken), alert("ZVZZT")])
    assert notify.notify_backlog(kafka, positions) == {"recorded": 1, "told": 1, "rejected": 1}
    assert broker.lag(kafka, notify.GROUP, positions) == 0
