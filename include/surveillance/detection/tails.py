"""Tails: how often the sessions of a symbol reach a score.

The score of a rule at a bar is what it holds against its threshold. Of each session the greatest score counts, because
a budget is of alerts, not of bars. How many sessions reached which score is kept in bins, for all sessions ever, so
that what one session adds is one count; from them and from those of like symbols come the return levels: the scores
that are exceeded once in 4, 8, 16, ... sessions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LOWEST, STEP, BINS = 0.05, 1.04, 256
"""Bin 0 holds sessions whose greatest score was below LOWEST; bin b > 0 begins at LOWEST x STEP^(b - 1)."""
PERIODS = 2.0 ** np.arange(2, 13)
"""Sessions between two that exceed a return level."""
POOL_WEIGHT = 60.0  # own sessions that those of like symbols weigh as much as
LEAST_POOLED = 30  # sessions of a bucket from which on it is a pool of its own
LEAST_SESSIONS = 30  # from which on they say anything; until then the rule's own idea of what is rare counts
PRIOR_PERIOD, PRIOR_SHAPE = 32.0, 0.2  # of that idea: a score that is exceeded once in so many sessions, and its tail
EMPIRICAL = 10  # sessions that reached a score, from which on their share is taken as it is
LEAST_SHAPE, LARGEST_SHAPE = 0.02, 0.7  # of the Pareto tail beyond

_LOG_STEP = float(np.log(STEP))
_EDGES = LOWEST * STEP ** (np.arange(BINS) - 1.0)


@njit(cache=True)
def bin_of(score):
    """Return the bin of a session's greatest score."""
    if score < LOWEST:
        return 0
    return min(int(np.log(score / LOWEST) / _LOG_STEP) + 1, BINS - 1)


@njit(cache=True)
def estimate_levels(own, pool, prior, out):
    """Write the return levels of one tail.

    The share of sessions beyond a score is that of the symbol's own sessions, with those of the pool counted as
    ``POOL_WEIGHT`` more of them. Where fewer than ``EMPIRICAL`` sessions reached a score, the tail goes on as a
    generalised Pareto distribution with its shape from Hill's estimator: the mean of ln(score / u) over the sessions
    beyond u, the score that just so many have reached. Where fewer than ``LEAST_SESSIONS`` are known, or none of them
    reached ``LOWEST``, it is the tail of ``prior``.

    Args:
        own: sessions of the symbol per bin.
        pool: sessions of all symbols like it per bin, its own among them.
        prior: the score that is exceeded once in ``PRIOR_PERIOD`` sessions, as long as they say nothing.
        out: written, one score for each of ``PERIODS``, rising.
    """
    sessions, pooled = own.sum(), pool.sum()
    if max(sessions, pooled) < LEAST_SESSIONS:
        out[:] = prior * (PERIODS / PRIOR_PERIOD) ** PRIOR_SHAPE
        return
    weight = POOL_WEIGHT if pooled > 0 else 0.0
    total, each = sessions + weight, weight / max(1.0, pooled)
    beyond, count, logs, period = 0.0, 0.0, 0.0, len(PERIODS) - 1
    # From the top down: the share beyond each bin's lower edge.
    u, share, shape, lowest = 0.0, 0.0, 0.0, 0
    for b in range(BINS - 1, 0, -1):
        raw = max(own[b], pool[b])
        if raw == 0:
            continue
        mass, edge, lowest = (own[b] + each * pool[b]) / total, _EDGES[b], b
        if u > 0.0:
            while period >= 0 and 1.0 / PERIODS[period] <= beyond + mass:
                within = (1.0 / PERIODS[period] - beyond) / mass
                out[period] = edge * STEP ** (1.0 - within)
                period -= 1
        beyond, count = beyond + mass, count + raw
        logs += mass * (b - 0.5) * _LOG_STEP
        if u == 0.0 and count >= EMPIRICAL:
            u, share = edge, beyond
            shape = min(max(logs / beyond - (b - 1) * _LOG_STEP, LEAST_SHAPE), LARGEST_SHAPE)
            while period >= 0 and 1.0 / PERIODS[period] <= share:
                out[period] = u * (share * PERIODS[period]) ** shape
                period -= 1
    if u == 0.0:
        # Too few for a shape: a heavy one, from the least that was reached.
        for k in range(len(PERIODS)):
            few = _EDGES[lowest] * max(1.0, beyond * PERIODS[k]) ** LARGEST_SHAPE
            out[k] = few if lowest else prior * (PERIODS[k] / PRIOR_PERIOD) ** PRIOR_SHAPE
        return
    # So many sessions did not reach LOWEST.
    for left in range(period + 1):
        out[left] = LOWEST
    for k in range(1, len(PERIODS)):
        out[k] = max(out[k], out[k - 1])


@njit(cache=True)
def level_at(levels, period):
    """Return the score that is exceeded once in ``period`` sessions; NaN where no tail is known.

    Levels are interpolated in the logarithms of both; those beyond the last one go on with its slope.
    """
    if levels[0] != levels[0]:
        return np.nan
    if period <= 1.0:
        return 0.0
    if period == np.inf:
        return np.inf
    place = np.log2(period) - 2.0
    k = min(max(int(place), 0), len(levels) - 2)
    low, high = np.log(levels[k]), np.log(levels[k + 1])
    return np.exp(low + (high - low) * (place - k))


@njit(cache=True)
def period_of(levels, score):
    """Return once in how many sessions a score is exceeded, from 1 to the last of ``PERIODS``; NaN: not known."""
    if levels[0] != levels[0] or score != score:
        return np.nan
    if score <= 0.0:
        return 1.0
    for k in range(1, len(levels)):
        if score <= levels[k]:
            low, high = np.log(levels[k - 1]), np.log(levels[k])
            within = (np.log(score) - low) / (high - low) if high > low else 0.0
            return max(1.0, PERIODS[k - 1] * 2.0**within)
    return PERIODS[-1]


def tail_numbers(rule: int, regular: np.ndarray) -> np.ndarray:
    """Return per bar the number of a rule's tail: each rule has one of the session, one of the hours around."""
    return 2 * rule + (~regular).astype(np.int64)


@njit(cache=True)
def find_levels(levels, tail, period):
    """Return of each profile the score that a tail exceeds once in ``period`` sessions; NaN where it knows no tails."""
    out = np.empty(len(levels))
    for p in range(len(levels)):
        out[p] = level_at(levels[p, tail], period)
    return out


@njit(cache=True)
def find_periods(levels, profile, tail, score):
    """Return once in how many sessions each score is exceeded, in the tail of its profile; -1 is no profile."""
    out = np.full(len(score), np.nan)
    for i in range(len(score)):
        if profile[i] >= 0:
            out[i] = period_of(levels[profile[i], tail[i]], score[i])
    return out


@njit(cache=True)
def session_maxima(start, end, session, regular, score, row, out):
    """Write the greatest score of each series' sessions.

    Args:
        start, end: of the bars of each series.
        session, regular, score: per bar; NaN is not judged.
        row: the row of ``out`` of each bar's series and session; -1 for none.
        out: [row, part], part 0 the regular session, 1 the hours around it; NaN where no bar was judged.
    """
    for s in range(len(start)):
        for i in range(start[s], end[s]):
            if row[i] >= 0 and score[i] == score[i]:
                part = 0 if regular[i] else 1
                if not out[row[i], part] >= score[i]:
                    out[row[i], part] = score[i]


@njit(cache=True)
def count_scores(earlier, maxima):
    """Return the sessions per bin, [tail, bin], that ``earlier`` has together with those of ``maxima``."""
    counts = earlier.copy()
    for at in range(len(maxima)):
        for t in range(len(counts)):
            if maxima[at, t] == maxima[at, t]:
                counts[t, bin_of(maxima[at, t])] += 1
    return counts


@njit(cache=True)
def carry_levels(
    code, moment, bucket, prior, maxima_code, maxima_moment, maxima_bucket, maxima, own, pool, moments, levels
):  # fmt: skip
    """Carry tails forward and write the return levels with which each profile begins to hold.

    Args:
        code, moment, bucket: of each profile, sorted by moment: its series, the moment from which it holds, and its
            liquidity.
        prior: of each profile's timespan, [profile, tail], see ``estimate_levels``.
        maxima_code, maxima_moment, maxima_bucket: of each session of a series, sorted by moment: the first moment
            that knows it.
        maxima: [session, tail], NaN where it was not judged.
        own: sessions so far, [series, tail, bin]; carried on.
        pool: the same of each bucket and, last, of all together, [bucket, tail, bin]; carried on.
        moments: how many there are.
        levels: written, [profile, tail, period].
    """
    at, p = 0, 0
    tails = maxima.shape[1]
    for m in range(moments):
        while at < len(maxima_moment) and maxima_moment[at] <= m:
            for t in range(tails):
                if maxima[at, t] == maxima[at, t]:
                    b = bin_of(maxima[at, t])
                    own[maxima_code[at], t, b] += 1
                    pool[maxima_bucket[at], t, b] += 1
                    pool[pool.shape[0] - 1, t, b] += 1
            at += 1
        while p < len(moment) and moment[p] == m:
            for t in range(tails):
                known = pool[bucket[p], t]
                if known.sum() < LEAST_POOLED:
                    known = pool[pool.shape[0] - 1, t]
                estimate_levels(own[code[p], t], known, prior[p, t], levels[p, t])
            p += 1
