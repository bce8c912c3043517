"""A market-wide move is one event, one symbol is told once, and the order of the alerts does not matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.alerts.market_events import MARKET, TOGETHER_MS, find_market_events, group_alerts
from include.surveillance.records import Alert

OPEN_MS, MINUTE = 1_700_058_660_000, 60_000  # 2023-11-15 09:31 New York (14:31 UTC)
RULES = ("abnormal_volume", "price_breakout")


def alert(symbol="S0", rule="abnormal_volume", minute=0, start=None, score=70.0, **changes):
    ts_ms = OPEN_MS + minute * MINUTE
    fields = {
        "rule_version": 1,
        "parameters_version": "test",
        "timespan": "minute",
        "bar_close_ms": ts_ms + MINUTE,
        "value": 9.0,
        "threshold": 3.0,
        "window_start_ms": ts_ms,
        "window_end_ms": ts_ms + MINUTE,
        "severity": "medium",
        "episode_start_ms": ts_ms if start is None else OPEN_MS + start * MINUTE,
        "session_phase": "regular",
        "session_date": "2023-11-15",
        "data_age_ms": 900,
        "event_ids": ("bar",),
        "explanation": f"{symbol} did something",
    }
    return Alert(symbol=symbol, rule=rule, ts_ms=ts_ms, score=score, **fields | changes)


def crowd(count, **changes):
    return [alert(f"S{number}", **changes) for number in range(count)]


def test_many_symbols_at_one_minute_are_one_event_that_says_how_many_and_who():
    alerts = [*crowd(39), alert("AAPL", score=99.0), alert("MSFT", score=98.0), alert("TSLA", score=97.0)]
    (event,) = find_market_events(alerts, 500)
    assert (event.symbol, event.rule, event.value, event.threshold) == (MARKET, "market_event", 42.0, 25.0)
    assert event.explanation == (
        "42 of 500 symbols fired abnormal_volume in the minute from 09:31 New York (14:31 UTC), led by AAPL, MSFT and "
        "TSLA."
    )
    assert event.event_id == f"market_event|MARKET|minute|{OPEN_MS}|v2"
    assert set(event.event_ids) == {one.event_id for one in alerts}
    assert (event.status, event.session_phase, event.parameters_version) == ("fired", "regular", "test")


@pytest.mark.parametrize(
    ("symbols", "watched", "events"), [(25, 500, 0), (26, 500, 1), (4, 8, 0), (5, 8, 1), (5, 100, 0), (6, 100, 1)]
)
def test_more_than_the_share_and_at_least_the_minimum(symbols, watched, events):
    assert len(find_market_events(crowd(symbols), watched, breadth=0.05, minimum=5)) == events


def test_rules_directions_timespans_and_minutes_are_counted_apart():
    apart = [
        *crowd(4),
        *crowd(4, rule="price_breakout", direction="up"),
        *crowd(4, rule="price_breakout", direction="down", minute=1),
        *crowd(4, timespan="5minute"),
        *crowd(4, minute=2),
    ]
    assert find_market_events(apart, 10) == []


def test_what_several_rules_say_of_one_move_is_one_event():
    gaps = crowd(6, rule="price_gap", direction="down", score=80.0)
    breakouts = crowd(8, rule="price_breakout", direction="down", minute=2)
    (event,) = find_market_events([*gaps, *breakouts, *crowd(7, minute=2)], 20)
    assert (event.value, event.direction, event.firings) == (8.0, "down", 2)
    assert event.explanation == (
        "8 of 20 symbols fired price_breakout down (8) and abnormal_volume (7) in the minute from 09:33 New York "
        "(14:33 UTC), led by S0, S1 and S2."
    )
    assert len(event.event_ids) == 21


def test_an_episode_that_goes_on_counts_where_it_began_and_once():
    again = crowd(5, minute=3, start=0, firings=4, status="refired")
    (event,) = find_market_events([*crowd(5), *again], 10)
    assert (event.value, event.episode_start_ms) == (5.0, OPEN_MS)


def test_retracted_and_inhibited_alerts_are_no_part_of_an_event():
    assert find_market_events([*crowd(4), alert("S4", status="retracted")], 10) == []
    assert find_market_events([*crowd(4), alert("S4", inhibited_by="bars missing before")], 10) == []
    # Whichever message of the same alert comes first.
    for messages in ([*crowd(5), alert("S4", status="retracted")], [alert("S4", status="retracted"), *crowd(5)]):
        assert find_market_events(messages, 10) == []


def test_minutes_close_together_are_one_event_known_by_its_first():
    first, second, later = (
        [alert(f"{name}{number}", minute=minute) for number in range(size)]
        for name, minute, size in (("A", 0, 6), ("B", 5, 8), ("C", 11, 7))
    )
    (alone,) = find_market_events(first, 30)
    joined, apart = find_market_events([*later, *second, *first], 30)
    assert joined.event_id == alone.event_id != apart.event_id
    assert (alone.status, joined.status, joined.firings) == ("fired", "refired", 2)
    assert (joined.value, joined.ts_ms) == (8.0, OPEN_MS + 5 * MINUTE)


def test_alerts_of_one_symbol_within_five_minutes_are_led_by_the_highest_score():
    low, high, late = alert(minute=0), alert(rule="price_breakout", minute=5, score=90.0), alert(minute=6)
    first, second = group_alerts([late, high, low])
    assert (first.lead, first.alerts) == (high, (low, high))
    assert second.alerts == (late,)
    assert second.lead.ts_ms - first.alerts[0].ts_ms > TOGETHER_MS


def test_what_an_event_covers_is_inhibited_and_the_rest_is_not():
    news = alert("S1", rule="news_impact", score=55.0)
    alerts = [*crowd(5, score=95.0), news]
    events = find_market_events(alerts, 10)
    market, *singles = group_alerts(alerts, events)
    assert (market.symbol, market.alerts, market.lead.inhibited_by) == (MARKET, tuple(events), None)
    standing = [group for group in singles if not group.lead.inhibited_by]
    assert [(group.lead, len(group.alerts)) for group in standing] == [(news, 2)]
    assert {group.lead.inhibited_by for group in singles if group.symbol != "S1"} == {
        f"market event {events[0].event_id}"
    }


def test_an_alert_that_is_inhibited_already_keeps_its_reason():
    events = find_market_events(crowd(5), 10)
    stale = replace(alert("S0"), inhibited_by="bars missing before")
    (group,) = [group for group in group_alerts([stale], events) if group.symbol == "S0"]
    assert group.lead.inhibited_by == "bars missing before"


alerts = st.lists(
    st.builds(
        alert,
        symbol=st.sampled_from([f"S{number}" for number in range(8)]),
        rule=st.sampled_from(RULES),
        minute=st.integers(0, 8),
        start=st.sampled_from([None, 0]),
        score=st.sampled_from([50.0, 70.0, 90.0]),
        firings=st.integers(1, 3),
        status=st.sampled_from(["fired", "refired", "retracted"]),
    ),
    max_size=40,
)


@given(alerts, st.data())
def test_any_order_gives_the_same_events_and_groups(drawn, data):
    shuffled = data.draw(st.permutations(drawn))
    events = find_market_events(drawn, 20, minimum=2)
    assert find_market_events(shuffled, 20, minimum=2) == events
    groups = group_alerts(drawn, events)
    assert group_alerts(shuffled, events[::-1]) == groups
    # Nothing is lost and nothing comes twice.
    named = [one.event_id for group in groups for one in group.alerts]
    assert sorted(named) == sorted({one.event_id for one in [*drawn, *events]})
    assert all(group.lead in group.alerts for group in groups)


def test_nothing_is_nothing():
    assert find_market_events([], 500) == []
    assert group_alerts([]) == []
