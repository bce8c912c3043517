"""What a poll asks for: no gap, no endless catch-up, each timespan when one of its bars has closed."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.polling import POLLED, Window, check_calls, due, window_of
from include.surveillance.errors import ConfigurationError
from include.surveillance.models import SPAN_MS

CATCHUP = timedelta(days=5)
MINUTE = timedelta(minutes=1)
END = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def ms(moment):
    return round(moment.timestamp() * 1_000)


def context(last=None, end=END):
    return {"data_interval_start": end - MINUTE, "data_interval_end": end, "prev_data_interval_end_success": last}


def window(start, end):
    return Window(ms(start), ms(end))


def test_first_run_asks_for_its_interval():
    assert window_of(context(), CATCHUP) == window(END - MINUTE, END)


def test_run_after_an_outage_closes_the_gap():
    assert window_of(context(END - timedelta(hours=3)), CATCHUP) == window(END - timedelta(hours=3), END)


def test_catch_up_is_bounded():
    assert window_of(context(END - timedelta(days=30)), CATCHUP) == window(END - CATCHUP, END)


def test_run_by_hand_ends_at_the_last_full_minute():
    by_hand = {"dag_run": SimpleNamespace(run_after=END + timedelta(seconds=42, microseconds=7))}
    assert window_of(by_hand, CATCHUP) == window(END - MINUTE, END)


@given(st.timedeltas(timedelta(0), timedelta(days=20)))
def test_window_always_holds_the_interval_and_ends_with_it(ago):
    found = window_of(context(END - ago), CATCHUP)
    assert ms(END - CATCHUP) <= found.since_ms <= ms(END - MINUTE)
    assert found.end_ms == ms(END)


@pytest.mark.parametrize(
    ("since", "end", "expected"),
    [
        ("10:00", "10:01", ["minute"]),
        ("10:04", "10:05", ["minute", "5minute"]),
        ("10:59", "11:00", ["minute", "5minute", "hour"]),
        ("10:58", "11:01", ["minute", "5minute", "hour"]),  # the run at 11:00 was missed
    ],
)
def test_due(since, end, expected):
    at = {name: datetime.fromisoformat(f"2026-11-23T{text}-05:00") for name, text in (("since", since), ("end", end))}
    assert due(window(at["since"], at["end"])) == expected


def test_day_bar_is_due_once_with_the_first_minute_of_the_next_session():
    new_york = ZoneInfo("America/New_York")
    close, opened = datetime(2026, 11, 20, 16, tzinfo=new_york), datetime(2026, 11, 23, 9, 30, tzinfo=new_york)
    assert "day" in due(window(close, opened + MINUTE))
    assert "day" not in due(window(opened + MINUTE, opened + 2 * MINUTE))


@given(st.integers(1, 400), st.lists(st.integers(1, 90), min_size=1, max_size=30))
def test_every_closed_bar_is_asked_for_however_runs_are_missed(first, steps):
    start = ms(END) + first * 60_000
    asked, since = set(), start
    for step in steps:
        end = since + step * 60_000
        for timespan in due(Window(since, end)):
            span = SPAN_MS[timespan]
            if timespan != "day":
                # The vendor widens the range to whole bars; only closed ones are kept.
                asked |= {(timespan, ts) for ts in range(since // span * span, end, span) if ts + span <= end}
        since = end
    for timespan in ("minute", "5minute", "hour"):
        span = SPAN_MS[timespan]
        closed = {(timespan, ts) for ts in range(start // span * span, since, span) if start < ts + span <= since}
        assert closed <= asked


def test_a_plan_that_cannot_be_watched_with_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setenv("POLYGON_CALLS_PER_MINUTE", "5")
    with pytest.raises(ConfigurationError, match=r"24 symbols takes 31 calls a minute.*=5 allows.*at most 3 symbols"):
        check_calls(["A"] * 24)
    check_calls(["A"] * 3)


@pytest.mark.parametrize("allowed", ["", "0", "31"])
def test_a_plan_with_enough_calls_is_used(monkeypatch, allowed):
    monkeypatch.setenv("POLYGON_CALLS_PER_MINUTE", allowed)
    check_calls(["A"] * 24)


def test_the_calls_that_are_counted_are_those_that_are_due():
    day = window(END - timedelta(days=1), END)
    assert tuple(due(day)) == POLLED
