"""Firings -> episodes: one alert for a run of firings of the same rule and direction, with a cooldown between runs."""

from __future__ import annotations

import numpy as np
from numba import njit

from include.surveillance.timespans import DAY_MS

CONTINUES, OPENS, GROWS = range(3)
"""What a firing does to its episode; GROWS: its alert is published again, because the number of firings has doubled or
the severity has risen."""
LONGEST_COOLDOWN_MS = DAY_MS // 2
"""What fires on the next day is news again: the worst day of a year is not silent because last week was bad."""


def cooldown_ms(bars: int, span_ms: np.ndarray | int) -> np.ndarray:
    """Return how long after a firing another one continues its episode: so many bars' time, at most half a day.

    Args:
        span_ms: length of the bars.
    """
    return np.minimum(bars * span_ms, LONGEST_COOLDOWN_MS)


@njit(cache=True)
def assign_episodes(segments, cooldown, index, kind, severity, ts, remembered):
    """Assign each firing to an episode.

    Args:
        segments: see ``Segments``.
        cooldown: per segment, in ms.
        index, kind, severity: per firing, sorted by index; ``index`` is the bar.
        ts: per bar.
        remembered: [row, kind, (start, last, firings, peak)], int64: read as of ``evaluate_from``, written as of
            ``revisable_from``.

    Returns:
        Start, count and effect of ``Firings``.
    """
    assigned = np.empty((3, len(index)), np.int64)
    start, count, effect = assigned[0], assigned[1], assigned[2]
    f = 0
    for s in range(len(segments.state_row)):
        row, now, stored = segments.state_row[s], remembered[segments.state_row[s]].copy(), False
        while f < len(index) and index[f] < segments.end[s]:
            if not stored and index[f] >= segments.revisable_from[s]:
                remembered[row] = now
                stored = True
            k, at = kind[f], ts[index[f]]
            if now[k, 2] == 0 or at - now[k, 1] > cooldown[s]:
                now[k, 0], now[k, 1], now[k, 2], now[k, 3] = at, at, 1, severity[f]
                effect[f] = OPENS
            else:
                now[k, 1] = at
                now[k, 2] += 1
                n = now[k, 2]
                effect[f] = GROWS if severity[f] > now[k, 3] or n & (n - 1) == 0 else CONTINUES
                now[k, 3] = max(now[k, 3], severity[f])
            start[f], count[f] = now[k, 0], now[k, 2]
            f += 1
        if not stored:
            remembered[row] = now
    return start, count, effect
