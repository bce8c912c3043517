"""Statistics over a window of present bars, for every bar of every series at once.

All take bars sorted by series and time, and ``Segments``. A window that would reach before its segment's start
gives NaN: too short, never a guess; so do bars before ``evaluate_from``. Each value depends on the bars of its own
window alone, in one fixed order of operations, so it has the same bits in whatever batches the bars come.

The inner loops run over neighbouring bars, not over the window: the compiler turns them into vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 256


@njit(cache=True)
def log_returns(close, segments, out):
    """Write ln(close / previous close); NaN on a segment's first bar."""
    for s in range(len(segments.start)):
        start, end = segments.start[s], segments.end[s]
        out[start : min(start + 1, end)] = np.nan
        for i in range(start + 1, end):
            out[i] = np.log(close[i] / close[i - 1])


@njit(cache=True)
def means_before(values, segments, window, out):
    """Write the mean of the ``window`` values before each bar."""
    total = np.empty(BLOCK)
    for s in range(len(segments.start)):
        start, end = segments.start[s], segments.end[s]
        first = max(segments.evaluate_from[s], start + window)
        out[start : min(first, end)] = np.nan
        for base in range(first, end, BLOCK):
            n = min(BLOCK, end - base)
            total[:n] = 0.0
            for back in range(window, 0, -1):
                earlier = values[base - back : base - back + n]
                for t in range(n):
                    total[t] += earlier[t]
            for t in range(n):
                out[base + t] = total[t] / window


@njit(cache=True)
def extremes_before(high, low, segments, window, highest, lowest):
    """Write the highest high and the lowest low of the ``window`` bars before each bar."""
    for s in range(len(segments.start)):
        start, end = segments.start[s], segments.end[s]
        first = max(segments.evaluate_from[s], start + window)
        highest[start : min(first, end)] = np.nan
        lowest[start : min(first, end)] = np.nan
        for base in range(first, end, BLOCK):
            n = min(BLOCK, end - base)
            _extremes(high[base - window : base + n], 1.0, window, highest[base : base + n])
            _extremes(low[base - window : base + n], -1.0, window, lowest[base : base + n])


@njit(cache=True)
def _extremes(values, sign, window, out):
    """Highest of each ``window`` values; with a sign of -1, lowest."""
    # Widths double: the extremes of 16 bars are those of 8 and of the 8 after them. Two loops of one kind each are
    # what the compiler turns into vector instructions.
    best, width = sign * values, 1
    while 2 * width <= window:
        for t in range(len(values) - 2 * width + 1):
            best[t] = max(best[t + width], best[t])
        width *= 2
    for t in range(len(out)):
        out[t] = sign * max(best[t + window - width], best[t])


@njit(cache=True, inline="always")
def _product(a, b):
    """Return a * b, and what rounding took from it (Dekker 1971)."""
    product = a * b
    split = 134217729.0 * a
    a_high = split - (split - a)
    a_low = a - a_high
    split = 134217729.0 * b
    b_high = split - (split - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(cache=True)
def deviations(values, segments, window, out):
    """Write the standard deviation (ddof 1) of the last ``window`` values, the bar's own included; NaN if one is NaN.

    Sums carry what rounding takes from them along, so they are right to the last bit in almost every case: the same
    values in another order give the same deviation, and a strict comparison of two such windows is not decided by
    rounding.
    """
    total, total_rest = np.empty(BLOCK), np.empty(BLOCK)
    squares, squares_rest = np.empty(BLOCK), np.empty(BLOCK)
    square, square_rest = np.empty(BLOCK + window), np.empty(BLOCK + window)
    for s in range(len(segments.start)):
        start, end = segments.start[s], segments.end[s]
        first = max(segments.evaluate_from[s], start + window)
        out[start : min(first, end)] = np.nan
        for base in range(first, end, BLOCK):
            n = min(BLOCK, end - base)
            for array in (total, total_rest, squares, squares_rest):
                array[:n] = 0.0
            oldest = base - window + 1
            for t in range(n + window - 1):
                square[t], square_rest[t] = _product(values[oldest + t], values[oldest + t])
            for j in range(window):
                for t in range(n):
                    value = values[oldest + j + t]
                    new = total[t] + value
                    part = new - total[t]
                    total_rest[t] += (total[t] - (new - part)) + (value - part)
                    total[t] = new
                for t in range(n):
                    value = square[j + t]
                    new = squares[t] + value
                    part = new - squares[t]
                    squares_rest[t] += ((squares[t] - (new - part)) + (value - part)) + square_rest[j + t]
                    squares[t] = new
            for t in range(n):
                mean_square, mean_square_rest = _product(squares[t], np.float64(window))
                squared, squared_rest = _product(total[t], total[t])
                rest = (mean_square_rest + squares_rest[t] * window) - (squared_rest + 2.0 * total[t] * total_rest[t])
                apart = (mean_square - squared) + rest
                # Below what the sums can tell from zero, the values are all the same.
                apart = 0.0 if apart < 1e-29 * mean_square else apart
                out[base + t] = np.sqrt(apart / (window * (window - 1.0)))


@njit(cache=True)
def true_ranges_before(high, low, close, segments, window, out):
    """Write the mean true range of the ``window`` bars before each bar."""
    for s in range(len(segments.start)):
        start, end = segments.start[s], segments.end[s]
        first = max(segments.evaluate_from[s], start + window + 1)
        out[start : min(first, end)] = np.nan
        for i in range(first, end):
            total = 0.0
            for j in range(i - window, i):
                total += max(high[j], close[j - 1]) - min(low[j], close[j - 1])
            out[i] = total / window


@njit(cache=True)
def forget_across(date, segments, window, out):
    """Write NaN where the window reaches into another date."""
    for s in range(len(segments.start)):
        for i in range(segments.evaluate_from[s], segments.end[s]):
            if out[i] == out[i] and date[i - window] != date[i]:
                out[i] = np.nan
