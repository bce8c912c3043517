"""Which bars of a batch carry a series on, and which ones touch what was evaluated already. In the order of the log."""

from __future__ import annotations

import numpy as np
from numba import njit

NEW, DUPLICATE, STALE, LATE, CORRECTED, WAITING = range(6)
"""NEW: later than all before. DUPLICATE: known with these very values. STALE: older than what can be revised. LATE:
missing until now. CORRECTED: known with other values. WAITING: behind a late or corrected one."""


@njit(cache=True)
def admit(row, first, last, ts, revision, held, kept, known_ts, known_revision, revisable, status):
    """Say of each bar what it is; a late or corrected one ends its series' turn.

    Args:
        row, first, last: per series, its row of the state and its bars [first, last), in log order.
        ts, revision: per bar.
        held, kept, known_ts, known_revision: of the state.
        status: written per bar.
    """
    for s in range(len(row)):
        r = row[s]
        taken = np.empty(last[s] - first[s], np.int64)
        n, count = held[r], 0
        for p in range(first[s], last[s]):
            start = ts[p]
            newest = ts[taken[count - 1]] if count else (known_ts[r, n - 1] if n else np.int64(-1) << 62)
            if start > newest:
                taken[count] = p
                count += 1
                status[p] = NEW
                continue
            oldest = max(kept[r], n + count - revisable)
            if oldest > 0:
                settled = known_ts[r, oldest - 1] if oldest <= n else ts[taken[oldest - 1 - n]]
                if start <= settled:
                    status[p] = STALE
                    continue
            status[p] = LATE
            for at in range(n + count - 1, oldest - 1, -1):
                there = known_ts[r, at] if at < n else ts[taken[at - n]]
                if there < start:
                    break
                if there == start:
                    same = (known_revision[r, at] if at < n else revision[taken[at - n]]) == revision[p]
                    status[p] = DUPLICATE if same else CORRECTED
                    break
            if status[p] != DUPLICATE:
                status[p + 1 : last[s]] = WAITING
                break
