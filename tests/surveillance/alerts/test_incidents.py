"""Incidents: one alert for each rule, feed and session, whatever order its alerts come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.alerts.incidents import FEED, fold_incidents, incident_of
from include.surveillance.records import Alert
from tests.surveillance.alerts.test_market_events import alert as market_alert


def alert(symbol="A", minute=0, rule="feed_freshness", status="fired", **changes) -> Alert:
    one = market_alert(symbol, rule=rule, minute=minute, status=status, **changes)
    return replace(one, direction="", explanation=f"{symbol} is silent")


@pytest.mark.parametrize(
    ("symbols", "severity"), [(1, "low"), (2, "medium"), (4, "high"), (24, "high"), (25, "critical")]
)
def test_the_severity_is_how_many_symbols_nobody_sees(symbols, severity):
    (incident,) = fold_incidents([alert(f"S{number}", severity="critical") for number in range(symbols)])
    assert (incident.symbol, incident.value, incident.severity) == (FEED, symbols, severity)


def test_rules_feeds_and_sessions_are_apart_and_what_has_no_session_stands_alone():
    first = alert()
    others = [
        alert(rule="data_quality"),
        replace(first, timespan="hour"),
        replace(first, session_date="2031-01-02"),
        replace(first, source="backfill"),
    ]
    assert len({incident_of(it) for it in [first, *others]}) == 5
    assert incident_of(alert("B", minute=90)) == incident_of(first)
    assert [incident_of(it) for it in (replace(first, session_date=""), alert(rule="price_gap"))] == [None, None]
    assert all(incident_of(it) is None for it in fold_incidents([first])), "an incident is in none"


def test_it_is_open_while_one_is_and_tells_of_these():
    ended = alert("B", status="ended")
    (incident,) = fold_incidents([alert("A"), ended])
    assert (incident.status, incident.value, incident.explanation) == ("refired", 1.0, "A is silent")
    assert incident.event_ids == (alert("A").event_id, ended.event_id)
    (over,) = fold_incidents([alert("A", status="ended"), ended])
    assert (over.status, over.value) == ("ended", 2.0)
    (gone,) = fold_incidents([alert("A", status="retracted")])
    assert gone.status == "retracted"
    assert fold_incidents([replace(alert("A"), inhibited_by="the symbol is new")]) == []


@given(st.permutations([alert(name, minute) for name in "ABCD" for minute in (0, 30)]), st.integers(0, 8))
def test_any_order_and_any_batches_make_the_same_incident(alerts, cut):
    at_once = fold_incidents(alerts)
    known = {it.event_id: it for it in alerts[:cut]}
    again = fold_incidents([*known.values(), *alerts[cut:], *alerts[:cut]])
    assert again == at_once
    assert len(at_once) == 1
