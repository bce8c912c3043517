"""Holes: what a silence is called, and that no alert is kept from people because of one."""

from __future__ import annotations

import pytest

from include.surveillance.records import Alert
from tests.surveillance.detection.market import DAY, OPEN, alerts, at, bar, calm, profile, run, whole_day


def reopening(first: int, *, close: float = 112.0, volume: float = 20_000, **over) -> list[Alert]:
    """What is raised at the first bar after 40 calm minutes and a silence."""
    records = [*calm(40), bar(first, close=close, open=close, high=close + 1, low=close - 1, volume=volume)]
    return run(records, profiles=[profile(**over)]).alerts


def test_a_reopening_after_a_pause_is_told_with_the_pause_in_its_sentence_and_fields():
    breakout = next(it for it in reopening(45) if it.rule == "price_breakout")
    assert (breakout.inhibited_by, breakout.severity, breakout.form) == (None, "critical", "robust")
    assert (breakout.hole_cause, breakout.hole_start_ms, breakout.hole_end_ms) == ("LULD pause", at(40), at(45))
    assert (
        "it traded again after what looks like a LULD pause in the 5 minutes from 10:10 to 10:15 New York"
        in breakout.explanation
    )


@pytest.mark.parametrize(
    ("silent", "close", "volume", "cause"),
    [
        (5, 112.0, 1_000, "LULD pause"),
        (10, 112.0, 1_000, "LULD pause"),  # extended once
        (60, 112.0, 1_000, "halt"),  # longer than a pause
        (60, 100.5, 30_000, "halt"),  # little moved, but an auction
        (5, 100.5, 30_000, "halt"),
    ],
)
def test_how_a_silence_ended_says_what_it_was(silent, close, volume, cause):
    found = reopening(40 + silent, close=close, volume=volume)
    assert {(it.hole_cause, it.hole_end_ms) for it in found} == {(cause, at(40 + silent))}
    assert {it.inhibited_by for it in found} == {None}


def test_a_silence_that_ends_as_if_nothing_had_been_is_not_called_a_halt():
    """As all symbols look after a gap of the provider."""
    records = [*calm(40), *calm(3, 60), bar(63, volume=460_000)]
    (alert,) = alerts(run(records, profiles=[profile()]), "abnormal_volume")
    assert (alert.hole_cause, alert.inhibited_by) == ("unknown", None)
    assert "; bars that it usually has are missing in the 20 minutes from 10:10 to 10:30 New York" in alert.explanation
    assert "halt" not in alert.explanation


def test_a_symbol_that_often_has_no_bar_was_not_halted():
    found = reopening(60, presence=[0.3] * len(profile().presence))
    assert found
    assert {it.hole_cause for it in found} == {None}


def test_four_minutes_are_no_halt():
    assert {it.hole_cause for it in reopening(44)} == {None}


def test_without_a_profile_the_bars_before_say_how_often_it_trades():
    reopened = bar(60, close=112.0, volume=20_000)
    (alert,) = alerts(run([*calm(40), reopened]), "price_breakout")
    assert (alert.form, alert.hole_cause) == ("literal", "halt")
    sparse = [bar(minute) for minute in range(0, 120, 3)]
    (alert,) = alerts(run([*sparse, bar(126, close=112.0, volume=20_000)]), "price_breakout")
    assert alert.hole_cause is None


def test_a_hole_some_bars_back_still_counts_and_then_no_more():
    for back, cause in ((4, "unknown"), (5, None)):
        records = [*calm(), *calm(back, 40), bar(40 + back, volume=460_000)]
        (alert,) = alerts(run(records, profiles=[profile()]), "abnormal_volume")
        assert alert.hole_cause == cause


def test_a_night_is_no_hole():
    bars = [*calm(2, 388), *calm(24, start=OPEN + DAY), bar(24, volume=460_000, start=OPEN + DAY)]
    (alert,) = alerts(run(bars, profiles=[profile()]), "abnormal_volume")
    assert alert.hole_cause is None


def test_a_halt_over_the_close_is_in_the_gap_of_the_next_session():
    records = [*calm(25, 350), bar(0, close=112.0, open=112.0, start=OPEN + DAY)]
    (gap,) = alerts(run(records, profiles=[profile()]), "price_gap")
    assert (gap.hole_cause, gap.hole_start_ms, gap.hole_end_ms) == ("halt", at(375), at(0, OPEN + DAY))
    assert (
        "halt from 15:45 New York (20:45 UTC) on 2019-02-14 to 09:30 New York (14:30 UTC) on 2019-02-15"
        in gap.explanation
    )


def test_a_halt_into_the_session_is_in_its_first_alert():
    records = [*calm(25, 365), bar(45, close=112.0, open=112.0, start=OPEN + DAY)]
    (gap,) = alerts(run(records, profiles=[profile()]), "price_gap")
    assert (gap.hole_cause, gap.hole_end_ms) == ("halt", at(45, OPEN + DAY))


def test_a_gap_over_missing_sessions_names_them():
    """2019-02-14 was a Thursday; the Monday after was a holiday."""
    records = [*calm(5, 385), bar(0, close=112.0, open=112.0, start=OPEN + 5 * DAY)]
    for profiles in ([], [profile()]):
        (gap,) = alerts(run(records, profiles=profiles), "price_gap")
        assert gap.hole_cause == "missing sessions"
        assert (gap.hole_start_ms, gap.hole_end_ms) == (at(0, OPEN + DAY), at(390, OPEN + DAY))
        assert "there is no bar of the session 2019-02-15 in between" in gap.explanation
        assert "on 2019-02-14" in gap.explanation
        assert "previous session" not in gap.explanation


def test_day_bars_name_missing_sessions_too():
    days = [bar(0, timespan="day", start=OPEN - 9.5 * 3_600_000 + day * DAY) for day in (0, 5)]
    days[1] = bar(0, timespan="day", start=days[1].ts_ms, close=112.0, open=112.0)
    (gap,) = alerts(run([days[0], days[1]]), "price_gap")
    assert (gap.hole_cause, gap.session_date) == ("missing sessions", "2019-02-19")


def test_a_long_weekend_is_no_hole_of_day_bars():
    friday = bar(0, timespan="day", start=OPEN - 34_200_000 + DAY)
    tuesday = bar(0, timespan="day", start=friday.ts_ms + 4 * DAY, close=112.0, open=112.0)
    for profiles in ([], [profile(timespan="day", presence=[1.0])]):
        (gap,) = alerts(run([friday, tuesday], profiles=profiles), "price_gap")
        assert (gap.hole_cause, gap.session_date) == (None, "2019-02-19")


def test_a_halt_after_the_close_is_known_where_the_symbol_trades_then():
    late = [*calm(30, 391), bar(450, close=112.0, open=112.0, volume=90_000)]
    (alert,) = alerts(run(late, profiles=[whole_day()]), "abnormal_volume")
    assert (alert.hole_cause, alert.session_phase) == ("halt", "post")
