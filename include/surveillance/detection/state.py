"""All that detection carries from one batch to the next, and its bytes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct
from numba import njit

from include.surveillance.detection.columns import COLUMNS, BarColumns, SeriesKey
from include.surveillance.detection.percentiles import BINS, Percentiles
from include.surveillance.detection.record_state import Notes
from include.surveillance.detection.rules import MEMORY
from include.surveillance.detection.rules.bar_rule import KINDS
from include.surveillance.errors import SurveillanceError

FORMAT = 2
CONTEXT = 20
"""Bars before the revisable ones that windows look back on."""
REVISABLE = 20
"""The latest bars of a series, which a late or corrected bar can still change."""
HELD = CONTEXT + REVISABLE + 1  # one that comes late
_BAR_TYPES = {"ts": "int64", "revision": "uint32", "polled": "int64", "live": "bool"}
_BARS = tuple(name for name in COLUMNS if name != "code")
_CODEC = pa.Codec("lz4")  # a third larger than zstd, in a third of the time


class StateError(SurveillanceError):
    """A snapshot cannot be read; rebuild it from the log."""


class _Header(Struct, kw_only=True):
    format: int
    history: Percentiles
    offsets: dict[str, int]
    keys: list[SeriesKey]
    notes: Notes
    arrays: list[tuple[str, str, int]]  # name, dtype, elements


class State:
    """Series as rows of arrays.

    Attributes:
        history: the form in which percentiles are kept.
        offsets: topic -> next offset to consume, of the partition that the state belongs to.
        keys, rows: (symbol, timespan) of each row, and back.
        held, kept: bars that a row holds, and how many of them are only looked back on, int64.
        bars: column name -> [row, HELD], oldest first; beyond ``held`` there is nothing.
        memory: what rules remember, per row, as of the last bar that can no longer be revised.
        bins, counts: the sketched history, [row, BINS] and [row]; no bins in the exact form.
        values: the exact history, one array per row, in order of time.
        episodes: [row, kind, (start, last, firings, peak)], as of the same bar.
    """

    def __init__(self, history: Percentiles = "sketch"):
        self.history: Percentiles = history
        self.offsets: dict[str, int] = {}
        self.keys: list[SeriesKey] = []
        self.rows: dict[SeriesKey, int] = {}
        self.notes = Notes()
        self._allocate(0)

    def rows_of(self, keys: Sequence[SeriesKey]) -> np.ndarray:
        """The row of each series, new ones for those that are not known, int64."""
        known = self.rows
        if (needed := len(known) + sum(key not in known for key in keys)) > len(self.held):
            self._grow(max(needed, 2 * len(self.held)))
        return np.array([known[key] if key in known else self.row(key) for key in keys], dtype=np.int64)

    def row(self, key: SeriesKey) -> int:
        """The series' row; a new one when it is not known."""
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = len(self.keys)
            self.keys.append(key)
            if row >= len(self.held):
                self._grow(max(64, 2 * row))
        return row

    def latest(self, key: SeriesKey) -> tuple[int | None, str]:
        """Start and event id of the series' latest bar; None before the first."""
        row = self.rows.get(key)
        if row is None or not self.held[row]:
            return None, ""
        at = self.held[row] - 1
        ts, revision = int(self.bars["ts"][row, at]), int(self.bars["revision"][row, at])
        return ts, f"{key[0]}|{key[1]}|{ts}|{revision:08x}"

    def copy(self) -> State:
        """Independent of this one."""
        return self._taken(np.arange(len(self.keys)), list(self.keys), self.notes.copy())

    def take(self, rows: np.ndarray) -> State:
        """These rows alone, independent of this state; without notes."""
        return self._taken(rows, [self.keys[row] for row in rows.tolist()], Notes())

    def insert(self, bars: BarColumns) -> None:
        """Put one late or corrected bar into each row, in the order of the rows."""
        for row in range(len(bars)):
            held, ts = int(self.held[row]), self.bars["ts"][row]
            at = int(np.searchsorted(ts[:held], bars.ts[row]))
            late = at == held or ts[at] != bars.ts[row]
            for name, array in self.bars.items():
                if late:
                    array[row, at + 1 : held + 1] = array[row, at:held].copy()
                array[row, at] = getattr(bars, name)[row]
            self.held[row] += late

    def put(self, rows: np.ndarray, taken: State) -> None:
        """Write back what was taken."""
        for name, array in self._arrays().items():
            array[rows] = taken._arrays()[name][: len(rows)]
        for row, values in zip(rows.tolist(), taken.values, strict=False):
            self.values[row] = values

    def to_bytes(self) -> bytes:
        """Compressed; equal states give equal bytes, whatever the order of their rows, and floats survive."""
        order = np.array(sorted(range(len(self.keys)), key=self.keys.__getitem__), dtype=np.int64)
        arrays = _packed(self, order)
        header = _Header(
            format=FORMAT,
            history=self.history,
            offsets=self.offsets,
            keys=[self.keys[row] for row in order.tolist()],
            notes=self.notes,
            arrays=[(name, array.dtype.str, len(array)) for name, array in arrays.items()],
        )
        head = _encoder.encode(header)
        raw = b"".join([len(head).to_bytes(8, "little"), head, *(array.tobytes() for array in arrays.values())])
        return len(raw).to_bytes(8, "little") + _CODEC.compress(raw, asbytes=True)

    @classmethod
    def from_bytes(cls, raw: bytes) -> State:
        """
        Raises:
            StateError: not a snapshot, or one of another format.
        """
        try:
            whole = _CODEC.decompress(raw[8:], int.from_bytes(raw[:8], "little"), asbytes=True)
            size = int.from_bytes(whole[:8], "little")
            header = _header_decoder.decode(whole[8 : 8 + size])
        except (OSError, ValueError, OverflowError, MemoryError, msgspec.DecodeError) as error:
            raise StateError(f"unreadable detector snapshot of {len(raw):,} bytes: {error}") from error
        if header.format != FORMAT:
            raise StateError(f"detector snapshot has format {header.format}; this version reads {FORMAT}")
        state = cls(header.history)
        state.offsets, state.notes, state.keys = header.offsets, header.notes, header.keys
        state.rows = {key: row for row, key in enumerate(header.keys)}
        state._allocate(len(header.keys))
        arrays, at = {}, 8 + size
        for name, dtype, length in header.arrays:
            arrays[name] = np.frombuffer(whole, dtype, length, at)
            at += arrays[name].nbytes
        _unpack(state, arrays)
        return state

    def _taken(self, rows: np.ndarray, keys: list[SeriesKey], notes: Notes) -> State:
        taken = State(self.history)
        taken.offsets, taken.keys, taken.notes = dict(self.offsets), keys, notes
        taken.rows = {key: row for row, key in enumerate(keys)}
        taken._hold({name: array[rows] for name, array in self._arrays().items()})
        # Never changed in place.
        taken.values = [self.values[row] for row in rows.tolist()] if self.values else []
        return taken

    def _arrays(self) -> dict[str, np.ndarray]:
        """Every array whose axis 0 is the row."""
        named = {"held": self.held, "kept": self.kept, "counts": self.counts, "episodes": self.episodes}
        named |= {f"bar {name}": array for name, array in self.bars.items()}
        named |= {f"memory {name}": array for name, array in self.memory.items()}
        return named | ({"bins": self.bins} if self.history == "sketch" else {})

    def _hold(self, arrays: dict[str, np.ndarray]) -> None:
        self.held, self.kept = arrays["held"], arrays["kept"]
        self.counts, self.episodes = arrays["counts"], arrays["episodes"]
        self.bars = {name: arrays[f"bar {name}"] for name in _BARS}
        self.memory = {name: arrays[f"memory {name}"] for name in MEMORY}
        self.bins = arrays.get("bins", np.zeros((0, BINS), np.int32))

    def _allocate(self, rows: int) -> None:
        self.held, self.kept, self.counts = (np.zeros(rows, np.int64) for _ in range(3))
        self.episodes = np.zeros((rows, len(KINDS), 4), np.int64)
        self.bars = {name: np.zeros((rows, HELD), _BAR_TYPES.get(name, "float64")) for name in _BARS}
        self.memory = {name: np.zeros(rows, dtype) for name, dtype in MEMORY.items()}
        self.bins = np.zeros((rows if self.history == "sketch" else 0, BINS), np.int32)
        self.values: list[np.ndarray] = [np.empty(0)] * rows if self.history == "exact" else []

    def _grow(self, rows: int) -> None:
        def grown(array: np.ndarray) -> np.ndarray:
            return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])

        self._hold({name: grown(array) for name, array in self._arrays().items()})
        if self.history == "exact":
            self.values += [np.empty(0)] * (rows - len(self.values))


def _packed(state: State, order: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays without what is empty: held bars only, times as steps, and of bins and episodes what is not zero."""
    held, kept = state.held[order], state.kept[order]
    filled = np.arange(HELD) < held[:, None]
    packed = {"held": held, "kept": kept, "counts": state.counts[order]}
    for name, array in state.bars.items():
        packed[f"bar {name}"] = array[order][filled]
    packed["bar polled"] = packed["bar polled"] - packed["bar ts"]
    packed["bar ts"] = np.diff(packed["bar ts"], prepend=0)
    packed |= {f"memory {name}": array[order] for name, array in state.memory.items()}
    sparse = {"episodes": state.episodes[order].reshape(-1)}
    if state.history == "sketch":
        sparse["bins"] = state.bins[order].reshape(-1)
    for name, array in sparse.items():
        packed[f"{name} at"], packed[name] = _sparse(array)
    if state.history == "exact":
        values = [state.values[row] for row in order.tolist()]
        packed["lengths"] = np.array([len(one) for one in values], np.int64)
        packed["values"] = np.concatenate([np.empty(0), *values])
    return packed


@njit(cache=True)
def _sparse(array):
    """Steps between the places that are not zero, and what stands there."""
    count = 0
    for value in array:
        count += value != 0
    steps, values, last, filled = np.empty(count, np.int32), np.empty(count, array.dtype), 0, 0
    for at in range(len(array)):
        if array[at] != 0:
            steps[filled], values[filled] = at - last, array[at]
            last, filled = at, filled + 1
    return steps, values


def _unpack(state: State, arrays: dict[str, np.ndarray]) -> None:
    state.held[:], state.kept[:], state.counts[:] = arrays["held"], arrays["kept"], arrays["counts"]
    filled = np.arange(HELD) < state.held[:, None]
    ts = np.cumsum(arrays["bar ts"])
    for name, array in state.bars.items():
        array[filled] = arrays[f"bar {name}"]
    state.bars["ts"][filled], state.bars["polled"][filled] = ts, arrays["bar polled"] + ts
    for name, array in state.memory.items():
        array[:] = arrays[f"memory {name}"]
    sparse = {"episodes": state.episodes} | ({"bins": state.bins} if state.history == "sketch" else {})
    for name, array in sparse.items():
        array.reshape(-1)[np.cumsum(arrays[f"{name} at"], dtype=np.int64)] = arrays[name]
    if state.history == "exact":
        state.values = np.split(arrays["values"], np.cumsum(arrays["lengths"])[:-1]) if state.keys else []


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_header_decoder = msgspec.msgpack.Decoder(_Header)
