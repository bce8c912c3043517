"""When profiles are built and from which bars: before each session, as the nightly DAG does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.profiles.build import Progress, build_profiles
from include.surveillance.detection.profiles.carry import carry_forward
from include.surveillance.records import Profile
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, new_york_day_start


def walk_forward(
    bars: BarColumns,
    sessions: Sessions,
    actions: CorporateActions = CorporateActions(),  # noqa: B008 - frozen
    progress: Progress = lambda stage, done, total: None,
) -> ProfileColumns:
    """Build profiles as the nightly DAG would have: before each session of the bars, from earlier ones.

    Args:
        bars: in any order.
        progress: is called with a stage, how much of it is done, and of how much.
    """
    if not len(bars):
        return build_profiles(bars, sessions, effective_ms=0)
    opens, _, _ = sessions.arrays()
    first, last = np.searchsorted(opens, (bars.ts.min(), bars.ts.max() + DAY_MS))
    ahead = [effective_from(open_ms, sessions) for open_ms in opens[first : last + 1].tolist()]
    profiles = build_profiles(bars, sessions, effective_ms=ahead, actions=actions, progress=progress)
    return carry_forward(profiles, bars, sessions, actions)


def continue_profiles(
    previous: Sequence[Profile], bars: BarColumns, sessions: Sessions, *, effective_ms: int,
    classes: Mapping[str, str] | None = None, actions: CorporateActions = CorporateActions(),  # noqa: B008 - frozen
) -> ProfileColumns:  # fmt: skip
    """Build the profiles that hold from ``effective_ms`` on, carried forward from the newest earlier ones.

    A session that no earlier profile has counted is held against the profile that it would have had. A series without
    an earlier profile is carried through all sessions of the bars.

    Args:
        previous: profiles that were published, of all symbols: those of other bars are in the pool of their bucket.
        bars: of the last ``HISTORY_MS``, in any order.
    """
    earlier = [it for it in previous if it.effective_ms < effective_ms]
    if not len(bars):
        return build_profiles(bars, sessions, effective_ms=effective_ms)
    opens, _, _ = sessions.arrays()
    first, last = np.searchsorted(opens, (bars.ts.min(), effective_ms))
    times = {effective_from(open_ms, sessions) for open_ms in opens[first:last].tolist()}
    times |= {it.effective_ms for it in earlier if it.effective_ms > bars.ts.min()}
    times = {time for time in times if time < effective_ms} | {effective_ms}
    profiles = build_profiles(bars, sessions, effective_ms=sorted(times), classes=classes, actions=actions)
    carried = carry_forward(profiles, bars, sessions, actions, earlier)
    return carried.take(np.flatnonzero(carried.effective_ms == effective_ms))


def effective_from(open_ms: int, sessions: Sessions) -> int:
    """Say from when on a profile holds for the session that opens at ``open_ms``: from its first bar of any kind.

    A day bar begins at New York's midnight, before all others.
    """
    if not sessions.extended:
        return open_ms
    return new_york_day_start(open_ms - sessions.shift_ms) + sessions.shift_ms
