"""When profiles are built and from which bars: before each session, as the nightly DAG does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.records import Profile
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, new_york_day_start

HISTORY_MS = 45 * DAY_MS
"""How far back the bars of a profile lie: 20 sessions, a long holiday included."""

Progress = Callable[[str, int, int], None]


def walk_forward(
    bars: BarColumns,
    sessions: Sessions,
    actions: CorporateActions = CorporateActions(),  # noqa: B008 - frozen
    progress: Progress = lambda stage, done, total: None,
) -> list[Profile]:
    """Build profiles as the nightly DAG would have: before each session of the bars, from earlier ones.

    Args:
        bars: in any order.
        progress: is called with a stage, how much of it is done, and of how much.
    """
    if not len(bars):
        return []
    bars = bars.take(np.argsort(bars.ts, kind="stable"))
    profiles: list[Profile] = []
    opens, _, _ = sessions.arrays()
    first, last = np.searchsorted(opens, (bars.ts[0], bars.ts[-1] + DAY_MS))
    ahead = range(first, min(last + 1, len(opens)))
    for number, at in enumerate(ahead, start=1):
        effective_ms = effective_from(int(opens[at]), sessions)
        start, end = np.searchsorted(bars.ts, (effective_ms - HISTORY_MS, effective_ms))
        if end > start:
            earlier = bars.take(slice(start, end))
            profiles += build_profiles(earlier, sessions, effective_ms=effective_ms, actions=actions)
        progress("profiles", number, len(ahead))
    return profiles


def effective_from(open_ms: int, sessions: Sessions) -> int:
    """Say from when on a profile holds for the session that opens at ``open_ms``: from its first bar of any kind.

    A day bar begins at New York's midnight, before all others.
    """
    if not sessions.extended:
        return open_ms
    return new_york_day_start(open_ms - sessions.shift_ms) + sessions.shift_ms
