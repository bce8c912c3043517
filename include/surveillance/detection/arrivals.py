"""Which bars of a batch carry a series on, and which ones touch what was evaluated already. In the order of the log."""

from __future__ import annotations

from bisect import bisect_left, insort
from enum import IntEnum

import numpy as np
from numba import njit

from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.state import REVISABLE, State
from include.surveillance.records import Source


class Arrival(IntEnum):
    """What a bar is to its series when it arrives."""

    NEW = 0  # later than all before
    DUPLICATE = 1  # known with these very values
    STALE = 2  # older than what can be revised, or of another source than is judged and not later than all before
    LATE = 3  # missing until now
    CORRECTED = 4  # known with other values, or looked back on only until now
    WAITING = 5  # behind a late or corrected one of its series, whose turn that ends


def classify(
    state: State, row: np.ndarray, ts: np.ndarray, revision: np.ndarray, live: np.ndarray, judges: Source | None
) -> np.ndarray:
    """Classify bars against what the state holds and against each other.

    Args:
        row: the state's row of each bar's series; bars of one series stand together, in the order of the log.
        ts, revision, live: as in ``BarColumns``.
        judges: the source whose bars are judged, see ``Engine``.

    Returns:
        One ``Arrival`` per bar, int8.
    """
    first = np.flatnonzero(np.diff(row, prepend=-1))
    arrivals = np.empty(len(row), np.int8)
    held = state.bars
    own, held_own = is_judged(live, judges), is_judged(held["live"], judges)
    counts = state.bar_count, state.settled_count
    _classify(row, first, ts, revision, own, held["ts"], held["revision"], held_own, *counts, arrivals)
    return arrivals


def is_judged(live: np.ndarray, judges: Source | None) -> np.ndarray:
    """Say of bars whether they are of the source that is judged, see ``Engine``; bool."""
    return live == (judges == "live") if judges else np.ones_like(live)


class Places:
    """Follows a log bar by bar and says which bars take a place among the latest of their series, as detection does."""

    def __init__(self) -> None:
        self._latest: dict[SeriesKey, list[int]] = {}  # ascending; those that can be revised, and the one before

    def takes(self, key: SeriesKey, ts_ms: int, *, judged: bool) -> bool:
        """Say whether a bar takes a place; one that is not judged does only where it carries its series on.

        Args:
            judged: whether the bar is of the source that is judged.
        """
        latest = self._latest.setdefault(key, [])
        if not latest or ts_ms > latest[-1]:
            latest.append(ts_ms)
        elif not judged or (len(latest) > REVISABLE and ts_ms <= latest[0]):
            return False
        elif latest[bisect_left(latest, ts_ms)] != ts_ms:
            insort(latest, ts_ms)
        del latest[: -REVISABLE - 1]
        return True


@njit(cache=True)
def _classify(
    row, first, ts, revision, own, held_ts, held_revision, held_own, bar_count, settled_count, arrivals
):  # fmt: skip
    for s in range(len(first)):
        r = row[first[s]]
        end = first[s + 1] if s + 1 < len(first) else len(row)
        new = np.empty(end - first[s], np.int64)
        n, count = bar_count[r], 0
        for p in range(first[s], end):
            start = ts[p]
            newest = ts[new[count - 1]] if count else (held_ts[r, n - 1] if n else np.int64(-1) << 62)
            if start > newest:
                new[count] = p
                count += 1
                arrivals[p] = Arrival.NEW
                continue
            if not own[p]:
                arrivals[p] = Arrival.STALE
                continue
            oldest = max(settled_count[r], n + count - REVISABLE)
            if oldest > 0:
                settled = held_ts[r, oldest - 1] if oldest <= n else ts[new[oldest - 1 - n]]
                if start <= settled:
                    arrivals[p] = Arrival.STALE
                    continue
            # fmt: off
            arrivals[p] = _classify_revisable(
                p, new, count, oldest, ts, revision, own, held_ts, held_revision, held_own, r, n
            )
            # fmt: on
            if arrivals[p] != Arrival.DUPLICATE:
                arrivals[p + 1 : end] = Arrival.WAITING
                break


@njit(cache=True)
def _classify_revisable(p, new, count, oldest, ts, revision, own, held_ts, held_revision, held_own, r, n):
    """Look for bar ``p`` among the ``n`` held bars of row ``r`` and the ``count`` new ones behind them."""
    for at in range(n + count - 1, oldest - 1, -1):
        start = held_ts[r, at] if at < n else ts[new[at - n]]
        if start < ts[p]:
            break
        if start == ts[p]:
            known = held_revision[r, at] if at < n else revision[new[at - n]]
            judged = held_own[r, at] if at < n else own[new[at - n]]
            return Arrival.DUPLICATE if judged and known == revision[p] else Arrival.CORRECTED
    return Arrival.LATE
