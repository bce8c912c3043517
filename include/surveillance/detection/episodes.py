"""Firings -> episodes: one alert for a run of firings of the same rule and direction, with a cooldown between runs."""

from __future__ import annotations

from numba import njit

CONTINUES, OPENS, GROWS = range(3)
"""What a firing does to its episode; GROWS: its alert is published again, because the number of firings has doubled or
the severity has risen."""


@njit(cache=True)
def join(row, cut, settle, hi, cooldown, index, kind, severity, ts, known, start, count, does):
    """Each firing's episode: its start and how many firings it has by then.

    Args:
        row, cut, settle, hi, cooldown: per segment; ``cooldown`` in ms.
        index, kind, severity: per firing, sorted by index; ``index`` is the bar.
        ts: per bar.
        known: [row, kind, (start, last, firings, peak)]: as of ``cut``, afterwards as of ``settle``.
        start, count, does: written per firing.
    """
    f = 0
    for s in range(len(row)):
        now = known[row[s]].copy()
        stored = False
        while f < len(index) and index[f] < hi[s]:
            if not stored and index[f] >= settle[s]:
                known[row[s]] = now
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
            known[row[s]] = now
