"""The statistics of a profile, for one series: bars of full regular sessions, sorted by time."""

from __future__ import annotations

import numpy as np
from numba import njit

from include.surveillance.detection.rules.robust.abnormal_volume import (
    RobustAbnormalVolume,
    VolumeBars,
    VolumeMemory,
    measure_volume,
)
from include.surveillance.detection.segments import Segments
from include.surveillance.timespans import MINUTE_MS

POOL_MS = 60 * MINUTE_MS  # how far around a slot its dispersion is taken from
RETURNS = 20  # of a standard deviation
FIRE, CLEAR = 0.995, 0.8  # quantiles of the deviation of returns
LARGEST = 5.0  # times the day's mean absolute return that one return counts at most
LEAST_FACTOR = 0.1  # a slot without any move must not make the first move infinite


def estimate_volume(ts, session, slot, shares, span, widths):
    """Estimate the usual level and dispersion of ln(1 + shares of the last five minutes), per slot.

    The level is the median over the slot's bars of all sessions, each taken less its session's median: with few
    sessions, a busy one would otherwise shift the slots in which it lies in the middle. The dispersion is that of what
    the rule itself would leave unexplained, 1.4826 x median absolute residual within an hour around the slot, widened
    for how uncertain a median of so few sessions is (its variance is pi / 2n of theirs).

    Args:
        ts, session, slot, shares: one per bar; shares of one basis.
        span: of the bars, in ms.
        widths: spans per slot.

    Returns:
        Two arrays of ``len(widths)``; the dispersion is 0 where all bars are as usual.
    """
    x, _ = _measured(ts, session, slot, shares, span, np.zeros(len(widths)), logs=True)
    days, day = np.unique(session, return_inverse=True)
    medians = np.array([np.median(x[day == d]) for d in range(len(days))])
    level = _filled(_slot_medians(x - medians[day], slot, len(widths))) + np.median(medians)
    _, residual = _measured(ts, session, slot, shares, span, level)
    order = np.argsort(slot, kind="stable")
    starts = np.searchsorted(slot[order], np.arange(len(widths) + 1))
    ends = np.cumsum(widths)
    reach = POOL_MS // span
    first = np.searchsorted(ends, ends - widths - reach, side="right")
    last = np.searchsorted(ends - widths, ends - 1 + reach, side="right")
    typical = _filled(_pooled_medians(np.abs(residual[order]), starts, first, last))
    return level, 1.4826 * typical * np.sqrt(1.0 + np.pi / (2.0 * len(days)))


def _measured(ts, session, slot, shares, span, level, logs=False):
    """(ln RVOL, residual of the day's level) of every bar, by the rule's own kernel."""
    n = len(ts)
    recent, rvol, z = np.empty(n), np.empty(n), np.empty(n)
    zero, end, one = np.zeros(1, np.int64), np.full(1, n), np.ones((1, len(level)))
    measure_volume(
        VolumeBars(ts, session, np.ones(n, dtype=bool), slot, shares, np.zeros(n, np.int32)),
        level[None],
        one,
        Segments(zero, zero, zero, zero, end, end),
        np.full(1, span),
        VolumeMemory(*(np.zeros(1, dtype) for dtype in RobustAbnormalVolume.memory.values())),
        recent,
        rvol,
        z,
    )
    return np.log1p(recent) if logs else None, z


def _filled(values):
    """NaN replaced from the neighbours on both sides."""
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), known, values[known])


@njit(cache=True)
def _slot_medians(values, slot, count):
    """Median per slot; NaN where it has no bar."""
    order = np.argsort(slot, kind="mergesort")
    out, start = np.full(count, np.nan), 0
    for s in range(count):
        end = start
        while end < len(order) and slot[order[end]] == s:
            end += 1
        if end > start:
            out[s] = np.median(values[order[start:end]])
        start = end
    return out


@njit(cache=True)
def _pooled_medians(values, starts, first, last):
    """Median of the values of slots [first, last) around each slot; NaN where they have none."""
    out = np.full(len(first), np.nan)
    for s in range(len(first)):
        lo, hi = starts[first[s]], starts[last[s]]
        if hi > lo:
            out[s] = np.median(values[lo:hi])
    return out


def log_returns(session, close):
    """Compute ln(close / previous close) of each bar; NaN on a session's first."""
    out = np.full(len(close), np.nan)
    out[1:] = np.where(session[1:] == session[:-1], np.log(close[1:] / close[:-1]), np.nan)
    return out


def return_factors(values, session, slot, widths):
    """Estimate the usual absolute return per slot as a multiple of the day's, mean 1 over a session.

    1 everywhere when no return is other than 0.

    A slot is smoothed with its two neighbours, and one return counts at most five times its day's mean.
    """
    known = ~np.isnan(values)
    size, day = np.abs(values[known]), np.unique(session[known], return_inverse=True)[1]
    mean = np.bincount(day, weights=size) / np.maximum(np.bincount(day), 1) if len(size) else np.zeros(0)
    moved = mean[day] > 0
    if not moved.any():
        return np.ones(len(widths))
    relative = np.minimum(size[moved] / mean[day][moved], LARGEST)
    slots, ones, three = slot[known][moved], np.ones(int(moved.sum())), np.ones(min(3, len(widths)))
    sums = (np.bincount(slots, weights=weights, minlength=len(widths)) for weights in (relative, ones))
    total, count = (np.convolve(one, three, "same") for one in sums)
    factor = _filled(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    factor = np.maximum(factor / np.average(factor, weights=widths), LEAST_FACTOR)
    return factor / np.average(factor, weights=widths)


def volatility_quantiles(deseasonalised):
    """Compute the firing and the clearing quantile of the deviation (ddof 1) of 20 consecutive returns of one session.

    A session's first return is NaN, so no deviation reaches into another session. Both 0 when no session has 20
    returns: not applicable.
    """
    if len(deseasonalised) <= RETURNS:
        return 0.0, 0.0
    windows = np.lib.stride_tricks.sliding_window_view(deseasonalised, RETURNS)
    deviations = np.std(windows, axis=1, ddof=1)
    deviations = deviations[~np.isnan(deviations)]
    if not len(deviations):
        return 0.0, 0.0
    fire, clear = np.quantile(deviations, (FIRE, CLEAR))
    return float(fire), float(clear)


def mean_range(session, high, low, close, count):
    """Average over the latest ``count`` sessions of (true range / close), as a fraction; prices of one basis."""
    starts = np.flatnonzero(np.diff(session, prepend=session[0] - 1))
    top, bottom = np.maximum.reduceat(high, starts), np.minimum.reduceat(low, starts)
    closes = close[np.append(starts[1:], len(close)) - 1]
    top[1:], bottom[1:] = np.maximum(top[1:], closes[:-1]), np.minimum(bottom[1:], closes[:-1])
    return float(np.mean(((top - bottom) / closes)[-count:]))
