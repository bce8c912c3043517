"""A backfill that comes behind live bars is history: what was told of live bars is neither retracted nor repeated."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from include.surveillance.detection.state import REVISABLE
from include.surveillance.records import Bar
from tests.surveillance.detection.market import OPEN, alerts, bar, calm, news, profile, run, watermark

BACKFILLED = {"source": "backfill"}


def walk(seed: int, first: int, last: int) -> list[Bar]:
    """Minutes with jumps and bursts; those before the open are a backfill's, those from then on live."""
    chance, close, bars = random.Random(seed), 100.0, []
    for minute in range(first, last):
        close *= 1 + chance.gauss(0, 0.002) + (chance.random() < 0.1) * chance.gauss(0, 0.03)
        volume = chance.choice([1_000, 1_200, 900, 9_000, 40_000])
        prices = {"open": close * 0.999, "high": close * 1.01, "low": close * 0.99, "close": close}
        source = "live" if minute >= 0 else "backfill"
        bars.append(bar(minute, volume=volume, source=source, **{k: round(v, 2) for k, v in prices.items()}))
    return bars


@pytest.mark.parametrize("profiles", [(), (profile(),)], ids=["literal", "robust"])
@pytest.mark.parametrize("live", [3, 8, 15, REVISABLE - 1, REVISABLE, 30])
@pytest.mark.parametrize("seed", range(4))
def test_history_changes_nothing_that_was_said_of_live_bars(seed, live, profiles):
    bars = walk(seed, -120, live)
    history, told = bars[:120], run(bars[120:], profiles=profiles)
    after = run([*history, watermark(0, rejected=2, **BACKFILLED)], told.state, profiles=profiles)
    assert not {it.event_id for it in after.alerts} & {it.event_id for it in told.alerts}
    assert {it.source for it in after.alerts} <= {"backfill"}
    assert "retracted" not in {it.status for it in after.alerts}
    # However it is cut.
    state, parts = told.state, []
    for start in range(0, 120, 7):
        part = run(history[start : start + 7], state, profiles=profiles)
        state, parts = part.state, [*parts, *part.alerts]
    whole = [it.event_id for it in after.alerts if it.rule != "data_quality"]
    assert sorted(it.event_id for it in parts) == sorted(whole)


def test_as_long_as_history_can_take_its_place_it_is_judged_as_history():
    live = [bar(minute) for minute in range(5)]
    history = [bar(minute, volume=9_000 if minute == -50 else 1_000, **BACKFILLED) for minute in range(-100, 0)]
    (alert,) = alerts(run(history, run(live).state), "abnormal_volume")
    assert (alert.source, alert.ts_ms, alert.status) == ("backfill", OPEN - 50 * 60_000, "fired")


def test_what_live_bars_were_told_of_stands_though_history_makes_it_usual():
    """Five minutes of heavy trading are abnormal for the profile; behind an hour of it they would be one episode."""
    live, heavy = [bar(minute, volume=40_000) for minute in range(60, 68)], {"volume": 40_000, **BACKFILLED}
    told = run(live, profiles=(profile(),))
    (first,) = [it for it in told.alerts if it.rule == "abnormal_volume" and it.status == "fired"]
    after = run([bar(minute, **heavy) for minute in range(60)], told.state, profiles=(profile(),))
    assert first.event_id not in {it.event_id for it in after.alerts}
    assert alerts(after, "abnormal_volume")
    assert {it.source for it in after.alerts} == {"backfill"}


def test_a_backfill_that_corrects_a_bar_which_an_alert_rests_on_changes_it():
    told = run([*calm(20), bar(20, volume=9_000)])
    (fired,) = alerts(told, "abnormal_volume")
    corrected = run([bar(20, volume=1_000, **BACKFILLED)], told.state)
    (retracted,) = alerts(corrected, "abnormal_volume")
    assert (retracted.event_id, retracted.status) == (fired.event_id, "retracted")
    mean = run([bar(3, volume=3_000, **BACKFILLED)], told.state)
    (confirmed,) = alerts(mean, "abnormal_volume")
    assert (confirmed.event_id, confirmed.status, confirmed.threshold) == (fired.event_id, "confirmed", 3_300)


def test_a_live_bar_that_a_backfill_has_corrected_is_a_live_one_still():
    told = run([*calm(10), bar(10, open=110, high=110.5, low=109.5, close=110, volume=50_000)], profiles=(profile(),))
    ids = {it.event_id for it in told.alerts}
    assert ids
    corrected = run([replace(told_bar(), **BACKFILLED)], told.state, profiles=(profile(),))
    after = run([bar(minute, **BACKFILLED) for minute in range(-60, 0)], corrected.state, profiles=(profile(),))
    assert not ids & {it.event_id for it in after.alerts}


def told_bar() -> Bar:
    return bar(10, open=110, high=110.5, low=109.5, close=110, volume=50_001)


def test_news_that_met_a_live_bar_stands():
    told = run([*calm(20), bar(20, volume=9_000), news(19)])
    assert alerts(told, "news_impact")
    # Bars 1 to 20 can be revised: a minute that was missing among them raises the mean beyond a third of the volume.
    missing = run([bar(minute) for minute in range(25) if minute != 12], told.state.copy())
    late = run([bar(12, volume=90_000, **BACKFILLED)], missing.state)
    assert "retracted" not in {it.status for it in late.alerts}


def test_a_late_live_bar_changes_what_it_would_have_changed_in_time():
    told = run([bar(minute) for minute in range(21) if minute != 12] + [bar(21, volume=9_000)])
    (fired,) = alerts(told, "abnormal_volume")
    late = {"volume": 90_000}
    (retracted,) = alerts(run([bar(12, **late)], told.state), "abnormal_volume")[-1:]
    assert (retracted.event_id, retracted.status) in {(fired.event_id, "retracted"), (retracted.event_id, "fired")}
    assert fired.event_id in {it.event_id for it in run([bar(12, **late)], told.state).alerts}
    assert fired.event_id not in {it.event_id for it in run([bar(12, **late, **BACKFILLED)], told.state).alerts}


def test_findings_of_a_backfill_neither_continue_nor_count_in_a_live_episode():
    told = run([bar(0), watermark(1, rejected=1, bars=1)])
    (fired,) = alerts(told, "data_quality")
    after = run([watermark(2, rejected=9, bars=1, **BACKFILLED)], told.state)
    (other,) = alerts(after, "data_quality")
    assert (other.event_id != fired.event_id, other.source, other.firings) == (True, "backfill", 1)
    (again,) = alerts(run([watermark(3, rejected=1, bars=1)], after.state), "data_quality")
    assert (again.event_id, again.firings) == (fired.event_id, 2)
