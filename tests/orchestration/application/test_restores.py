"""What people were told between a copy and its restore is recorded, and nobody is told of it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration import notifier
from include.orchestration.application.restores import Restore, record_restore
from include.orchestration.application.reviews import select_alert
from include.surveillance.timespans import MINUTE_MS, to_ms
from tests.orchestration.conftest import alert, rows, transaction

COPIED, TOLD = datetime(2026, 3, 9, 14, 0, 30, tzinfo=UTC), datetime(2026, 3, 9, 15, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OVERLAP = 5 * MINUTE


@pytest.fixture
def restored(database, monkeypatch):
    """A platform that was restored; Slack is told of every alert."""
    monkeypatch.setenv("ALERT_CHANNELS", "slack")
    with transaction() as cursor:
        cursor.execute("truncate restores")
        record_restore(cursor, COPIED, TOLD)
    yield
    with transaction() as cursor:
        cursor.execute("truncate restores")


def closing(at: datetime, **changes):
    close_ms = to_ms(at)
    return alert(f"S{close_ms}", ts_ms=close_ms - MINUTE_MS, bar_close_ms=close_ms, **changes)


def waiting():
    with transaction() as cursor:
        cursor.execute("select subject, status from outbox where sent_at is null order by outbox_id")
        return cursor.fetchall()


def test_alerts_of_bars_before_the_mark_are_recorded_and_later_ones_are_told(restored):
    before, at, after = (closing(TOLD + minutes * MINUTE) for minutes in (-30, 0, 1))
    assert notifier.notify([before, at, after])["notified"] == 1
    assert waiting() == [(after.event_id, "fired")]
    assert dict(rows("alert_id, notification")) == {
        before.event_id: "not sent: told before the restore",
        at.event_id: "not sent: told before the restore",
        after.event_id: "outbox",
    }
    assert dict(rows("alert_id, told_status"))[before.event_id] == "fired"


def test_what_rises_or_is_withdrawn_after_the_restore_is_told(restored):
    episode = closing(TOLD - 30 * MINUTE, severity="low")
    notifier.notify([episode])
    risen = alert(episode.symbol, ts_ms=to_ms(TOLD), bar_close_ms=to_ms(TOLD + MINUTE), severity="high")
    assert notifier.notify([risen])["notified"] == 1
    other = closing(TOLD - 20 * MINUTE)
    notifier.notify([other])
    assert notifier.notify([closing(TOLD - 20 * MINUTE, status="retracted")])["notified"] == 1
    assert waiting() == [(risen.event_id, "fired"), (other.event_id, "retracted")]


def test_a_withdrawal_that_the_first_polls_bring_again_was_told(restored):
    """The copy has the alert; the correction came within the overlap of the polls, before the loss."""
    known = closing(COPIED - 2 * MINUTE)
    with transaction() as cursor:
        cursor.execute("truncate restores")
    notifier.notify([known])
    with transaction() as cursor:
        record_restore(cursor, COPIED, TOLD)
    assert notifier.notify([closing(COPIED - 2 * MINUTE, status="retracted")])["notified"] == 0


def test_what_waited_in_the_copy_was_sent_before_the_loss(restored):
    with transaction() as cursor:
        cursor.execute("truncate restores")
    old, new = closing(COPIED - MINUTE), closing(TOLD + MINUTE)
    notifier.notify([old])
    with transaction() as cursor:
        cursor.execute("update outbox set known_at = %s", [COPIED])
        record_restore(cursor, COPIED, TOLD)
    notifier.notify([new])
    assert waiting() == [(new.event_id, "fired")]
    told = [(it["channel"], it["outcome"]) for one in (old, new) for it in select_alert(one.event_id)["told"]]
    assert told == [("slack", "restored"), ("slack", None)]


def test_who_was_told_nothing_since_the_copy_is_told_everything(restored):
    with transaction() as cursor:
        cursor.execute("truncate restores")
    notifier.notify([closing(COPIED - MINUTE)])
    with transaction() as cursor:
        record_restore(cursor, COPIED, COPIED)
    notifier.notify([closing(COPIED + MINUTE)])
    assert [status for _, status in waiting()] == ["fired", "fired"]


@given(st.integers(-200, 200), st.sampled_from(["fired", "continued", "retracted"]), st.integers(0, 20))
def test_each_bar_after_the_mark_is_told_whatever_happens_to_its_alert(minutes, status, overlap):
    restore = Restore(COPIED, TOLD)
    version = closing(TOLD + minutes * MINUTE, status=status)
    told = restore.was_told(version, overlap * MINUTE)
    if minutes > 0:
        assert not told
    elif status != "retracted":
        assert told
