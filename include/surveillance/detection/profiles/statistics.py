"""The statistics of a profile, for one series: bars of full sessions and of the hours around them, sorted by time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from include.surveillance.detection.logarithms import log, log1p
from include.surveillance.detection.positions import CLOSING, POST, PRE, REGULAR
from include.surveillance.detection.rules.robust.abnormal_volume import (
    RobustAbnormalVolume,
    VolumeBars,
    VolumeMemory,
    measure_volume,
)
from include.surveillance.detection.segments import Segments
from include.surveillance.detection.slots import Slots
from include.surveillance.timespans import MINUTE_MS

POOL_MS = 60 * MINUTE_MS  # how far around a slot its dispersion is taken from
RETURNS = 20  # of a standard deviation
FIRE, CLEAR = 0.995, 0.8  # quantiles of the deviation of returns
LARGEST = 5.0  # times the day's mean absolute return that one return counts at most
LEAST_FACTOR = 0.1  # a slot without any move must not make the first move infinite
AROUND = 1.5  # times its quantile that volatility is allowed around the session, where days differ much more
LEAST_SCALED = 1e-3  # of a scaled factor: a profile has four decimals
LEAST_SESSIONS, LEAST_SHARE = 3, 0.5  # with a trade in a slot around the session; with fewer nothing is usual there


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
    phase = np.full(len(ts), REGULAR, np.uint8)
    x, _ = _measured(ts, session, phase, slot, shares, span, np.zeros(len(widths)))
    days, day = np.unique(session, return_inverse=True)
    medians = np.array([np.median(x[day == d]) for d in range(len(days))])
    level = _filled(_slot_medians(x - medians[day], slot, len(widths))) + np.median(medians)
    _, residual = _measured(ts, session, phase, slot, shares, span, level)
    order = np.argsort(slot, kind="stable")
    starts = np.searchsorted(slot[order], np.arange(len(widths) + 1))
    ends = np.cumsum(widths)
    reach = POOL_MS // span
    first = np.searchsorted(ends, ends - widths - reach, side="right")
    last = np.searchsorted(ends - widths, ends - 1 + reach, side="right")
    typical = _filled(_pooled_medians(np.abs(residual[order]), starts, first, last))
    return level, 1.4826 * typical * np.sqrt(1.0 + np.pi / (2.0 * len(days)))


def _measured(ts, session, phase, slot, shares, span, level):
    """(x, residual less the day's level) of every bar, by the rule's own kernel."""
    n = len(ts)
    recent, rvol, z = np.empty(n), np.empty(n), np.empty(n)
    zero, end, one = np.zeros(1, np.int64), np.full(1, n), np.ones((1, len(level)))
    measure_volume(
        VolumeBars(ts, session, phase, phase == REGULAR, slot, shares, np.zeros(n, np.int32)),
        level[None],
        one,
        Segments(zero, zero, zero, zero, end, end),
        np.full(1, span),
        VolumeMemory(*(np.zeros(1, dtype) for dtype in RobustAbnormalVolume.memory.values())),
        recent,
        rvol,
        z,
    )
    return log1p(recent), z


class Edges(NamedTuple):
    """What is usual in each slot around the session, in the order of the slots; NaN where not applicable.

    ``level`` and ``scale`` are as ``estimate_volume`` has them. ``factor`` is the usual size of a return, in such a
    unit that the firing quantile of the deviation of returns is 1.
    """

    level: np.ndarray
    scale: np.ndarray
    factor: np.ndarray


def estimate_edges(ts, session, slot, shares, close, span, layout: Slots, sessions: int) -> Edges:
    """Estimate what is usual before and after the session.

    Many days have no trade there. A slot in which fewer than three sessions, or fewer than half of them, have a bar is
    not applicable: nothing is usual in it. In the others the level is the median over the sessions of each one's median
    x, so that a day of news, which has the most bars, counts once. The day has no level of its own here: how much days
    differ is part of the dispersion.

    Args:
        ts, session, slot, shares, close: one per bar that is not of the session.
        sessions: how many the profile is built from.
    """
    count = layout.total - layout.regular
    level, scale, factor = (np.full(count, np.nan) for _ in range(3))
    if not len(ts):
        return Edges(level, scale, factor)
    at, phase = slot - layout.regular, np.where(slot < layout.closing, PRE, np.where(slot < layout.post, CLOSING, POST))
    x, _ = _measured(ts, session, phase.astype(np.uint8), slot, shares, span, np.zeros(layout.total))
    for k in range(count):
        within = at == k
        days = np.unique(session[within])
        if len(days) >= max(LEAST_SESSIONS, LEAST_SHARE * sessions):
            level[k] = np.median([np.median(x[within & (session == day)]) for day in days])
    residual = np.abs(x - level[at])
    returns = np.full(len(ts), np.nan)
    together = (session[1:] == session[:-1]) & (phase[1:] == phase[:-1])
    returns[1:] = np.where(together, log(close[1:] / close[:-1]), np.nan)
    reach = max(1, POOL_MS // layout.group_ms)
    for first, last in ((layout.pre, layout.closing), (layout.closing, layout.post), (layout.post, layout.total)):
        within = (slot >= first) & (slot < last)
        part = slice(first - layout.regular, last - layout.regular)
        for k in (part.start + np.flatnonzero(~np.isnan(level[part]))).tolist():
            near = within & (np.abs(at - k) <= reach) & ~np.isnan(residual)
            seen = len(np.unique(session[within & (at == k)]))
            scale[k] = 1.4826 * np.median(residual[near]) * np.sqrt(1.0 + np.pi / (2.0 * seen))
            sizes = np.abs(returns[within & (np.abs(at - k) <= 1)])
            sizes = sizes[~np.isnan(sizes)]
            factor[k] = np.mean(sizes) if len(sizes) else np.nan
        factor[factor == 0] = np.nan
        fire, _ = volatility_quantiles((returns / factor[at])[within])
        factor[part] *= fire if fire > 0 else np.nan
    return Edges(level, scale, factor)


def scale_factors(factor, fire):
    """Scale the usual sizes of returns around the session so that the session's limit is 1.5 times their own quantile.

    NaN where prices never moved, there or in the session.
    """
    scaled = AROUND * factor / fire if fire > 0 else np.full(len(factor), np.nan)
    return np.where(scaled >= LEAST_SCALED, scaled, np.nan)


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
    out[1:] = np.where(session[1:] == session[:-1], log(close[1:] / close[:-1]), np.nan)
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
