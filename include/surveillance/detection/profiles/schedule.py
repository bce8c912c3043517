"""When profiles are built, and from which bars: before each session, as the nightly DAG does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.profiles import build as baselines
from include.surveillance.records import Profile, Split
from include.surveillance.sessions import PRE_MS, Sessions
from include.surveillance.timespans import NEW_YORK

HISTORY_MS = 45 * 86_400_000
"""How far back bars are looked at for a profile: 20 sessions, a long holiday included."""


Progress = Callable[[str, int, int], None]


def walk_forward(
    bars: BarColumns,
    sessions: Sessions,
    splits: Iterable[Split] = (),
    progress: Progress = lambda stage, done, total: None,
) -> list[Profile]:
    """Profiles as the nightly DAG would have built them: before each session of the bars, from earlier ones."""
    if not len(bars):
        return []
    order = np.argsort(bars.ts, kind="stable")
    bars = bars.take(order)
    found: list[Profile] = []
    opens, _, _ = sessions.arrays()
    first, last = np.searchsorted(opens, (bars.ts[0], bars.ts[-1] + 86_400_000))
    for number, at in enumerate(range(first, min(last + 1, len(opens)))):
        effective_ms = effective_from(int(opens[at]), sessions)
        start, end = np.searchsorted(bars.ts, (effective_ms - HISTORY_MS, effective_ms))
        if end > start:
            found += baselines.build(bars.take(slice(start, end)), sessions, effective_ms=effective_ms, splits=splits)
        progress("baselines", number + 1, int(last - first))
    return found


def effective_from(open_ms: int, sessions: Sessions) -> int:
    """From when on a profile for the session that opens at ``open_ms`` holds: its first bar of any kind."""
    if not sessions.extended:
        return open_ms
    opened = datetime.fromtimestamp((open_ms - sessions.shift_ms) / 1000, NEW_YORK)
    midnight = round(opened.replace(hour=0, minute=0).timestamp()) * 1000 + sessions.shift_ms
    return min(midnight, open_ms - PRE_MS)
