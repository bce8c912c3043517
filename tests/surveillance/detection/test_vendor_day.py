"""The whole vendor day is watched by the robust forms, 04:00 to 20:00 New York, and quiet edges stay quiet."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.profiles.schedule import effective_from
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.detection.state import State
from include.surveillance.records import Profile
from include.surveillance.sessions import PHASES
from include.surveillance.timespans import MINUTE_MS, NEW_YORK, to_ms
from tests.surveillance.detection.market import SESSIONS, engine, profile
from tests.surveillance.detection.profiles.test_build import columns, joined

KEY = ("NVDA", "minute")
USUAL = {"pre": 300, "opening_auction": 90_000, "regular": 5_000, "closing_auction": 400_000, "post": 300, "closed": 0}
"""Shares a minute."""


def new_york(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK))


def whole_days(first: str, count: int, seed: int = 0, present: float = 1.0) -> BarColumns:
    """Every minute of ``count`` vendor days: usual volumes with noise, a price that hardly moves."""
    rng, session, parts = np.random.default_rng(seed), SESSIONS.at_or_before(new_york(f"{first} 12:00")), []
    for _ in range(count):
        ts = np.arange(session.first_ms, session.end_ms, MINUTE_MS)
        phases = [SESSIONS.phase(int(at)) for at in ts]
        kept = np.array([it in ("opening_auction", "regular") or rng.random() < present for it in phases])
        usual = np.array([USUAL[it] for it in phases])
        volume = np.round(usual * np.exp(0.4 * rng.standard_normal(len(ts)) + 0.3 * rng.standard_normal()))
        close = 100 * np.exp(np.cumsum(0.0002 * rng.standard_normal(len(ts))))
        parts.append(columns(ts[kept], close[kept], volume[kept], KEY))
        session = SESSIONS.following(session.open_ms)
    return joined(*parts)


def built(history: BarColumns) -> Profile:
    following = SESSIONS.following(int(history.ts[-1]))
    (one,) = build_profiles(history, SESSIONS, effective_ms=effective_from(following.open_ms, SESSIONS))
    return one


def changed(bars: BarColumns, start: str, minutes: int, *, volume: float, price: float = 1.0) -> BarColumns:
    """From ``start`` on the price is another, for ``minutes`` the volume."""
    since = bars.ts >= new_york(start)
    burst = since & (bars.ts < new_york(start) + minutes * MINUTE_MS)
    factor = np.where(since, price, 1.0)
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    return BarColumns(
        bars.keys, bars.code, bars.ts, **prices, volume=np.where(burst, volume, bars.volume),
        revision=bars.revision, polled=bars.polled, live=bars.live,
    )  # fmt: skip


def fired(bars: BarColumns, known: Profile, since: str = "") -> set[tuple[str, str, str, str]]:
    """(rule, direction, phase, form) of all firings from ``since`` on."""
    state = State("exact")
    evaluation = engine(profiles=[known]).evaluate(state, bars, state.rows_for(bars.keys))
    firings, scan = evaluation.fresh_firings, evaluation.scan
    return {
        (*KINDS[kind], PHASES[scan.positions.phase[index]], ("literal", "robust")[form])
        for kind, form, index in zip(firings.kind, firings.form, firings.index, strict=True)
        if not since or scan.bars.ts[index] >= new_york(since)
    }


def at_the_edges(found: set[tuple[str, str, str, str]]) -> set[tuple[str, str, str, str]]:
    return {it for it in found if it[2] in ("pre", "closing_auction", "post")}


HISTORY = whole_days("2024-02-05", 8)
KNOWN = built(HISTORY)
DAY = whole_days("2024-02-15", 1, seed=9)


def test_results_after_the_close_are_told_in_the_robust_form():
    bars = changed(DAY, "2024-02-15 16:05", 240, volume=60_000, price=0.85)
    found = fired(joined(HISTORY, bars), KNOWN, "2024-02-15 16:05")
    assert ("abnormal_volume", "", "post", "robust") in found
    assert ("price_breakout", "down", "post", "robust") in found
    assert {form for *_, form in found} == {"robust"}


def test_a_move_on_news_in_the_pre_market_is_told():
    bars = changed(DAY, "2024-02-15 07:10", 30, volume=20_000, price=1.06)
    found = fired(joined(HISTORY, bars), KNOWN, "2024-02-15 04:00")
    assert {("abnormal_volume", "", "pre", "robust"), ("price_breakout", "up", "pre", "robust")} <= found
    assert ("volatility_spike", "", "pre", "robust") in found


@pytest.mark.parametrize(("clock", "phase"), [("09:30", "opening_auction"), ("16:00", "closing_auction")])
def test_an_auction_ten_times_as_large_as_usual_is_told(clock, phase):
    bars = changed(DAY, f"2024-02-15 {clock}", 1, volume=10 * USUAL[phase])
    assert ("abnormal_volume", "", phase, "robust") in fired(joined(HISTORY, bars), KNOWN, "2024-02-15 04:00")


@pytest.mark.parametrize("clock", ["16:00", "16:01"])
def test_the_closing_auction_is_no_abnormal_volume_of_the_minutes_around_it(clock):
    assert fired(joined(HISTORY, DAY), KNOWN, f"2024-02-15 {clock}") == set()


def test_quiet_days_raise_next_to_nothing_at_their_edges():
    later = whole_days("2024-02-15", 8, seed=3)
    found = fired(joined(HISTORY, later), KNOWN, "2024-02-15 04:00")
    assert at_the_edges(found) == set()


def test_after_the_close_of_a_half_day_the_slots_are_those_of_the_post_market():
    history = whole_days("2024-06-20", 8)
    eve = changed(whole_days("2024-07-03", 1), "2024-07-03 13:05", 60, volume=60_000, price=0.85)
    found = fired(joined(history, eve), built(history), "2024-07-03 13:00")
    assert {("abnormal_volume", "", "post", "robust"), ("price_breakout", "down", "post", "robust")} <= found
    assert {phase for _, _, phase, _ in found} == {"post"}


@pytest.mark.parametrize("monday", ["2024-03-11", "2024-11-04"])
def test_the_edges_follow_the_clock_of_new_york(monday):
    """The week before and the week after have other offsets to UTC."""
    first = {"2024-03-11": "2024-02-27", "2024-11-04": "2024-10-23"}[monday]
    history = whole_days(first, 8)
    quiet = whole_days(monday, 1, seed=5)
    assert at_the_edges(fired(joined(history, quiet), built(history), f"{monday} 04:00")) == set()
    bars = changed(quiet, f"{monday} 16:05", 60, volume=60_000, price=0.85)
    assert ("price_breakout", "down", "post", "robust") in fired(joined(history, bars), built(history))


def test_where_most_days_have_no_trade_nothing_is_said():
    """One minute in fifty: a quarter of the sessions have any trade in a quarter of an hour."""
    history = whole_days("2024-02-05", 8, present=0.02)
    known, slots = built(history), slice(94, None)
    assert None in known.volume_level[slots]
    bars = changed(whole_days("2024-02-15", 1, seed=9), "2024-02-15 04:00", 1, volume=50_000)
    silent = [k for k, level in enumerate(known.volume_level) if level is None]
    state = State("exact")
    log = joined(history, bars)
    scan = engine(profiles=[known]).evaluate(state, log, state.rows_for(log.keys)).scan
    unknown = np.isin(scan.positions.slot, silent)
    assert unknown.any()
    assert np.isnan(scan.measures["volume_z"][unknown]).all()
    assert not np.isnan(scan.measures["volume_z"][scan.positions.regular & (scan.profile >= 0)]).any()


def test_a_profile_of_an_earlier_version_knows_the_session_alone():
    """Its lists end with the session's slots: nothing of them is taken for another time of day."""
    old = profile(effective_ms=int(HISTORY.ts[0]))
    assert len(old.volume_level) == 94
    bars = changed(DAY, "2024-02-15 16:05", 240, volume=60_000, price=0.85)
    assert {phase for _, _, phase, form in fired(bars, old) if form == "robust"} <= {"opening_auction", "regular"}
