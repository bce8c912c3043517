"""Percentiles of a series' earlier values of one statistic, in two forms; neither depends on batches.

``exact`` keeps every value: the answer is numpy's linear percentile; memory grows with history.

``sketch`` is a DDSketch (Masson, Rim, Lee: DDSketch, VLDB 2019) over a fixed range: bin k counts the values in
(LEAST * gamma^(k-1), LEAST * gamma^k], gamma = 1.01 / 0.99, and answers with the value that is within 1 % of all of
them. Values below LEAST = 1e-8 count as 0, those beyond the last bin (7.6) as 7.6; a standard deviation of one-bar log
returns lies between. So every percentile from 1e-8 to 7.6 is within 1 % of the exact one, in 4 kB per series.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Literal

import numpy as np
from numba import njit

from include.surveillance.detection.segments import Segments

Percentiles = Literal["exact", "sketch"]
RELATIVE_ACCURACY = 0.01
LEAST = 1e-8
BINS = 1024
_GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
_LOG_GAMMA = log(_GAMMA)
VALUES = np.array([0.0, *(LEAST * 2 / (_GAMMA + 1) * _GAMMA**k for k in range(1, BINS))])
"""The value that a bin answers with."""


@dataclass(frozen=True)
class EarlierValues:
    """Holds each series' earlier values of one statistic, up to the last bar that cannot be revised.

    Attributes:
        form: how they are kept.
        bins, counts: the sketch of each row of the state, [row, BINS], and how many values it counts, [row].
        values: the exact form: one array per row of the state, in order of time.
    """

    form: Percentiles
    bins: np.ndarray
    counts: np.ndarray
    values: list[np.ndarray]

    def percentile(self, values: np.ndarray, segments: Segments, percent: float, minimum: int) -> np.ndarray:
        """Return per bar the percentile of its series' strictly earlier values, and remember ``values``.

        Args:
            values: one per bar, NaN where there is none.
            minimum: NaN is returned while earlier values are fewer.
        """
        if self.form == "sketch":
            limits = np.empty(len(values))
            sketched(values, segments, percent, minimum, self.bins, self.counts, limits)
            return limits
        limits = np.full(len(values), np.nan)
        for row, _, first, _, revisable, end in np.transpose(segments).tolist():
            present = first + np.flatnonzero(~np.isnan(values[first:end]))
            answers, known = np.empty(len(present)), self.values[row]
            exact(np.sort(known), values[present], percent, minimum, answers)
            limits[present] = answers
            if len(final := values[present[present < revisable]]):
                self.values[row] = np.concatenate([known, final])
        return limits


@njit(cache=True)
def bin_of(value: float) -> int:
    """Return the bin that counts ``value`` >= 0."""
    if value < LEAST:
        return 0
    return min(max(int(ceil(log(value / LEAST) / _LOG_GAMMA)), 1), BINS - 1)  # noqa: RUF046 - compiled, it is a float


@njit(cache=True)
def sketched(values, segments, percent, minimum, bins, counts, limits):  # noqa: C901 - one walk over the bins
    """Write the percentile of the strictly earlier values at each value; NaN while they are fewer than ``minimum``.

    Args:
        values: one per bar, NaN where there is none.
        segments: see ``Segments``; limits of bars before ``evaluate_from`` are NaN.
        bins, counts: per row of the state, what was counted before ``evaluate_from``; afterwards, before
            ``revisable_from``.
        limits: written, one per bar.
    """
    keys = np.empty(4096, np.int16)
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        own, count = bins[row], counts[row]
        limits[segments.start[s] : first] = np.nan
        # ``key`` is the bin that holds the rank asked for last, ``below`` how many values lie in the bins before it.
        key, below = 0, 0
        if end - revisable > len(keys):
            keys = np.empty(end - revisable, np.int16)
        for i in range(first, end):
            value, limits[i] = values[i], np.nan
            if value == value and count >= minimum:
                position = percent / 100.0 * (count - 1)
                rank = int(position)
                while below > rank:
                    key -= 1
                    below -= own[key]
                while below + own[key] <= rank:
                    below += own[key]
                    key += 1
                lower = VALUES[key]
                upper = lower
                if rank + 1 < count and below + own[key] <= rank + 1:
                    above = key + 1
                    while own[above] == 0:
                        above += 1
                    upper = VALUES[above]
                limits[i] = lower + (upper - lower) * (position - rank)
            added = -1
            if value == value:
                added = bin_of(value)
                own[added] += 1
                count += 1
                below += added < key
            if i >= revisable:
                keys[i - revisable] = added
        # What may still be revised is not remembered.
        for i in range(revisable, end):
            if keys[i - revisable] >= 0:
                own[keys[i - revisable]] -= 1
                count -= 1
        counts[row] = count


@njit(cache=True)
def exact(settled, values, percent, minimum, limits):
    """Write the percentile of ``settled`` (sorted) and the strictly earlier ``values``, at each of them.

    Two heaps: all values up to the rank asked for, greatest first, and the others, least first.
    """
    count = len(settled)
    position = percent / 100.0 * (count - 1)
    # A sorted array is a heap.
    low = np.empty(count + len(values) + 1)
    high = np.empty(count + len(values) + 1)
    lows = min(int(position) + 1, count) if count else 0
    for k in range(lows):
        low[k] = settled[lows - 1 - k]
    highs = count - lows
    high[:highs] = settled[lows:]
    for k in range(len(values)):
        if count >= minimum and count > 0:
            position = percent / 100.0 * (count - 1)
            upper = high[0] if highs else low[0]
            limits[k] = low[0] + (upper - low[0]) * (position - int(position))
        else:
            limits[k] = np.nan
        value = values[k]
        count += 1
        if lows and value < low[0]:
            _push(low, lows, value, -1.0)
            lows += 1
        else:
            _push(high, highs, value, 1.0)
            highs += 1
        wanted = int(percent / 100.0 * (count - 1)) + 1
        while lows < wanted:
            _push(low, lows, _pop(high, highs, 1.0), -1.0)
            lows, highs = lows + 1, highs - 1
        while lows > wanted:
            _push(high, highs, _pop(low, lows, -1.0), 1.0)
            lows, highs = lows - 1, highs + 1


@njit(cache=True)
def _push(heap, size, value, sign):
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if sign * heap[parent] <= sign * value:
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = value


@njit(cache=True)
def _pop(heap, size, sign):
    top, value, size = heap[0], heap[size - 1], size - 1
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and sign * heap[child + 1] < sign * heap[child]:
            child += 1
        if sign * value <= sign * heap[child]:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value
    return top
