"""The statistics of a profile: kernels over the bars of one series in the sessions that it is built from.

Bars are sorted by time; those of the regular session and those around it come apart. A kernel allocates little: a year
of day bars has a profile for each of its bars.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from include.surveillance.detection.positions import CLOSING, POST, PRE
from include.surveillance.detection.profile_columns import ENOUGH
from include.surveillance.detection.rules.robust.abnormal_volume import WINDOW_MS, measure_residuals
from include.surveillance.timespans import MINUTE_MS

POOL_MS = 60 * MINUTE_MS  # how far around a slot its dispersion is taken from
RETURNS = 20  # of a standard deviation
FIRE, CLEAR = 0.995, 0.8  # quantiles of the deviation of returns
LARGEST = 5.0  # times the day's mean absolute return that one return counts at most
LEAST_FACTOR = 0.1  # a slot without any move must not make the first move infinite
AROUND = 1.5  # times its quantile that volatility is allowed around the session, where days differ much more
LEAST_SCALED = 1e-3  # of a scaled factor: a profile has four decimals
LEAST_SESSIONS, LEAST_SHARE = 3, 0.5  # with a trade in a slot around the session; with fewer nothing is usual there
FEW = 64  # values that are sorted faster by comparing them
VANISHING = 1e-9  # a rolling variance below this share of what it was made of is rounding


def pool_slots(widths: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first slot of the hour before each slot, and the one behind the hour after it.

    Args:
        widths: spans per slot of the regular session.
        span: of the bars, in ms.
    """
    ends, reach = np.cumsum(widths), POOL_MS // span
    first = np.searchsorted(ends, ends - widths - reach, side="right")
    return first, np.searchsorted(ends - widths, ends - 1 + reach, side="right")


@njit(cache=True)
def estimate_volume(ts, session, slot, x, span, widths, first, last):
    """Estimate the usual level and dispersion of ln(1 + shares of the last five minutes), per slot.

    The level is the median over the slot's bars of all sessions, each taken less its session's median: with few
    sessions, a busy one would otherwise shift the slots in which it lies in the middle. The dispersion is that of what
    the rule itself would leave unexplained, 1.4826 x median absolute residual within an hour around the slot, widened
    for how uncertain a median of so few sessions is (its variance is pi / 2n of theirs).

    Fewer than ``ENOUGH`` sessions cannot say how much they differ: the residual of one from itself is 0. Instead of
    residuals there are then steps from one five minutes to the next, see ``measure_steps``, and of a slot around which
    the hour has no bar nothing is known: it is NaN.

    Args:
        ts, session, slot, x: one per bar of the regular session.
        span: of the bars, in ms.
        widths: spans per slot.
        first, last: as ``pool_slots`` gives them.

    Returns:
        Two arrays of ``len(widths)``; the dispersion is 0 where all bars are as usual.
    """
    n, slots = len(ts), len(widths)
    starts, order = group_by_slot(slot, 0, slots)
    relative, medians, days, begin = np.empty(n), np.empty(n), 0, 0
    for i in range(1, n + 1):
        if i == n or session[i] != session[begin]:
            medians[days] = _median(x[begin:i])
            for k in range(begin, i):
                relative[k] = x[k] - medians[days]
            days, begin = days + 1, i
    level, grouped = np.empty(slots), relative[order]
    for k in range(slots):
        level[k] = _median(grouped[starts[k] : starts[k + 1]]) if starts[k + 1] > starts[k] else np.nan
    fill_gaps(level)
    level += _median(medians[:days])
    above, residual = np.empty(n), np.empty(n)
    if days < ENOUGH:
        measure_steps(ts, x, residual)
    else:
        for i in range(n):
            above[i] = x[i] - level[slot[i]]
        measure_residuals(ts, session, above, span, residual)
    typical = pooled_medians(np.abs(residual[order]), starts, first, last)
    if days < ENOUGH:
        level[np.isnan(typical)] = np.nan
    else:
        fill_gaps(typical)
    return level, 1.4826 * typical * widen(days)


@njit(cache=True)
def widen(sessions):
    """Return how many times as wide the next session spreads around the median of so many as sessions do."""
    return np.sqrt(1.0 + np.pi / (2.0 * sessions))


@njit(cache=True)
def measure_steps(ts, x, out):
    """Write how far x is from that of the latest bar before that shares no minute with it, by the root of 2.

    Both vary alike, so that the difference has twice the variance of one. Of a bar with none before it is the first
    one after; 0 where there is none.
    """
    n, before, after = len(ts), -1, 0
    for i in range(n):
        while ts[before + 1] <= ts[i] - WINDOW_MS:
            before += 1
        while after < n and ts[after] < ts[i] + WINDOW_MS:
            after += 1
        other = before if before >= 0 else after if after < n else i
        out[i] = (x[i] - x[other]) / np.sqrt(2.0)


@njit(cache=True)
def estimate_edges(  # noqa: C901 - one kernel over the slots, whose parts share what they know of them
    session, slot, x, close, layout, sessions, fire_regular, level, scale, scaled
):  # fmt: skip
    """Write what is usual in each slot around the session, in the order of the slots.

    Many days have no trade there. A slot in which fewer than three sessions, or fewer than half of them, have a bar is
    not applicable: nothing is usual in it, and its values stay NaN. In the others the level is the median over the
    sessions of each one's median x, so that a day of news, which has the most bars, counts once. The day has no level
    of its own here: how much days differ is part of the dispersion.

    Args:
        session, slot, x, close: one per bar that is not of the session.
        layout: ``Slots``.
        sessions: how many the profile is built from.
        fire_regular: the firing quantile of the session's deviations.
        level, scale: written: as ``estimate_volume`` has them.
        scaled: written: the usual size of a return, such that the session's limit is 1.5 times the firing quantile of
            the part of the day; NaN where prices never moved, there or in the session.
    """
    regular, group_ms = layout.regular, layout.group_ms
    count, n = layout.total - regular, len(slot)
    starts, order = group_by_slot(slot, regular, count)
    seen, medians = np.zeros(count), np.empty(max(1, n))
    for k in range(count):
        days, begin = 0, starts[k]
        for i in range(starts[k] + 1, starts[k + 1] + 1):
            if i == starts[k + 1] or session[order[i]] != session[order[begin]]:
                medians[days] = _median(x[order[begin:i]])
                days, begin = days + 1, i
        seen[k] = days
        if days >= max(LEAST_SESSIONS, LEAST_SHARE * sessions):
            level[k] = _median(medians[:days])
    returns = np.full(n, np.nan)
    for i in range(1, n):
        if session[i] == session[i - 1] and _part(slot[i], layout) == _part(slot[i - 1], layout):
            returns[i] = np.log(close[i] / close[i - 1])
    # Residuals grouped by slot, without those of slots that are not applicable.
    known, kept = np.zeros(count + 1, np.int64), np.empty(n)
    for k in range(count):
        known[k + 1] = known[k]
        if level[k] == level[k]:
            for i in order[starts[k] : starts[k + 1]]:
                kept[known[k + 1]] = abs(x[i] - level[k])
                known[k + 1] += 1
    reach = max(1, POOL_MS // group_ms)
    edges = (layout.pre - regular, layout.closing - regular, layout.post - regular, count)
    first, last = np.empty(count, np.int64), np.empty(count, np.int64)
    for part in range(3):
        for k in range(edges[part], edges[part + 1]):
            first[k], last[k] = max(edges[part], k - reach), min(edges[part + 1], k + reach + 1)
    typical = pooled_medians(kept[: known[count]], known, first, last)
    for part in range(3):
        for k in range(edges[part], edges[part + 1]):
            if level[k] != level[k]:
                continue
            scale[k] = 1.4826 * typical[k] * widen(seen[k])
            total, sizes = 0.0, 0
            for i in order[starts[max(edges[part], k - 1)] : starts[min(edges[part + 1], k + 2)]]:
                if returns[i] == returns[i]:
                    total, sizes = total + abs(returns[i]), sizes + 1
            scaled[k] = total / sizes if total > 0 else np.nan
        within, m = np.empty(n), 0
        for i in range(n):
            k = slot[i] - regular
            if edges[part] <= k < edges[part + 1]:
                within[m] = returns[i] / scaled[k]
                m += 1
        fire, _ = volatility_quantiles(within[:m])
        for k in range(edges[part], edges[part + 1]):
            # In the session's unit: its limit is the session's quantile.
            usual = AROUND * scaled[k] * fire / fire_regular if fire > 0 and fire_regular > 0 else np.nan
            scaled[k] = usual if usual >= LEAST_SCALED else np.nan


@njit(cache=True)
def _part(slot, layout):
    return PRE if slot < layout.closing else CLOSING if slot < layout.post else POST


@njit(cache=True)
def fill_gaps(values):
    """Replace NaN from the neighbours on both sides, in place; there must be one other value."""
    n, before = len(values), -1
    for i in range(n):
        if values[i] != values[i]:
            continue
        if before < 0:
            values[:i] = values[i]
        else:
            slope = (values[i] - values[before]) / (i - before)
            for k in range(before + 1, i):
                values[k] = values[before] + slope * (k - before)
        before = i
    values[before + 1 :] = values[before]


@njit(cache=True)
def group_by_slot(slot, first, count):
    """Return where each of ``count`` slots from ``first`` on begins in the order that brings its bars together."""
    starts, order = np.zeros(count + 1, np.int64), np.empty(len(slot), np.int64)
    for k in slot:
        starts[k - first + 1] += 1
    for k in range(count):
        starts[k + 1] += starts[k]
    at = starts[:count].copy()
    for i in range(len(slot)):
        k = slot[i] - first
        order[at[k]] = i
        at[k] += 1
    return starts, order


@njit(cache=True)
def _median(values):
    """Median of at least one value; ``values`` is left as it is."""
    n = len(values)
    if n == 1:
        return values[0]
    if n <= FEW:
        ordered = values.copy()
        for i in range(1, n):
            value, k = ordered[i], i
            while k > 0 and ordered[k - 1] > value:
                ordered[k] = ordered[k - 1]
                k -= 1
            ordered[k] = value
        return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0
    return np.median(values)


@njit(cache=True)
def sort_sizes(values):
    """Return the order that sorts values of 0 and more, to single precision."""
    n = len(values)
    if n <= FEW:
        return np.argsort(values)
    keys = values.astype(np.float32).view(np.uint32)
    order, other = np.arange(n), np.empty(n, np.int64)
    for shift in (0, 11, 22):
        at = np.zeros(2049, np.int64)
        for key in keys:
            at[((key >> np.uint32(shift)) & np.uint32(2047)) + 1] += 1
        for k in range(2048):
            at[k + 1] += at[k]
        for i in order:
            digit = (keys[i] >> np.uint32(shift)) & np.uint32(2047)
            other[at[digit]] = i
            at[digit] += 1
        order, other = other, order
    return order


@njit(cache=True)
def pooled_medians(values, starts, first, last):
    """Median of the values, 0 and more, of slots [first, last) around each slot; NaN where they have none.

    Args:
        values: grouped by slot.
        starts: where each slot's values begin.
        first, last: neither falls from one slot to the next.
    """
    n, out = len(values), np.full(len(first), np.nan)
    order = sort_sizes(values)
    rank = np.empty(n, np.int64)
    for r in range(n):
        rank[order[r]] = r
    held, below, at = np.zeros(n + 1, np.bool_), 0, 0  # held values with a rank below ``at``
    lo = hi = np.int64(0)
    for s in range(len(first)):
        for i in range(hi, starts[last[s]]):
            held[rank[i]] = True
            below += rank[i] < at
        hi = max(hi, starts[last[s]])
        for i in range(lo, starts[first[s]]):
            held[rank[i]] = False
            below -= rank[i] < at
        lo = max(lo, starts[first[s]])
        if hi <= lo:
            continue
        middle = (hi - lo - 1) // 2
        while below > middle:
            at -= 1
            below -= held[at]
        while below < middle or not held[at]:
            below += held[at]
            at += 1
        upper = at
        if (hi - lo) % 2 == 0:
            upper += 1
            while not held[upper]:
                upper += 1
        out[s] = (values[order[at]] + values[order[upper]]) / 2.0
    return out


@njit(cache=True)
def log_returns(session, close):
    """Compute ln(close / previous close) of each bar; NaN on a session's first."""
    out = np.full(len(close), np.nan)
    for i in range(1, len(close)):
        if session[i] == session[i - 1]:
            out[i] = np.log(close[i] / close[i - 1])
    return out


@njit(cache=True)
def return_factors(values, session, slot, widths):
    """Estimate the usual absolute return per slot as a multiple of the day's, mean 1 over a session.

    1 everywhere when no return is other than 0.

    A slot is smoothed with its two neighbours, and one return counts at most five times its day's mean.
    """
    n, slots = len(values), len(widths)
    total, count, begin, moved = np.zeros(slots), np.zeros(slots), 0, False
    for i in range(1, n + 1):
        if i < n and session[i] == session[begin]:
            continue
        size, known = 0.0, 0
        for k in range(begin, i):
            if values[k] == values[k]:
                size, known = size + abs(values[k]), known + 1
        if size > 0:
            mean, moved = size / known, True
            for k in range(begin, i):
                if values[k] == values[k]:
                    total[slot[k]] += min(abs(values[k]) / mean, LARGEST)
                    count[slot[k]] += 1
        begin = i
    if not moved:
        return np.ones(slots)
    factor = np.full(slots, np.nan)
    for k in range(slots):
        sums, counts = 0.0, 0.0
        for near in range(max(0, k - 1), min(slots, k + 2)):
            sums, counts = sums + total[near], counts + count[near]
        if counts > 0:
            factor[k] = sums / counts
    fill_gaps(factor)
    weight = widths.sum()
    factor = np.maximum(factor / ((factor * widths).sum() / weight), LEAST_FACTOR)
    return factor / ((factor * widths).sum() / weight)


@njit(cache=True)
def volatility_quantiles(deseasonalised):
    """Compute the firing and the clearing quantile of the deviation (ddof 1) of 20 consecutive returns of one session.

    A session's first return is NaN, so no deviation reaches into another session. Both 0 when no session has 20
    returns: not applicable.
    """
    n, found, run, total, squares, peak = len(deseasonalised), 0, 0, 0.0, 0.0, 0.0
    variances = np.empty(n)
    for i in range(n):
        value = deseasonalised[i]
        if value != value:
            run, total, squares, peak = 0, 0.0, 0.0, 0.0
            continue
        run, total, squares = run + 1, total + value, squares + value * value
        peak = max(peak, squares)
        if run > RETURNS:
            gone = deseasonalised[i - RETURNS]
            total, squares = total - gone, squares - gone * gone
        if run >= RETURNS:
            variance = squares - total * total / RETURNS
            if variance < VANISHING * peak:
                mean, variance = total / RETURNS, 0.0
                for k in range(i - RETURNS + 1, i + 1):
                    variance += (deseasonalised[k] - mean) ** 2
            variances[found] = variance / (RETURNS - 1)
            found += 1
    if not found:
        return 0.0, 0.0
    variances = variances[:found]
    order = sort_sizes(variances)
    return _quantile(variances, order, FIRE), _quantile(variances, order, CLEAR)


@njit(cache=True)
def _quantile(variances, order, share):
    """Quantile of the deviations, with linear interpolation between neighbours."""
    place = share * (len(order) - 1)
    at = int(place)
    low, high = np.sqrt(variances[order[at]]), np.sqrt(variances[order[min(at + 1, len(order) - 1)]])
    return low + (high - low) * (place - at)


@njit(cache=True)
def mean_range(session, high, low, close, count):
    """Average over the latest ``count`` sessions of (true range / close), as a fraction; prices of one basis."""
    n, total, begin, days = len(close), 0.0, 0, 1
    for i in range(1, n):
        days += session[i] != session[i - 1]
    left = days
    for i in range(1, n + 1):
        if i < n and session[i] == session[begin]:
            continue
        if left <= count:
            top, bottom = high[begin], low[begin]
            for k in range(begin + 1, i):
                top, bottom = max(top, high[k]), min(bottom, low[k])
            if begin:
                top, bottom = max(top, close[begin - 1]), min(bottom, close[begin - 1])
            total += (top - bottom) / close[i - 1]
        begin, left = i, left - 1
    return total / min(count, days)
