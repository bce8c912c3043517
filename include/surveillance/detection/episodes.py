"""Firings -> episodes: one alert for a run of firings of the same rule and direction, with a cooldown between runs."""

from __future__ import annotations

from numba import njit

CONTINUES, OPENS, GROWS = range(3)
"""What a firing does to its episode; GROWS: its alert is published again, because the number of firings has doubled or
the severity has risen."""


@njit(cache=True)
def join(segments, cooldown, index, kind, severity, ts, known, start, count, does):
    """Each firing's episode: its start and how many firings it has by then.

    Args:
        segments: see ``scan.Segments``.
        cooldown: per segment, in ms.
        index, kind, severity: per firing, sorted by index; ``index`` is the bar.
        ts: per bar.
        known: [row, kind, (start, last, firings, peak)]: as of ``evaluate_from``, afterwards as of
            ``revisable_from``.
        start, count, does: written per firing.
    """
    f = 0
    for s in range(len(segments.start)):
        row, end, revisable = segments.state_row[s], segments.end[s], segments.revisable_from[s]
        now = known[row].copy()
        stored = False
        while f < len(index) and index[f] < end:
            if not stored and index[f] >= revisable:
                known[row] = now
                stored = True
            k, at = kind[f], ts[index[f]]
            if now[k, 2] == 0 or at - now[k, 1] > cooldown[s]:
                now[k, 0], now[k, 1], now[k, 2], now[k, 3] = at, at, 1, severity[f]
                does[f] = OPENS
            else:
                now[k, 1] = at
                now[k, 2] += 1
                n = now[k, 2]
                does[f] = GROWS if severity[f] > now[k, 3] or n & (n - 1) == 0 else CONTINUES
                now[k, 3] = max(now[k, 3], severity[f])
            start[f], count[f] = now[k, 0], now[k, 2]
            f += 1
        if not stored:
            known[row] = now
