"""Tables outbox and channels in a real PostgreSQL: one row per version and channel, one holder per channel."""

from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration.application import outbox
from include.orchestration.application.outbox import ChannelState, Version
from tests.orchestration.conftest import alert, transaction

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
BOTH = {"slack": "low", "webhook": "high"}


def waiting(channel, now=NOW):
    with transaction() as cursor:
        return outbox.list_waiting(cursor, channel, now)


def add(*versions, channels=BOTH):
    with transaction() as cursor:
        outbox.add_alerts(cursor, versions, channels)


def test_a_version_is_added_once_for_each_channel_that_is_told_of_its_severity(database):
    for _ in range(2):
        add(Version(alert(severity="medium"), "1", NOW), Version(alert("ZVZZT"), "1", NOW))
    add(Version(alert("ZVZZT"), "2", NOW))
    assert [row.subject.split("|")[1] for row in waiting("slack")] == ["ACME", "ZVZZT", "ZVZZT"]
    assert [row.subject.split("|")[1] for row in waiting("webhook")] == ["ZVZZT", "ZVZZT"]


def test_what_is_added_with_a_transaction_that_fails_is_not_there(database):
    def lose():
        with transaction() as cursor:
            outbox.add_alerts(cursor, [Version(alert(), "1", NOW)], BOTH)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        lose()
    assert waiting("slack") == []


def test_what_is_held_or_sent_does_not_wait(database):
    add(*(Version(alert(name), "1", NOW) for name in ("A", "B", "C")))
    first, second, third = waiting("slack")
    with transaction() as cursor:
        outbox.hold(cursor, [first.outbox_id], NOW + timedelta(seconds=9))
        outbox.mark_sent(cursor, [second.outbox_id], "told", NOW)
        assert outbox.read_recently_sent(cursor, "slack", NOW - timedelta(minutes=1)) == (1, None)
    assert waiting("slack") == [third]
    assert waiting("slack", NOW + timedelta(seconds=9)) == [first, third]


def test_a_withdrawal_is_for_whoever_was_told(database):
    add(Version(alert(severity="high"), "1", NOW), Version(alert("ZVZZT", severity="low"), "1", NOW))
    gone = [alert(name, severity="low", status="retracted") for name in ("ACME", "ZVZZT")]
    add(*(Version(it, "2", NOW) for it in gone))
    assert [row.subject.split("|")[1] for row in waiting("webhook")] == ["ACME", "ACME"]


def test_a_cause_of_any_length_is_added_once(database):
    cause = "".join(map(chr, range(0x4E00, 0x4E00 + 2_000)))
    with transaction() as cursor:
        for _ in range(2):
            outbox.add_operations(cursor, ["slack"], cause, "the first", {"text": cause, "detail": {}}, NOW)
    (row,) = waiting("slack")
    assert cause.startswith(row.subject[:100])


def test_the_state_of_a_channel_is_kept(database):
    state = ChannelState(3, NOW, "answered 500", NOW, None, 7)
    with transaction() as cursor:
        assert outbox.read_channel(cursor, "slack") == ChannelState()
        for _ in range(2):
            outbox.write_channel(cursor, "slack", state)
        assert outbox.read_channel(cursor, "slack") == state
        assert not outbox.is_anything_due(cursor, "slack", NOW)


def test_one_connection_at_a_time_has_a_channel(database):
    with transaction() as first:
        assert outbox.lock_channel(first, "slack")
        with transaction() as second:
            assert not outbox.lock_channel(second, "slack")
            assert outbox.lock_channel(second, "webhook")
    with transaction() as third:
        assert outbox.lock_channel(third, "slack")
