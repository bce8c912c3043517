"""Bars that a backfill brings are context of those that live polls bring: looked back on, and never judged live."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from msgspec.structs import replace

from include.surveillance.detection.arrivals import Places
from include.surveillance.detection.log_pass import Detection
from include.surveillance.detection.state import REVISABLE, State
from include.surveillance.records import Bar
from tests.surveillance.detection.market import alerts, bar, calm, news, profile, watermark
from tests.surveillance.detection.market import run as detect

BACKFILLED = {"source": "backfill"}
PROFILES = pytest.mark.parametrize("profiles", [(), (profile(),)], ids=["literal", "robust"])


def run(records, state: State | None = None, **given) -> Detection:
    return detect(records, state, judges="live", **given)


def walk(seed: int, first: int, last: int, source: str = "live") -> list[Bar]:
    """Minutes with jumps and bursts."""
    chance, close, bars = random.Random(seed), 100.0, []
    for minute in range(first, last):
        close *= 1 + chance.gauss(0, 0.002) + (chance.random() < 0.1) * chance.gauss(0, 0.03)
        volume = chance.choice([1_000, 1_200, 900, 9_000, 40_000])
        prices = {"open": close * 0.999, "high": close * 1.01, "low": close * 0.99, "close": close}
        bars.append(bar(minute, volume=volume, source=source, **{k: round(v, 2) for k, v in prices.items()}))
    return bars


@PROFILES
def test_bars_of_a_backfill_raise_nothing_and_are_measured_where_they_carry_a_series_on(profiles):
    history = walk(5, 0, 120, "backfill")
    found = run(history, profiles=profiles)
    assert found.alerts == []
    assert len(found.metrics) == 120
    assert alerts(detect(history, profiles=profiles), "abnormal_volume")


@PROFILES
@pytest.mark.parametrize("live", [3, 8, REVISABLE - 1, REVISABLE, 30])
@pytest.mark.parametrize("seed", range(3))
def test_a_backfill_behind_live_bars_changes_nothing_at_all(seed, live, profiles):
    told = run(walk(seed, 0, live), profiles=profiles)
    again = walk(seed + 50, -120, live, "backfill")
    after = run(again, told.state, profiles=profiles)
    assert (after.alerts, after.metrics, after.counts["stale"]) == ([], [], 120 + live)
    assert after.state.to_bytes() == told.state.to_bytes()


@PROFILES
def test_live_bars_are_judged_by_the_bars_of_a_backfill_before_them(profiles):
    traded = walk(7, 0, 120)
    behind = [replace(it, source="backfill") for it in traded[:60]]
    found, whole = run([*behind, *traded[60:]], profiles=profiles), run(traded, profiles=profiles)
    own = [it for it in whole.metrics if it.ts_ms >= traded[60].ts_ms]
    assert found.metrics[60:] == own
    assert found.alerts
    assert {it.source for it in found.alerts} == {"live"}
    assert all(it.episode_start_ms >= traded[60].ts_ms for it in found.alerts)


@pytest.mark.parametrize("behind", [0, 1, REVISABLE - 1])
def test_a_live_bar_is_judged_though_a_backfill_was_first_to_bring_it(behind):
    burst = bar(30, volume=9_000)
    first = [*calm(30, **BACKFILLED), replace(burst, source="backfill"), *calm(behind, 31, **BACKFILLED)]
    told = run(first)
    assert told.alerts == []
    (fired,) = alerts(run([burst], told.state), "abnormal_volume")
    assert (fired.source, fired.status, fired.ts_ms) == ("live", "fired", burst.ts_ms)
    # It comes once more, with what poll whatsoever.
    after = run([burst], told.state)
    for source in ("live", "backfill"):
        again = run([replace(burst, source=source)], after.state)
        assert (again.alerts, again.metrics) == ([], [])


def test_an_episode_of_history_is_not_continued_live():
    heavy = [bar(20, volume=9_000, **BACKFILLED), bar(21, volume=9_000)]
    (fired,) = alerts(run([*calm(20, **BACKFILLED), *heavy]), "abnormal_volume")
    assert (fired.status, fired.firings, fired.episode_start_ms) == ("fired", 1, heavy[1].ts_ms)


def test_a_late_live_bar_changes_what_it_would_have_changed_in_time():
    told = run([bar(minute) for minute in range(21) if minute != 12] + [bar(21, volume=9_000)])
    (fired,) = alerts(told, "abnormal_volume")
    late = bar(12, volume=90_000)
    assert fired.event_id in {it.event_id for it in run([late], told.state).alerts}
    assert run([replace(late, source="backfill")], told.state).alerts == []


def test_news_of_a_backfill_meet_live_bars():
    told = run([*calm(20), bar(20, volume=9_000)])
    (alert,) = alerts(run([news(19, **BACKFILLED)], told.state), "news_impact")
    assert alert.source == "live"
    history = run([*calm(20, **BACKFILLED), bar(20, volume=9_000, **BACKFILLED), news(19, **BACKFILLED)])
    assert history.alerts == []


def test_findings_of_a_backfill_neither_continue_nor_count_in_a_live_episode():
    told = run([bar(0), watermark(1, rejected=1, bars=1)])
    (fired,) = alerts(told, "data_quality")
    after = run([watermark(2, rejected=9, bars=1, **BACKFILLED)], told.state)
    (other,) = alerts(after, "data_quality")
    assert (other.event_id != fired.event_id, other.source, other.firings) == (True, "backfill", 1)
    (again,) = alerts(run([watermark(3, rejected=1, bars=1)], after.state), "data_quality")
    assert (again.event_id, again.firings) == (fired.event_id, 2)


@pytest.mark.parametrize("seed", range(6))
def test_a_log_with_backfills_is_the_same_however_it_is_cut(seed):
    chance = random.Random(seed)
    bars = walk(seed, -200, 200)
    log: list = []
    for minute in (minute for minute in range(50, 200) if chance.random() < 0.95):
        log.append(bars[minute + 200])
        if chance.random() < 0.7:
            log.append(watermark(minute + 1))
    for _ in range(5):
        first = chance.randrange(300)
        part: list = [replace(it, source="backfill") for it in bars[first : first + chance.randrange(1, 120)]]
        at = chance.randrange(len(log))
        log[at:at] = [*part, news(chance.randrange(-100, 100), f"a{first}")]
    held = {"profiles": (profile(effective_ms=bars[250].ts_ms),)}
    whole, parts, state = run(log, **held), Detection(State("exact")), State("exact")
    cuts = [0, *sorted(chance.sample(range(1, len(log)), 12)), len(log)]
    for start, end in pairwise(cuts):
        part = run(log[start:end], State.from_bytes(state.to_bytes()), **held)
        state, parts.metrics, parts.alerts = part.state, parts.metrics + part.metrics, parts.alerts + part.alerts
    assert (parts.alerts, parts.metrics) == (whole.alerts, whole.metrics)
    assert state.to_bytes() == whole.state.to_bytes()
    assert {it.source for it in whole.alerts} == {"live"}


@pytest.mark.parametrize("seed", range(20))
def test_places_says_which_bars_take_their_places(seed):
    chance, places, state = random.Random(seed), Places(), State("sketch")
    for k in range(150):
        minute = max(0, k + chance.choice([0, 0, 0, 0, -1, -5, -19, -21, -30]))
        came = bar(minute, volume=1_000 + k, source=chance.choice(["live", "live", "backfill"]))
        found = run([came], state)
        taken = places.takes(("NVDA", "minute"), came.ts_ms, judged=came.source == "live")
        assert taken == (found.counts["stale"] == 0), k
        state = found.state
