"""Profiles know earlier full sessions, in today's shares, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.slots import bars_per_slot, lay_out_slots
from include.surveillance.records import Split
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import SPAN_MS

XNYS = Sessions("XNYS")
OPENS, CLOSES, DAYS = XNYS.arrays()


def ordinal(date: str) -> int:
    return int(np.searchsorted(DAYS, np.datetime64(date).astype("datetime64[D]").astype(int)))


def history(first: str, count: int, timespan: str = "minute", seed: int = 0, symbol: str = "AAPL") -> BarColumns:
    """Every bar of ``count`` sessions: a U-shaped volume with noise and a price that wanders."""
    rng, start = np.random.default_rng(seed), ordinal(first)
    # Hour bars start on the hour, and day bars at midnight in New York.
    aligned = {"hour": 1_800_000, "day": 34_200_000}.get(timespan, 0)
    days = [np.arange(OPENS[d] - aligned, CLOSES[d], SPAN_MS[timespan]) for d in range(start, start + count)]
    ts, within = np.concatenate(days), np.concatenate([np.linspace(-1, 1, len(day)) for day in days])
    volume = np.round(np.exp(9 + within**2 + 0.4 * rng.standard_normal(len(ts))))
    close = 50 * np.exp(np.cumsum(0.001 * rng.standard_normal(len(ts))))
    return columns(ts, close, volume, (symbol, timespan))


def columns(ts, close, volume, key) -> BarColumns:
    n = len(ts)
    zero = np.zeros(n, np.int64)
    return BarColumns(
        [key],
        zero.astype(np.int32),
        ts.astype(np.int64),
        *(close.copy(), close * 1.001, close * 0.999, close.copy(), volume.astype(float)),
        *(zero.astype(np.uint32), zero, zero.astype(bool)),
    )


def joined(*parts: BarColumns) -> BarColumns:
    """Logs of one symbol, one after another."""
    arrays = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("code", "ts", "open", "high", "low", "close", "volume", "revision", "polled", "live")
    ]
    return BarColumns(parts[0].keys, *arrays)


def test_a_profile_says_what_was_usual():
    bars = history("2023-01-03", 10)
    (profile,) = build_profiles(bars, XNYS, effective_ms=int(OPENS[ordinal("2023-01-03") + 10]))
    assert (profile.symbol, profile.timespan, profile.sessions) == ("AAPL", "minute", 10)
    assert (profile.first_date, profile.last_date) == ("2023-01-03", "2023-01-17")
    lists = (profile.volume_level, profile.volume_scale, profile.return_factor, profile.presence)
    assert (
        {len(values) for values in lists} == {lay_out_slots("minute", 390, extended=True).total} == {94 + 22 + 1 + 16}
    )
    assert (set(profile.presence[:94]), set(profile.presence[94:])) == ({1.0}, {0.0})
    assert all(set(values[94:]) == {None} for values in lists[:3]), "no bars around the sessions"
    # The middle of the session trades e^9 a minute, five of them, and its sum varies by about 0.4 / sqrt(5).
    assert profile.volume_level[47] == pytest.approx(9 + np.log(5), abs=0.15)
    assert 0.1 < profile.volume_scale[47] < 0.3
    assert profile.volume_level[0] == pytest.approx(10, abs=0.4)
    widths = bars_per_slot("minute", 390, extended=False)
    assert np.average(profile.return_factor[:94], weights=widths) == pytest.approx(1, abs=1e-3)
    assert 0 < profile.volatility_clear < profile.volatility_fire < 0.003
    assert profile.turnover == pytest.approx(np.median(np.add.reduceat(bars.close * bars.volume, range(0, 3900, 390))))
    assert profile.liquidity == "liquid"
    assert 0.01 < profile.range_percent < 0.1


def test_nothing_at_or_after_the_effective_time_is_used():
    bars, start = history("2023-01-03", 8), ordinal("2023-01-03")
    for effective in (OPENS[start + 5], OPENS[start + 5] + 7_200_000, CLOSES[start + 5] - 60_000, CLOSES[start + 4]):
        later = bars.ts >= effective
        shaken = replace(bars, volume=np.where(later, 1e9, bars.volume), close=np.where(later, 1.0, bars.close))
        whole, cut = bars, bars.take(~later)
        built = [build_profiles(log, XNYS, effective_ms=int(effective)) for log in (whole, shaken, cut)]
        assert built[0] == built[1] == built[2]
        assert built[0][0].sessions == 5


def test_order_and_repetition_do_not_matter_and_the_last_message_of_a_bar_holds():
    bars, effective = history("2023-01-03", 5), int(OPENS[ordinal("2023-01-03") + 5])
    expected = build_profiles(bars, XNYS, effective_ms=effective)
    shuffled = bars.take(np.random.default_rng(1).permutation(len(bars)))
    assert build_profiles(shuffled, XNYS, effective_ms=effective) == expected
    wrong = replace(bars, volume=bars.volume * 50)
    assert build_profiles(joined(wrong, shuffled), XNYS, effective_ms=effective) == expected
    assert build_profiles(joined(shuffled, wrong), XNYS, effective_ms=effective) != expected


def test_half_days_are_left_out_and_the_latest_sessions_are_kept():
    bars, start = history("2018-11-12", 15), ordinal("2018-11-12")
    half = ordinal("2018-11-23")
    effective = int(OPENS[start + 15])
    loud = replace(bars, volume=np.where((bars.ts >= OPENS[half]) & (bars.ts < CLOSES[half]), 1e8, bars.volume))
    (profile,) = build_profiles(loud, XNYS, effective_ms=effective)
    assert profile.sessions == 14
    assert [profile] == build_profiles(bars, XNYS, effective_ms=effective)
    (short,) = build_profiles(bars, XNYS, effective_ms=effective, maximum_sessions=6)
    assert short.sessions == 6
    assert short.last_date == profile.last_date


def test_one_session_is_the_least():
    bars, start = history("2023-01-03", 3), ordinal("2023-01-03")
    assert build_profiles(bars, XNYS, effective_ms=int(CLOSES[start]) - 1) == []
    assert [it.sessions for it in build_profiles(bars, XNYS, effective_ms=int(CLOSES[start]))] == [1]
    assert build_profiles(bars.take(slice(0)), XNYS, effective_ms=int(CLOSES[start])) == []


@pytest.mark.parametrize("timespan", ["minute", "15minute", "hour", "day"])
def test_the_profile_of_few_sessions_is_like_that_of_many_and_wider(timespan):
    bars, start = history("2023-01-03", 15, timespan), ordinal("2023-01-03")
    regular = lay_out_slots(timespan, 390, extended=True).regular
    many, one, two = (
        build_profiles(bars, XNYS, effective_ms=int(OPENS[start + count]))[0] for count in (15, 1, 2)
    )  # fmt: skip
    for few, times in ((one, np.sqrt(1 + np.pi / 2)), (two, np.sqrt(1 + np.pi / 4))):
        differs = np.subtract(few.volume_level[:regular], many.volume_level[:regular])
        assert np.median(np.abs(differs)) < 0.8
        assert few.presence == many.presence
        assert 0.4 < few.range_percent / many.range_percent / times < 2.5
        if many.volatility_fire:
            assert 0.4 < few.volatility_fire / many.volatility_fire / times < 2.5
        if timespan != "day":
            ratio = np.divide(few.volume_scale[:regular], many.volume_scale[:regular]) / times
            assert 0.4 < np.median(ratio) < 2.5


def test_a_first_session_that_begins_late_says_nothing_of_the_morning():
    bars, start = history("2023-01-03", 1), ordinal("2023-01-03")
    (profile,) = build_profiles(bars.take(slice(240, None)), XNYS, effective_ms=int(OPENS[start + 1]))
    # An hour before the first bar, of 390 minutes in 94 slots: ten single ones, and groups of five.
    begins = 10 + (240 - 60 - 10) // 5
    for values in (profile.volume_level, profile.volume_scale, profile.return_factor):
        assert [value is not None for value in values[:94]] == [False] * begins + [True] * (94 - begins)
    assert profile.presence[:begins] == [0.0] * begins
    assert profile.presence[93] == 1.0
    assert profile.presence[begins] < 0.2


def test_a_split_is_no_change_and_its_day_is_left_out():
    bars, start = history("2023-01-03", 8), ordinal("2023-01-03")
    day, effective = start + 4, int(OPENS[start + 8])
    split = Split(symbol="AAPL", execution_date="2023-01-09", split_from=1, split_to=4)
    before, on = bars.ts < OPENS[day], (bars.ts >= OPENS[day]) & (bars.ts < CLOSES[day])
    adjusted = build_profiles(bars.take(~on), XNYS, effective_ms=effective)
    prices = {name: np.where(before, 4, 1) * getattr(bars, name) for name in ("open", "high", "low", "close")}
    raw = replace(bars, volume=bars.volume / np.where(before, 4, 1), **prices)
    (profile,) = build_profiles(raw, XNYS, effective_ms=effective, actions=CorporateActions(splits=(split,)))
    assert [profile] == adjusted
    assert profile.sessions == 7
    unknown_yet = build_profiles(
        raw, XNYS, effective_ms=int(OPENS[day]) - 86_400_000 * 2, actions=CorporateActions(splits=(split,))
    )
    assert unknown_yet == build_profiles(raw, XNYS, effective_ms=int(OPENS[day]) - 86_400_000 * 2)


@pytest.mark.parametrize("timespan", ["5minute", "15minute", "hour", "day"])
def test_longer_bars(timespan):
    bars, start = history("2023-01-03", 15, timespan), ordinal("2023-01-03")
    (profile,) = build_profiles(bars, XNYS, effective_ms=int(OPENS[start + 15]), classes={"AAPL": "CS"})
    slots = lay_out_slots(timespan, 390, extended=True)
    assert len(profile.volume_level) == slots.total
    assert profile.asset_class == "CS"
    # Fewer than 20 returns in a session: no deviation of 20 returns, said as zero.
    assert (profile.volatility_fire > 0) == (timespan in ("5minute", "15minute"))
    assert all(np.isfinite(profile.volume_scale[: slots.regular]))
    assert min(profile.return_factor[: slots.regular]) > 0


def test_a_thin_symbol_has_values_in_every_slot():
    bars = history("2023-01-03", 5)
    few = bars.take(np.flatnonzero(np.random.default_rng(2).random(len(bars)) < 0.03))
    broken = replace(few, volume=np.where(np.arange(len(few)) == 5, np.nan, few.volume))
    (profile,) = build_profiles(broken, XNYS, effective_ms=int(OPENS[ordinal("2023-01-03") + 5]))
    assert np.isfinite(profile.volume_level[:94]).all()
    assert np.isfinite(profile.volume_scale[:94]).all()
    assert sum(
        p * w for p, w in zip(profile.presence, bars_per_slot("minute", 390, extended=True), strict=True)
    ) * 5 == pytest.approx(len(few) - 1, abs=0.1)
