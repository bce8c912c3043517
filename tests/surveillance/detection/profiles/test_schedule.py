"""Profiles are built before each session, from bars that were there by then."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.profiles.schedule import HISTORY_MS, effective_from, walk_forward
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, NEW_YORK, to_ms
from tests.surveillance.detection.profiles.test_build import OPENS, XNYS, history, ordinal


def midnight(day: str) -> int:
    return to_ms(datetime.fromisoformat(day).replace(tzinfo=NEW_YORK))


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
        assert [profile] == build_profiles(earlier, XNYS, effective_ms=effective_ms)
    assert done == [("profiles", n + 1, 9) for n in range(9)]
    shuffled = np.random.default_rng(1).permutation(len(bars))
    assert walk_forward(bars.take(shuffled), XNYS) == profiles


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
