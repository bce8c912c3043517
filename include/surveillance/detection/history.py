"""A symbol's earlier values of one statistic, and their percentiles. Two forms.

``exact`` keeps every value: the answer is numpy's linear percentile, memory grows with history.
``sketch`` counts values in logarithmic bins: memory is bounded, and every value, so also every interpolated
percentile, is within 0.5 % of the exact one. Only values more than about 28,000 times smaller than the largest are
counted together at the low end.

Both depend on the values alone, never on how they were cut into batches.
"""

from __future__ import annotations

from array import array
from bisect import insort
from functools import cache
from typing import Any, Literal

from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import CollapsingLowestDenseStore

Form = Literal["exact", "sketch"]
RELATIVE_ACCURACY = 0.005
BIN_LIMIT = 1024
_MAPPING = LogarithmicMapping(RELATIVE_ACCURACY)
_bin_value = cache(_MAPPING.value)


class History:
    """Values >= 0 of one series; ``count`` of them so far."""

    count: int

    def add(self, value: float) -> None:
        raise NotImplementedError

    def at_rank(self, rank: int) -> float:
        """The value with ``rank`` values below it in ascending order."""
        raise NotImplementedError

    def percentile(self, percent: float) -> float:
        """Linear interpolation between the two neighbours, as numpy's default."""
        position = percent / 100 * (self.count - 1)
        rank = int(position)
        lower = self.at_rank(rank)
        upper = self.at_rank(min(rank + 1, self.count - 1))
        return lower + (upper - lower) * (position - rank)

    def copy(self) -> History:
        return load(self.dump())

    def dump(self) -> list[Any]:
        """Plain values that ``load`` turns back into the same history."""
        raise NotImplementedError


class ExactHistory(History):
    """Every value, sorted."""

    def __init__(self, values: array | None = None):
        self._values = array("d") if values is None else values

    @property
    def count(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        insort(self._values, value)

    def at_rank(self, rank: int) -> float:
        return self._values[rank]

    def dump(self) -> list[Any]:
        return ["exact", self._values.tobytes()]


class SketchHistory(History):
    """Counts per logarithmic bin, in the ddsketch library's mapping and store.

    The library finds a rank by walking all bins. Here a cursor stays at the last answer and moves with it: one or two
    bins per value instead of hundreds, and the same answer.
    """

    def __init__(self, zeros: int = 0, store: CollapsingLowestDenseStore | None = None):
        self._zeros = zeros
        self._store = CollapsingLowestDenseStore(BIN_LIMIT) if store is None else store
        self.count = zeros + int(self._store.count)
        self._key = int(self._store.min_key) if self._store.count else 0
        self._below = 0  # values in bins before _key

    def add(self, value: float) -> None:
        self.count += 1
        if value <= _MAPPING.min_possible:
            self._zeros += 1
            return
        key, store = _MAPPING.key(value), self._store
        store.add(key)
        if store.count == 1:
            self._key = key
        elif key < self._key:
            self._below += 1
        if self._key <= store.min_key:
            self._key, self._below = store.min_key, 0

    def at_rank(self, rank: int) -> float:
        rank -= self._zeros
        if rank < 0:
            return 0.0
        bins, offset = self._store.bins, self._store.offset
        key, below = self._key, self._below
        while below > rank:
            key -= 1
            below -= bins[key - offset]
        while below + bins[key - offset] <= rank:
            below += bins[key - offset]
            key += 1
        self._key, self._below = key, below
        return _bin_value(key)

    def dump(self) -> list[Any]:
        store = self._store
        if not store.count:
            return ["sketch", self._zeros, 0, 0, 0, False, []]
        used = store.bins[store.min_key - store.offset : store.max_key - store.offset + 1]
        layout = [len(store.bins), store.offset, store.min_key, store.is_collapsed]
        return ["sketch", self._zeros, *layout, [int(count) for count in used]]


def new(form: Form) -> History:
    return ExactHistory() if form == "exact" else SketchHistory()


def load(dumped: list[Any]) -> History:
    form, *rest = dumped
    if form == "exact":
        values = array("d")
        values.frombytes(rest[0])
        return ExactHistory(values)
    zeros, length, offset, min_key, is_collapsed, used = rest
    store = CollapsingLowestDenseStore(BIN_LIMIT)
    if used:
        start = min_key - offset
        store.bins = [0.0] * start + [float(count) for count in used] + [0.0] * (length - start - len(used))
        store.count, store.offset, store.is_collapsed = float(sum(used)), offset, is_collapsed
        store.min_key, store.max_key = min_key, min_key + len(used) - 1
    return SketchHistory(zeros, store)
