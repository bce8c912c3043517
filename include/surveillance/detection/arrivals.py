"""Which bars of a batch carry a series on, and which ones touch what was evaluated already. In the order of the log."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numba import njit

from include.surveillance.detection.state import REVISABLE, State


class Arrival(IntEnum):
    """What a bar is to its series when it arrives."""

    NEW = 0  # later than all before
    DUPLICATE = 1  # known with these very values
    STALE = 2  # older than what can be revised
    LATE = 3  # missing until now
    CORRECTED = 4  # known with other values
    WAITING = 5  # behind a late or corrected one of its series, whose turn that ends


def classify(state: State, row: np.ndarray, ts: np.ndarray, revision: np.ndarray) -> np.ndarray:
    """Classify bars against what the state holds and against each other.

    Args:
        row: the state's row of each bar's series; bars of one series stand together, in the order of the log.
        ts, revision: as in ``BarColumns``.

    Returns:
        One ``Arrival`` per bar, int8.
    """
    first = np.flatnonzero(np.diff(row, prepend=-1))
    arrivals = np.empty(len(row), np.int8)
    held_ts, held_revision = state.bars["ts"], state.bars["revision"]
    _classify(row, first, ts, revision, held_ts, held_revision, state.bar_count, state.settled_count, arrivals)
    return arrivals


@njit(cache=True)
def _classify(row, first, ts, revision, held_ts, held_revision, bar_count, settled_count, arrivals):
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
            oldest = max(settled_count[r], n + count - REVISABLE)
            if oldest > 0:
                settled = held_ts[r, oldest - 1] if oldest <= n else ts[new[oldest - 1 - n]]
                if start <= settled:
                    arrivals[p] = Arrival.STALE
                    continue
            arrivals[p] = _classify_revisable(p, new, count, oldest, ts, revision, held_ts, held_revision, r, n)
            if arrivals[p] != Arrival.DUPLICATE:
                arrivals[p + 1 : end] = Arrival.WAITING
                break


@njit(cache=True)
def _classify_revisable(p, new, count, oldest, ts, revision, held_ts, held_revision, r, n):
    """Look for bar ``p`` among the ``n`` held bars of row ``r`` and the ``count`` new ones behind them."""
    for at in range(n + count - 1, oldest - 1, -1):
        start = held_ts[r, at] if at < n else ts[new[at - n]]
        if start < ts[p]:
            break
        if start == ts[p]:
            known = held_revision[r, at] if at < n else revision[new[at - n]]
            return Arrival.DUPLICATE if known == revision[p] else Arrival.CORRECTED
    return Arrival.LATE
