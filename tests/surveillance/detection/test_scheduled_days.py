"""Days of the calendar against known ones, and events against the sessions that they explain."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.scheduled_days import find_scheduled, name_days
from include.surveillance.records import Dividend, ScheduledEvent
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import read_time
from tests.surveillance.alerts.test_market_events import alert

XNYS = Sessions()


@pytest.mark.parametrize(
    ("date", "names"),
    [
        ("2010-05-21", ("expiry",)),
        ("2010-05-20", ()),
        ("2008-03-20", ("expiry", "index day")),  # Good Friday was the third Friday
        ("2010-06-18", ("expiry", "index day")),
        ("2010-06-25", ("index day",)),  # Russell
        ("2010-06-30", ("quarter end",)),
        ("2009-11-30", ("month end",)),
        ("2009-11-27", ()),
        ("2009-11-26", ()),  # no session
        ("", ()),
    ],
)
def test_known_days(date, names):
    found = name_days(XNYS, date)
    assert found == names or XNYS.on(date) is None


def test_a_market_that_never_closes_has_none():
    assert name_days(Sessions("24/7"), "2010-06-30") == ()


EVENTS = (
    ScheduledEvent(symbol="S0", date="2023-11-14"),
    ScheduledEvent(symbol="S0", date="2023-11-18"),  # a Saturday
    ScheduledEvent(symbol="*", date="2023-12-13", event="FOMC", time="14:00"),
    ScheduledEvent(symbol="S0", date="2023-12-20", event="call", time="16:30"),
)


@pytest.mark.parametrize(
    ("moment", "cited"),
    [
        ("2023-11-13 15:59", ()),
        ("2023-11-14 09:30", ("results|S0|2023-11-14",)),
        ("2023-11-15 15:59", ("results|S0|2023-11-14",)),
        ("2023-11-16 09:30", ()),
        ("2023-11-20 09:30", ("results|S0|2023-11-18",)),
        ("2023-11-21 09:30", ()),
        ("2023-12-13 13:58", ()),
        ("2023-12-13 14:00", ("FOMC|*|2023-12-13",)),
        ("2023-12-14 09:30", ()),
        ("2023-12-20 15:00", ()),
        ("2023-12-20 16:31", ("call|S0|2023-12-20",)),
        ("2023-12-21 15:00", ("call|S0|2023-12-20",)),
        ("2023-12-22 09:30", ()),
        ("2023-12-05 12:00", ("dividend|S0|2023-12-05",)),
    ],
)
def test_which_alerts_an_event_explains(moment, cited):
    paid = Dividend(symbol="S0", ex_date="2023-12-05", cash_amount=0.5)
    ts_ms = read_time(moment)
    one = replace(alert(), ts_ms=ts_ms, bar_close_ms=ts_ms + 60_000, session_date=moment[:10])
    actions = CorporateActions(dividends=(paid,), scheduled=EVENTS)
    assert find_scheduled(one, actions, XNYS) == cited
    of_another = replace(one, symbol="S1")
    assert find_scheduled(of_another, actions, XNYS) == tuple(it for it in cited if "|*|" in it)


@pytest.mark.parametrize(("date", "explained"), [("2023-12-20", False), ("2023-12-21", True), ("2023-12-22", False)])
def test_a_day_bar_holds_what_was_known_before_its_close(date, explained):
    one = replace(alert(), timespan="day", session_date=date)
    assert bool(find_scheduled(one, CorporateActions(scheduled=EVENTS), XNYS)) is explained
