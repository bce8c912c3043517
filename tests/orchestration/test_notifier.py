"""Alerts from a real Kafka in a real PostgreSQL: each is one row, and queued once for each channel."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from include.orchestration import notifier
from include.orchestration.application import silences, watchlist
from include.surveillance import broker, failpoints, wire
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.messages import News, write_lines
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.silences import Matcher
from include.surveillance.records import Reject
from include.surveillance.settings import Settings
from include.surveillance.timespans import now_ms
from include.surveillance.watchlist import read_watchlist
from tests.orchestration.conftest import alert, crowd, rows, transaction


@pytest.fixture
def sent(monkeypatch):
    """The lines of what is queued for Slack, which takes it at once; each call brings messages of its own."""
    lines, published, original = [], count(now_ms()), notifier.notify

    def notify(alerts, watched=None, stamps=None, *publish):
        own = {alert.event_id: LatencyStamps(published_ms=next(published)) for alert in alerts}
        counts = original(alerts, watched, own if stamps is None else stamps, *publish)
        with transaction() as cursor:
            cursor.execute("select message::text from outbox where sent_at is null order by outbox_id")
            messages = [json.loads(text) for (text,) in cursor.fetchall()]
            cursor.execute("update outbox set sent_at = now(), outcome = 'told' where sent_at is null")
        news = [News(wire.decode(json.dumps(it["record"]).encode()), it["was"]) for it in messages]
        lines.extend(line.text for line in write_lines(news))
        return counts

    monkeypatch.setenv("ALERT_CHANNELS", "slack")
    monkeypatch.setattr(notifier, "notify", notify)
    return lines


def test_alert_is_one_row_and_told_once_however_often_it_comes(database, sent):
    assert notifier.notify([alert()]) == {"alerts": 1, "notified": 1}
    assert notifier.notify([alert(), alert()]) == {"alerts": 2, "notified": 0}
    assert rows() == [(alert().event_id, "outbox")]
    assert sent == ["[high] ACME opened 3.1 % above the previous close"]


def test_episode_that_goes_on_updates_its_row(database, sent):
    notifier.notify([alert()])
    notifier.notify([alert(ts_ms=1_700_000_120_000, score=95.0, severity="critical")])
    assert rows("severity, score, first_seen_at < last_seen_at") == [("critical", 95.0, True)]


def test_rows_and_messages_are_stored_together_or_not_at_all(database, sent, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(notifier, "add_alerts", lambda *_: (_ for _ in ()).throw(ConnectionError("lost")))
        with pytest.raises(ConnectionError):
            notifier.notify([alert()])
    assert rows() == []
    assert notifier.notify([alert()])["notified"] == 1
    assert rows() == [(alert().event_id, "outbox")]


def test_alerts_of_a_backfill_are_kept_and_not_told(database, sent):
    assert notifier.notify([alert(source="backfill"), alert("ZVZZT")]) == {"alerts": 2, "notified": 1}
    assert [notification for _, notification in rows()] == ["not sent: backfill", "outbox"]
    assert len(sent) == 1


def test_what_has_been_told_stays_so_when_a_backfill_brings_it_again(database, sent):
    notifier.notify([alert()])
    assert notifier.notify([alert(source="backfill", score=80.0)])["notified"] == 0
    assert rows("notification, told_status, source, score") == [("outbox", "fired", "live", 80.0)]


# --- what people are notified of as an alert goes on


def test_an_episode_that_goes_on_is_told_again_only_when_it_gets_worse(database, sent):
    again = {"status": "refired", "ts_ms": 1_700_000_120_000}
    notifier.notify([alert()])
    assert notifier.notify([alert(firings=2, **again)])["notified"] == 0
    assert notifier.notify([alert(firings=2, severity="medium", **again)])["notified"] == 0
    assert notifier.notify([alert(firings=3, severity="critical", **again)])["notified"] == 1
    assert notifier.notify([alert(firings=4, severity="critical", **again)])["notified"] == 0
    assert sent == [f"[{how}] {alert().explanation}" for how in ("high", "critical, was high")]
    assert rows("status, firings, severity") == [("refired", 4, "critical")]


def test_a_retraction_is_told_once_to_whom_was_told(database, sent):
    gone = {"status": "retracted", "before_value": 0.031, "before_threshold": 0.02, "value": 0.001}
    notifier.notify([alert()])
    assert [notifier.notify([alert(**gone)])["notified"] for _ in range(2)] == [1, 0]
    assert sent[1:] == [f"withdrawn: {alert().explanation}"]
    assert rows("status, value, before_value, before_threshold") == [("retracted", 0.001, 0.031, 0.02)]
    # Corrected back: news once more.
    assert notifier.notify([alert()])["notified"] == 1


def test_a_retraction_of_what_nobody_was_told_is_not_told(database, sent):
    assert notifier.notify([alert(), alert(status="retracted")]) == {"alerts": 2, "notified": 0}
    assert (sent, rows()) == ([], [(alert().event_id, "not sent: retracted")])


def test_a_confirmation_is_recorded_and_not_told(database, sent):
    notifier.notify([alert()])
    assert notifier.notify([alert(status="confirmed", value=0.03, before_value=0.031)])["notified"] == 0
    assert rows("status, value, before_value") == [("confirmed", 0.03, 0.031)]


def test_an_inhibited_alert_is_recorded_and_told_when_nothing_inhibits_it_any_more(database, sent):
    assert notifier.notify([alert(inhibited_by="bars missing before")])["notified"] == 0
    assert rows("inhibited_by, notification") == [("bars missing before", "not sent: bars missing before")]
    assert notifier.notify([alert(status="refired", firings=2)])["notified"] == 1
    assert rows("inhibited_by, notification") == [(None, "outbox")]


def test_one_symbol_is_one_line_led_by_its_highest_score(database, sent):
    breakout = {"rule": "price_breakout", "direction": "up", "explanation": "ACME closed above its range"}
    counts = notifier.notify([alert(), alert(score=95.0, severity="critical", **breakout), alert("ZVZZT")])
    assert counts["notified"] == 3
    assert sent == [
        "[critical] ACME closed above its range (also price_gap)",
        "[high] ZVZZT opened 3.1 % above the previous close",
    ]
    assert [notification for _, notification in rows()] == ["outbox"] * 3


def test_a_move_of_the_whole_market_is_one_line(database, sent):
    assert notifier.notify(crowd(40), watched=500)["notified"] == 1
    (text,) = sent
    assert text.startswith(
        "[medium] 40 of 500 symbols fired price_gap in the minute from 17:13:20 New York (22:13:20 UTC), "
    )
    by_symbol = {row[0]: row[1:] for row in rows("symbol, rule, inhibited_by, notification")}
    assert by_symbol.pop("MARKET") == ("market_event", None, "outbox")
    assert {row[1].partition("|")[0] for row in by_symbol.values()} == {"market event market_event"}
    # The same episodes going on, one more name in the same minute, and the event going on are no news.
    again = crowd(41, status="refired", firings=2, ts_ms=1_700_000_120_000)
    assert notifier.notify(again, watched=500)["notified"] == 0
    assert len(sent) == 1


def test_an_event_is_published_until_it_has_come_back_as_it_is(database, sent):
    published = []
    notifier.notify(crowd(40), 500, {}, published.extend)
    (event,) = published
    assert (event.symbol, len(event.event_ids), event.source) == ("MARKET", 40, "live")
    # Whoever dies before it is published reads the same alerts again.
    notifier.notify(crowd(40), 500, {}, published.extend)
    assert published == [event, event]
    stamps = {event.event_id: LatencyStamps(published_ms=1_700_000_200_000)}
    assert notifier.notify([event], 500, stamps, published.extend)["notified"] == 0
    notifier.notify(crowd(40, status="refired", firings=2), 500, {}, published.extend)
    assert published == [event, event]
    # One more name is another event.
    notifier.notify([alert("LATE")], 500, {}, published.extend)
    assert len(published[2].event_ids) == 41
    assert len(sent) == 1


def test_an_event_of_a_backfill_is_published_and_not_told(database, sent):
    published = []
    assert notifier.notify(crowd(40, source="backfill"), 500, {}, published.extend)["notified"] == 0
    assert [(it.symbol, it.source) for it in published] == [("MARKET", "backfill")]
    assert sent == []


def test_an_event_is_seen_across_batches(database, sent):
    first, second = crowd(20), [alert(f"T{number}") for number in range(20)]
    assert notifier.notify(first, watched=500)["notified"] == 20
    assert notifier.notify(second, watched=500)["notified"] == 1
    assert "40 of 500 symbols" in sent[-1]
    assert len(sent) == 21


def test_a_name_that_the_market_covers_stays_covered_when_it_gets_worse(database, sent):
    notifier.notify(crowd(40), watched=500)
    worse = alert("S7", status="refired", firings=2, severity="critical", ts_ms=1_700_000_120_000)
    notifier.notify([worse], watched=500)
    assert sent[1:] == []
    assert ("S7", "critical", "covered") in rows("symbol, severity, told_status")


# --- operations


def silence(symbol, minute=0, **changes):
    changes = {"explanation": f"{symbol} is silent", "severity": "critical", "score": 95.0} | changes
    ts_ms = 1_700_000_000_000 + minute * 60_000
    return alert(symbol, rule="feed_freshness", ts_ms=ts_ms, **{"episode_start_ms": ts_ms} | changes)


def test_silences_of_a_feed_are_one_incident_that_is_told_once_gets_worse_and_ends(database, sent):
    assert notifier.notify([silence("A"), silence("B")], watched=500)["notified"] == 1
    # Doublings, and one more symbol: in place.
    again = [silence("A", 3, episode_start_ms=1_700_000_000_000, status="refired", firings=2), silence("C")]
    assert notifier.notify(again, watched=500)["notified"] == 0
    assert notifier.notify([silence("D")], watched=500)["notified"] == 1
    over = [silence(symbol, status="ended", explanation=f"{symbol} was silent") for symbol in "ABC"]
    assert notifier.notify(over, watched=500)["notified"] == 0
    assert notifier.notify([silence("D", status="ended", explanation="D was silent")], watched=500)["notified"] == 1
    assert notifier.notify(over, watched=500)["notified"] == 0
    assert notifier.notify([silence("A", 60)], watched=500)["notified"] == 1, "it has begun again"
    assert sent == [
        "[medium] Minute bars of 2 symbols have stopped, A, B; worst: B is silent",
        "[high, was medium] Minute bars of 4 symbols have stopped, A, B, C and 1 more; worst: A is silent",
        "ended: Minute bars of 4 symbols have stopped, A, B, C and 1 more; worst: D was silent",
        "[low] A is silent",
    ]
    (incident,) = [row for row in rows("symbol, status, kind, firings, told_status") if row[0] == "FEED"]
    assert incident == ("FEED", "refired", "operations", 5, "fired")


def test_unusable_bars_of_a_backfill_are_one_row_that_nobody_is_told_of(database, sent):
    quality = {"rule": "data_quality", "source": "backfill"}
    notifier.notify([alert("A", **quality), alert("B", **quality)])
    assert notifier.notify([alert("C", **quality)]) == {"alerts": 1, "notified": 0}
    assert sent == []
    shown = [row for row in rows("symbol, incident, value, notification") if row[1] is None]
    assert shown == [("FEED", None, 3.0, "not sent: backfill")]


@pytest.fixture
def backlog(topics, monkeypatch):
    """Topic ALERTS with a group of its own that stands at its end."""
    positions = [(broker.ALERTS, partition) for partition in range(4)]
    group = f"notifier-{uuid.uuid4().hex}"
    monkeypatch.setattr(notifier, "GROUP", group)
    broker.commit(topics, group, broker.read(topics, dict.fromkeys(positions)).places)
    return topics, positions


def test_backlog_is_notified_up_to_the_end_of_transactions(database, sent, backlog):
    kafka, positions = backlog
    for name in ("ACME", "ZVZZT"):
        with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
            transaction.send(alert(name))
    counts = notifier.notify_backlog(kafka, positions)
    assert counts == {"alerts": 2, "notified": 2, "rejected": 0}
    assert broker.lag(kafka, notifier.GROUP, positions) == 0
    assert notifier.notify_backlog(kafka, positions) == {"rejected": 0}


def test_an_event_of_the_market_is_published_once_whoever_dies_in_between(database, sent, backlog, monkeypatch):
    kafka, positions = backlog
    before = broker.read(kafka, dict.fromkeys(positions)).places
    monkeypatch.setattr(notifier, "read_watched", lambda: (500, set()))
    broker.publish(kafka, crowd(40))
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", lambda name: 1 / 0 if name == "transaction.offsets_sent" else None)
        with pytest.raises(ZeroDivisionError):
            notifier.notify_backlog(kafka, positions)
    assert [notifier.notify_backlog(kafka, positions)["alerts"] for _ in range(2)] == [40, 1]
    assert notifier.notify_backlog(kafka, positions) == {"rejected": 0}
    records = [wire.decode(message.value) for message in broker.read(kafka, before).messages]
    (event,) = [record for record in records if record.symbol == "MARKET"]
    assert set(event.event_ids) == {record.event_id for record in records if record is not event}
    assert len(sent) == 1
    assert ("MARKET", True) in rows("symbol, published_at is not null")


def test_nobody_is_notified_of_a_new_symbol_until_it_is_ready(database, sent, backlog):
    kafka, positions = backlog
    for text in ("ACME", "ACME ZVZZT"):
        watchlist.store_watchlist(read_watchlist(text, "the list"))
    broker.publish(kafka, [alert(), alert("ZVZZT")])
    assert notifier.notify_backlog(kafka, positions)["notified"] == 1
    assert dict(rows("symbol, notification"))["ZVZZT"] == "not sent: the symbol is new"
    watchlist.mark_known(["ZVZZT"], ["ZVZZT"])
    watchlist.mark_ready(["ZVZZT"], datetime.now(UTC) - timedelta(minutes=1))
    broker.publish(kafka, [alert("ZVZZT", score=80.0)])
    assert notifier.notify_backlog(kafka, positions)["notified"] == 1
    assert not dict(rows("symbol, notification"))["ZVZZT"].startswith("not sent")


def test_what_an_alerts_delay_was_made_of_is_kept(database, sent, backlog):
    kafka, positions = backlog
    said = {"polled_ms": "1700000062000", "appended_ms": "1700000062300", "detected_ms": "1700000062900"}
    with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
        transaction.send(alert(), headers=said)
        transaction.send(alert("ZVZZT"), headers={"polled_ms": "soon", "detected_ms": "9" * 30})
    notifier.notify_backlog(kafka, positions)
    steps = ["bar_closed_at", "polled_at", "appended_at", "detected_at"]
    full, broken = rows(", ".join(f"(extract(epoch from {step}) * 1000)::bigint" for step in steps))
    assert full == (1_700_000_060_000, *map(int, said.values()))
    assert broken == (1_700_000_060_000, None, None, None)
    assert rows("published_at <= last_seen_at + interval '1 s'") == [(True,), (True,)]


def test_failure_before_the_commit_repeats_without_telling_twice(database, sent, backlog, monkeypatch):
    kafka, positions = backlog
    broker.publish(kafka, [alert()])
    with monkeypatch.context() as patch:
        patch.setattr(broker, "commit", lambda *_: (_ for _ in ()).throw(ConnectionError("lost")))
        with pytest.raises(ConnectionError):
            notifier.notify_backlog(kafka, positions)
    assert notifier.notify_backlog(kafka, positions)["notified"] == 0
    assert (len(sent), len(rows())) == (1, 1)


def test_what_is_no_alert_is_rejected_with_its_bytes_and_holds_nothing_up(database, sent, backlog):
    kafka, positions = backlog
    rejected = [(broker.REJECTED, partition) for partition in range(4)]
    before = broker.read(kafka, dict.fromkeys(rejected)).places
    with broker.transaction(kafka, f"test-{uuid.uuid4().hex}", "nobody") as transaction:
        transaction.send_raw(broker.ALERTS, b"\xff not json", key="ACME")
        transaction.send(alert())
    assert notifier.notify_backlog(kafka, positions) == {"alerts": 1, "notified": 1, "rejected": 1}
    (reject,) = [wire.decode(message.value) for message in broker.read(kafka, before).messages]
    assert isinstance(reject, Reject)
    assert (reject.stage, reject.encoding) == ("consume", "base64")


TOO_LONG = "".join(map(chr, range(0x4E00, 0x4E00 + 2_000)))


@pytest.mark.parametrize(
    "broken",
    [
        {"explanation": "a\0b"},
        {"event_ids": ("\0",)},
        {"firings": 2**31},
        {"data_age_ms": -(2**63)},
        {"event_id": TOO_LONG},
        {"symbol": TOO_LONG},
        {"symbol": TOO_LONG, "event_id": "short"},
    ],
    ids=lambda broken: " ".join(broken),
)
def test_what_no_row_can_hold_is_rejected(database, sent, backlog, broken):
    kafka, positions = backlog
    broker.publish(kafka, [alert(**broken), alert("ZVZZT")])
    assert notifier.notify_backlog(kafka, positions) == {"alerts": 1, "notified": 1, "rejected": 1}
    assert broker.lag(kafka, notifier.GROUP, positions) == 0


# --- silences


@pytest.fixture
def mute(desk):
    """A function that silences what a matcher means for an hour, and returns the silence's number."""

    def mute(**matcher):
        now, policy = datetime.now(UTC), Policy.load(Settings().desk_policy_file)
        return silences.silence("nina", Matcher(**matcher), "known", now, now + timedelta(hours=1), policy)

    return mute


def end(number):
    silences.end_silence("nina", number, datetime.now(UTC))


def test_what_is_silenced_is_stored_and_nobody_is_told_of_it(database, sent, mute):
    mute(symbol="ACME")
    assert notifier.notify([alert(), alert("ZVZZT")]) == {"alerts": 2, "notified": 1}
    assert [notification for _, notification in rows()] == ["not sent: silence 1 of nina", "outbox"]
    assert rows("record ->> 'inhibited_by', told_status") == [(None, None), (None, "fired")]
    assert sent == ["[high] ZVZZT opened 3.1 % above the previous close"]


def test_an_episode_that_outlasts_its_silence_is_told(database, sent, mute):
    number = mute(rule="price_gap")
    notifier.notify([alert()])
    assert sent == []
    end(number)
    assert notifier.notify([alert(status="refired", ts_ms=1_700_000_120_000)])["notified"] == 1
    assert [notification for _, notification in rows()] == ["outbox"]


def test_a_rise_within_a_silence_is_told_when_it_is_over_and_the_row_says_what_was_told(database, sent, mute):
    notifier.notify([alert(severity="low")])
    number = mute(symbol="ACME")
    worse = {"severity": "critical", "status": "refired", "ts_ms": 1_700_000_120_000}
    assert notifier.notify([alert(**worse)])["notified"] == 0
    assert rows("notification, told_severity") == [("outbox", "low")]
    end(number)
    assert notifier.notify([alert(**worse)])["notified"] == 1
    assert len(sent) == 2


def test_whoever_was_told_is_told_of_the_end_whatever_is_silenced(database, sent, mute):
    notifier.notify([alert()])
    mute(symbol="ACME")
    assert notifier.notify([alert(status="ended")])["notified"] == 1
    assert notifier.notify([alert("ZVZZT", status="ended")])["notified"] == 0


def test_a_silence_up_to_a_severity_lets_the_graver_through(database, sent, mute):
    mute(symbol="ACME", up_to="medium")
    notifier.notify([alert(severity="medium"), alert(rule="news_impact")])
    assert [notification for _, notification in rows()] == ["outbox", "not sent: silence 1 of nina"]


def test_a_silenced_symbol_does_not_count_in_the_incident_that_people_are_told_of(database, sent, mute):
    mute(symbol="AMZN")
    stale = {"rule": "feed_freshness", "session_date": "2023-11-14"}
    notifier.notify([alert("AMZN", **stale)])
    assert sent == []
    assert rows("symbol, notification") == [("AMZN", "not sent: silence 1 of nina")]
    notifier.notify([alert("KO", **stale), alert("AMZN", status="refired", **stale)])
    assert rows("symbol, value") == [("AMZN", 0.031), ("FEED", 1.0), ("KO", 0.031)]
    assert len(sent) == 1


def test_a_silence_changes_no_event_of_the_market(database, sent, mute):
    alerts, published = crowd(30), []
    notifier.notify(alerts, 40, None, published.extend)
    with transaction() as cursor:
        cursor.execute("truncate alerts, outbox")
    mute(symbol="S1")
    mute(symbol="S2")
    again = []
    notifier.notify(alerts, 40, None, again.extend)
    assert again == published
    assert published
