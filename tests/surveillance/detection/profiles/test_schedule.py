"""Profiles are built before each session, from bars that were there by then."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.detection.columns import COLUMNS, BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.profiles.build import HISTORY_MS, build_profiles
from include.surveillance.detection.profiles.schedule import continue_profiles, effective_from, walk_forward
from include.surveillance.records import Profile, Split, TickerChange
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, NEW_YORK, to_ms
from tests.surveillance.detection.profiles.test_build import OPENS, XNYS, history, ordinal


def midnight(day: str) -> int:
    return to_ms(datetime.fromisoformat(day).replace(tzinfo=NEW_YORK))


def latest(profile: Profile) -> Profile:
    """What the latest sessions say, without what was carried."""
    return replace(profile, range_percent=0.0, range_long=None, carried=0, tails=[], revision="")


@pytest.mark.parametrize("day", ["2019-03-08", "2019-03-11", "2019-11-01", "2019-11-04", "2019-11-29"])
def test_a_profile_holds_from_midnight_in_new_york_on_whatever_the_clock(day):
    open_ms = int(OPENS[ordinal(day)])
    assert effective_from(open_ms, XNYS) == midnight(day) < open_ms
    shifted = Sessions("XNYS", 1000 * DAY_MS)
    assert effective_from(open_ms + 1000 * DAY_MS, shifted) == midnight(day) + 1000 * DAY_MS


def test_where_the_market_never_closes_it_holds_from_the_sessions_begin():
    sessions = Sessions("24/7")
    opens, *_ = sessions.arrays()
    assert effective_from(int(opens[100]), sessions) == opens[100]


def test_each_profile_is_built_from_the_bars_before_it():
    bars = history("2023-01-03", 7)
    done = []
    profiles = walk_forward(bars, XNYS, progress=lambda *step: done.append(step))
    first = ordinal("2023-01-03")
    # Three sessions are the least; the last is the second after the bars.
    effective = [effective_from(int(OPENS[first + n]), XNYS) for n in range(3, 9)]
    assert [profile.effective_ms for profile in profiles] == effective
    for profile, effective_ms in zip(profiles, effective, strict=True):
        earlier = bars.take(bars.ts < effective_ms)
        (rebuilt,) = build_profiles(earlier, XNYS, effective_ms=effective_ms)
        assert latest(profile) == latest(rebuilt)
    assert done == [("profiles", 1, 1)], "after each series"
    shuffled = np.random.default_rng(1).permutation(len(bars))
    assert walk_forward(bars.take(shuffled), XNYS) == profiles


def test_a_halt_among_the_bars_that_tails_are_carried_through_is_seen():
    bars = history("2023-01-03", 8)
    halt = int(OPENS[ordinal("2023-01-03") + 6]) + 60 * MINUTE_MS
    prices = {
        name: np.where(bars.ts >= halt, 1.3, 1.0) * getattr(bars, name) for name in ("open", "high", "low", "close")
    }
    quiet = (bars.ts < halt) | (bars.ts >= halt + 10 * MINUTE_MS)
    profiles = walk_forward(dataclasses.replace(bars, **prices).take(quiet), XNYS)
    assert len(profiles) == 7
    assert profiles[-1].carried
    assert profiles[-1].tails


@settings(max_examples=15)
@given(
    seed=st.integers(0, 99),
    timespan=st.sampled_from(["minute", "15minute", "day"]),
    share=st.sampled_from([1.0, 0.9, 0.05]),
    split=st.none() | st.sampled_from(["2018-11-19", "2018-12-04"]),
)
def test_a_carried_profile_is_the_rebuilt_one(seed, timespan, share, split):
    """Half-days, sessions without a bar and splits lie in between."""
    whole = history("2018-11-12", 26, timespan, seed)
    bars = whole.take(np.flatnonzero(np.random.default_rng(seed).random(len(whole)) < share))
    splits = () if split is None else (Split(symbol="AAPL", execution_date=split, split_from=1, split_to=4),)
    actions = CorporateActions(splits=splits)
    for profile in walk_forward(bars, XNYS, actions):
        at = profile.effective_ms
        used = bars.take((bars.ts < at) & (bars.ts >= at - HISTORY_MS - DAY_MS))
        (rebuilt,) = build_profiles(used, XNYS, effective_ms=at, actions=actions)
        assert latest(profile) == latest(rebuilt)


def test_bars_of_long_ago_are_forgotten():
    bars = history("2023-01-03", 4)
    late = bars.take(slice(-1, None))
    late.ts[:] += HISTORY_MS + 5 * DAY_MS
    joined = BarColumns(
        bars.keys,
        *(
            np.concatenate([getattr(part, name) for part in (bars, late)])
            for name in ("code", "ts", "open", "high", "low", "close", "volume", "revision", "polled", "live")
        ),
    )
    effective = {profile.effective_ms for profile in walk_forward(joined, XNYS)}
    assert max(effective) <= int(bars.ts[-1]) + HISTORY_MS + MINUTE_MS
    assert walk_forward(bars.take(slice(0)), XNYS) == []


def two_symbols(renamed: str = "2024-01-01") -> BarColumns:
    """Sixteen sessions of AAPL, which is called MSFT from a date on, and of MSFT, which nobody trades from then on."""
    aapl, msft = (history("2023-01-03", 16, "15minute", seed, symbol) for seed, symbol in ((1, "AAPL"), (2, "MSFT")))
    msft = msft.take(msft.ts < midnight(renamed))
    return BarColumns(
        [*aapl.keys, *msft.keys],
        np.concatenate([aapl.ts >= midnight(renamed), np.ones(len(msft))]).astype(np.int32),
        *(np.concatenate([getattr(part, name) for part in (aapl, msft)]) for name in COLUMNS[1:]),
    )


def test_published_profiles_are_carried_on_as_a_file_carries_them():
    """Each night builds from the log and from what was published before; both symbols are in each other's pool."""
    bars = two_symbols()
    carried = walk_forward(bars, XNYS)
    times = np.unique(carried.effective_ms).tolist()
    published = []
    for at in times[:2] + times[4:]:  # two nights were missed
        built = continue_profiles(published, bars.take(bars.ts < at), XNYS, effective_ms=at)
        assert list(built) == [one for one in carried if one.effective_ms == at]
        published += built
    assert max(one.carried for one in published) == len(times)
    assert {tail.sessions for tail in published[-1].tails if tail.rule == "abnormal_volume"} == {len(times) - 2}


def test_a_series_carries_its_tails_on_under_its_next_ticker():
    """The one that had the ticker before leaves nothing to it."""
    day = "2023-01-17"
    change = TickerChange(symbol="AAPL", new_symbol="MSFT", date=day)
    bars, actions = two_symbols(day), CorporateActions(ticker_changes=(change,))
    carried = walk_forward(bars, XNYS, actions)
    # The same market in which nothing is renamed.
    plain = walk_forward(
        dataclasses.replace(bars, code=np.where(bars.ts < midnight(day), bars.code, 0).astype(np.int32)), XNYS
    )
    times = np.unique(carried.effective_ms).tolist()
    assert sum(at < midnight(day) for at in times) > 3
    published = []
    for at in times:
        built = continue_profiles(published, bars.take(bars.ts < at), XNYS, effective_ms=at, actions=actions)
        assert list(built) == [one for one in carried if one.effective_ms == at]
        named = [replace(one, symbol="AAPL", event_id="") if at >= midnight(day) else one for one in built]
        holding = ("AAPL", "MSFT") if at < midnight(day) else ("AAPL",)
        assert named == [one for one in plain if one.effective_ms == at and one.symbol in holding]
        published += built
    assert published[-1].symbol == "MSFT"
    assert published[-1].carried == len(times)


def test_the_wild_weeks_of_a_crisis_do_not_make_a_wild_day_usual():
    bars = history("2023-01-03", 40, "day", 5)
    wild = bars.ts >= OPENS[ordinal("2023-01-03") + 30] - 34_200_000
    bars.high[wild] *= 1.05
    profiles = walk_forward(bars, XNYS)
    assert profiles[-1].range_percent == profiles[-1].range_long < 0.033
    (alone,) = build_profiles(bars, XNYS, effective_ms=profiles[-1].effective_ms)
    assert alone.range_percent > 0.036
