"""Who is notified of what: by name, by an event of the market, again when it grows worse, and when it is withdrawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.alerts.market_events import find_market_events
from include.surveillance.alerts.notification import (
    LastNotified,
    Notification,
    ReasonNotToNotify,
    reason_not_to_notify,
)
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES
from tests.surveillance.alerts.test_market_events import alert, crowd

NOTHING, FIRED = LastNotified(), LastNotified("fired", "medium")
COVERED, RETRACTED = LastNotified("covered", "medium"), LastNotified("retracted", "medium")
ENDED = LastNotified("ended", "medium")


def compose(*stored: tuple[Alert, LastNotified], events: list[Alert] | None = None) -> Notification:
    return Notification.compose(stored, [(event, NOTHING) for event in events or ()])


@pytest.mark.parametrize(
    ("changes", "last", "reason", "text"),
    [
        ({}, NOTHING, None, None),
        ({}, RETRACTED, None, None),
        ({}, FIRED, ReasonNotToNotify.UNCHANGED, "as told before"),
        ({}, COVERED, ReasonNotToNotify.UNCHANGED, "as told before"),
        ({"severity": "high"}, FIRED, None, None),
        ({"severity": "low"}, FIRED, ReasonNotToNotify.UNCHANGED, "as told before"),
        ({"source": "backfill"}, NOTHING, ReasonNotToNotify.BACKFILL, "backfill"),
        ({"inhibited_by": "bars missing before"}, NOTHING, ReasonNotToNotify.INHIBITED, "bars missing before"),
        ({"source": "backfill", "inhibited_by": "x"}, NOTHING, ReasonNotToNotify.BACKFILL, "backfill"),
        ({"status": "retracted"}, FIRED, None, None),
        ({"status": "retracted", "source": "backfill"}, FIRED, None, None),
        ({"status": "retracted"}, NOTHING, ReasonNotToNotify.RETRACTED, "retracted"),
        ({"status": "retracted"}, COVERED, ReasonNotToNotify.RETRACTED, "retracted"),
        ({"status": "retracted"}, RETRACTED, ReasonNotToNotify.RETRACTED, "retracted"),
        ({"status": "ended"}, FIRED, None, None),
        ({"status": "ended"}, NOTHING, ReasonNotToNotify.ENDED, "ended"),
        ({"status": "ended"}, ENDED, ReasonNotToNotify.ENDED, "ended"),
        ({"status": "refired"}, ENDED, None, None),
    ],
)
def test_the_reason_and_how_the_row_says_it(changes, last, reason, text):
    message = alert(**changes)
    assert reason_not_to_notify(message, last) is reason
    assert (reason and reason.describe(message)) == text


@given(st.sampled_from(SEVERITIES), st.sampled_from(SEVERITIES))
def test_people_are_notified_again_exactly_when_the_severity_rises(before, now):
    reason = reason_not_to_notify(alert(severity=now), LastNotified("fired", before))
    assert (reason is None) == (SEVERITIES.index(now) > SEVERITIES.index(before))


def test_alerts_of_one_symbol_come_together_with_the_highest_score_first_of_all_symbols():
    lead, other = alert(score=90.0, severity="critical"), alert(rule="price_breakout", direction="up", minute=2)
    composed = compose((alert("S1"), NOTHING), (other, NOTHING), (lead, NOTHING))
    assert composed.alerts == [lead, other, alert("S1")]
    assert composed.covered == {}


def test_what_is_known_is_not_told_again():
    assert compose((alert(), FIRED), (alert("S1", source="backfill"), NOTHING)) == Notification()


def test_a_withdrawal_follows_what_is_new():
    withdrawn = alert("S1", status="retracted")
    composed = compose((withdrawn, FIRED), (alert(), NOTHING))
    assert composed.alerts == [alert(), withdrawn]


def test_an_event_of_the_market_tells_of_its_alerts_but_of_those_known_by_name():
    alerts = crowd(30)
    (event,) = find_market_events(alerts, 500)
    reason = f"market event {event.event_id}"
    risen = replace(alerts[0], severity="high")
    composed = compose((risen, FIRED), *((it, NOTHING) for it in alerts[1:]), events=[event])
    assert composed.alerts == [event]
    assert {it.event_id for it in composed.covered[reason]} == {it.event_id for it in alerts[1:]}
    assert compose(*((it, NOTHING) for it in alerts)).covered == {}
