"""The state: all that detection carries from one batch to the next, and its snapshot as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct, field
from numba import njit

from include.surveillance.detection.columns import COLUMNS, OPTIONAL, BarColumns, BarStamp, SeriesKey
from include.surveillance.detection.percentiles import BINS, Percentiles
from include.surveillance.detection.record_state import RecordState
from include.surveillance.detection.rules.registry import KINDS, MEMORY, VERSIONS
from include.surveillance.errors import SurveillanceError
from include.surveillance.places import Place

FORMAT = 3
"""How a snapshot is packed. What it holds is its layout, which is compared by itself."""
CONTEXT = 20
"""Bars before the revisable ones that windows look back on."""
REVISABLE = 20
"""The latest bars of a series, which a late or corrected bar can still change."""
ROW_BARS = CONTEXT + REVISABLE + 1  # one that comes late
_BAR_TYPES = {"ts": "int64", "revision": "uint32", "polled": "int64", "live": "bool"} | dict.fromkeys(
    OPTIONAL, "float32"
)
_BARS = tuple(name for name in COLUMNS if name != "code")
_CODEC = pa.Codec("lz4")  # a third larger than zstd, in a third of the time


class StateError(SurveillanceError):
    """A snapshot cannot be read, or is of another layout; rebuild the state from the log."""


class _Header(Struct, kw_only=True, omit_defaults=True):
    """What precedes the arrays of a snapshot; the encoded names are older than the fields'."""

    format: int
    layout: dict[str, str] = {}  # see ``describe_layout``
    percentiles: Percentiles = field(name="history")
    places: dict[str, Place] = field(name="offsets")
    clock_ms: dict[str, int]
    keys: list[SeriesKey]
    record_state: RecordState = field(name="notes")
    arrays: list[tuple[str, str, int]]  # name, dtype, elements


class State:
    """Series as rows of arrays, and what single records left behind.

    Attributes:
        percentiles: how earlier values of a statistic are kept.
        places: topic -> where to go on, in the partition that the state belongs to.
        clock_ms: topic -> the latest time (UTC epoch ms) at which Kafka has stored any message before that place.
        keys: (symbol, timespan) of each row.
        rows: the row of each series.
        record_state: what single records left behind.
        bar_count: bars that each row holds, int64.
        settled_count: how many of them can no longer be revised and are only looked back on, int64.
        bars: column name -> [row, ROW_BARS], oldest first; beyond ``bar_count`` there is nothing.
        memory: name -> what rules remember of each row, as of the last bar that can no longer be revised.
        bins, counts: the sketched earlier values, [row, BINS] int32 and [row] int64; no bins in the exact form.
        values: the exact earlier values, one float64 array per row, in order of time.
        episodes: [row, kind, (start, last, firings, peak)], int64, as of the same bar.
    """

    def __init__(self, percentiles: Percentiles = "sketch"):
        self.percentiles: Percentiles = percentiles
        self.places: dict[str, Place] = {}
        self.clock_ms: dict[str, int] = {}
        self.keys: list[SeriesKey] = []
        self.rows: dict[SeriesKey, int] = {}
        self.record_state = RecordState()
        self._allocate(0)

    def rows_for(self, keys: Sequence[SeriesKey]) -> np.ndarray:
        """The row of each series, int64; a series that is not known gets a new one."""
        for key in keys:
            if key not in self.rows:
                self.rows[key] = len(self.keys)
                self.keys.append(key)
        if len(self.keys) > len(self.bar_count):
            self._grow(max(len(self.keys), 2 * len(self.bar_count)))
        return np.array([self.rows[key] for key in keys], dtype=np.int64)

    def latest_bars(self, keys: Collection[SeriesKey]) -> dict[SeriesKey, BarStamp | None]:
        """Look up the latest bar of each series; None before the first."""
        known = [key for key in keys if key in self.rows]
        row = np.array([self.rows[key] for key in known], dtype=np.int64)
        at = self.bar_count[row] - 1
        stamps = zip(self.bars["ts"][row, at].tolist(), self.bars["revision"][row, at].tolist(), strict=True)
        latest: dict[SeriesKey, BarStamp | None] = dict.fromkeys(keys)
        return latest | {key: stamp for key, stamp, last in zip(known, stamps, at.tolist(), strict=True) if last >= 0}

    def copy(self) -> State:
        """Copy the state; neither changes with the other."""
        copy = self._copy(np.arange(len(self.keys)), self.record_state.copy())
        copy.places, copy.clock_ms = dict(self.places), dict(self.clock_ms)
        return copy

    def copy_rows(self, rows: np.ndarray) -> State:
        """Copy these rows alone, without places and what single records left behind."""
        return self._copy(rows, RecordState())

    def write_rows(self, rows: np.ndarray, part: State) -> None:
        """Write back into ``rows`` what ``copy_rows`` has copied."""
        arrays = part._arrays()
        for name, array in self._arrays().items():
            array[rows] = arrays[name][: len(rows)]
        for row, values in zip(rows.tolist(), part.values, strict=False):
            self.values[row] = values

    def join(self, parts: Sequence[State]) -> None:
        """Take over, into a state without series, what states hold that have no series in common."""
        self.keys = [key for part in parts for key in part.keys]
        self.rows = {key: row for row, key in enumerate(self.keys)}
        first = 0
        self._allocate(len(self.keys))
        for part in parts:
            last = first + len(part.keys)
            self.write_rows(np.arange(first, last), part)
            first = last
            for name in RecordState.__struct_fields__:
                getattr(self.record_state, name).update(getattr(part.record_state, name))

    def insert_bars(self, bars: BarColumns) -> None:
        """Put one late or corrected bar into each row, in the order of the rows."""
        for row in range(len(bars)):
            count, ts = int(self.bar_count[row]), self.bars["ts"][row]
            at = int(np.searchsorted(ts[:count], bars.ts[row]))
            late = at == count or ts[at] != bars.ts[row]
            for name, array in self.bars.items():
                if late:
                    array[row, at + 1 : count + 1] = array[row, at:count].copy()
                array[row, at] = getattr(bars, name)[row]
            self.bar_count[row] += late

    def to_bytes(self) -> bytes:
        """Write a snapshot, compressed. Equal states give equal bytes, whatever the order of their rows."""
        return self._write(range(len(self.keys)), self.record_state, self.places, self.clock_ms)

    def part_to_bytes(self, rows: Iterable[int], record_state: RecordState) -> bytes:
        """Write a snapshot of these rows and of what single records left behind for them, without places."""
        return self._write(rows, record_state, {}, {})

    def _write(
        self, rows: Iterable[int], record_state: RecordState, places: dict[str, Place], clock_ms: dict[str, int]
    ) -> bytes:
        order = np.array(sorted(rows, key=self.keys.__getitem__), dtype=np.int64)
        arrays = _packed(self, order)
        header = _Header(
            format=FORMAT,
            layout=describe_layout(),
            percentiles=self.percentiles,
            places=places,
            clock_ms=clock_ms,
            keys=[self.keys[row] for row in order.tolist()],
            record_state=record_state,
            arrays=[(name, array.dtype.str, len(array)) for name, array in arrays.items()],
        )
        head = _encoder.encode(header)
        raw = b"".join([len(head).to_bytes(8, "little"), head, *(array.tobytes() for array in arrays.values())])
        return len(raw).to_bytes(8, "little") + _CODEC.compress(raw, asbytes=True)

    @classmethod
    def from_bytes(cls, raw: bytes) -> State:
        """Read a snapshot.

        Raises:
            StateError: not a snapshot, or one of another layout than this version's.
        """
        try:
            return cls._read(raw)
        except StateError:
            raise
        # Whatever a snapshot does that this version did not write: with the log at hand, it is no reason to stop.
        except Exception as error:
            raise StateError(f"unreadable detector snapshot of {len(raw):,} bytes: {error!r}") from error

    @classmethod
    def _read(cls, raw: bytes) -> State:
        whole = _CODEC.decompress(raw[8:], int.from_bytes(raw[:8], "little"), asbytes=True)
        size = int.from_bytes(whole[:8], "little")
        stated = _stated_decoder.decode(whole[8 : 8 + size])
        if stated.format != FORMAT:
            raise StateError(f"detector snapshot has format {stated.format}; this version reads {FORMAT}")
        if differing := _list_differences(stated.layout, describe_layout()):
            raise StateError(f"detector snapshot was written with other {', '.join(differing)} than this version has")
        header = _header_decoder.decode(whole[8 : 8 + size])
        state = cls(header.percentiles)
        state.places, state.clock_ms = header.places, header.clock_ms
        state.record_state, state.keys = header.record_state, header.keys
        state.rows = {key: row for row, key in enumerate(header.keys)}
        state._allocate(len(header.keys))
        arrays, at = {}, 8 + size
        for name, dtype, length in header.arrays:
            arrays[name] = np.frombuffer(whole, dtype, length, at)
            at += arrays[name].nbytes
        _unpack(state, arrays)
        return state

    def _copy(self, rows: np.ndarray, record_state: RecordState) -> State:
        copy = State(self.percentiles)
        copy.record_state = record_state
        copy.keys = [self.keys[row] for row in rows.tolist()]
        copy.rows = {key: row for row, key in enumerate(copy.keys)}
        copy._set_arrays({name: array[rows] for name, array in self._arrays().items()})
        # Never changed in place.
        copy.values = [self.values[row] for row in rows.tolist()] if self.values else []
        return copy

    def _arrays(self) -> dict[str, np.ndarray]:
        """Every array whose axis 0 is the row, by its name in a snapshot."""
        named = {"held": self.bar_count, "kept": self.settled_count}
        named |= {"counts": self.counts, "episodes": self.episodes}
        named |= {f"bar {name}": array for name, array in self.bars.items()}
        named |= {f"memory {name}": array for name, array in self.memory.items()}
        return named | ({"bins": self.bins} if self.percentiles == "sketch" else {})

    def _set_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.bar_count, self.settled_count = arrays["held"], arrays["kept"]
        self.counts, self.episodes = arrays["counts"], arrays["episodes"]
        self.bars = {name: arrays[f"bar {name}"] for name in _BARS}
        self.memory = {name: arrays[f"memory {name}"] for name in MEMORY}
        self.bins = arrays.get("bins", np.zeros((0, BINS), np.int32))

    def _allocate(self, rows: int) -> None:
        self.bar_count, self.settled_count, self.counts = (np.zeros(rows, np.int64) for _ in range(3))
        self.episodes = np.zeros((rows, len(KINDS), 4), np.int64)
        self.bars = {name: np.zeros((rows, ROW_BARS), _BAR_TYPES.get(name, "float64")) for name in _BARS}
        self.memory = {name: np.zeros(rows, dtype) for name, dtype in MEMORY.items()}
        self.bins = np.zeros((rows if self.percentiles == "sketch" else 0, BINS), np.int32)
        self.values: list[np.ndarray] = [np.empty(0)] * rows if self.percentiles == "exact" else []

    def _grow(self, rows: int) -> None:
        def grown(array: np.ndarray) -> np.ndarray:
            return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])

        self._set_arrays({name: grown(array) for name, array in self._arrays().items()})
        if self.percentiles == "exact":
            self.values += [np.empty(0)] * (rows - len(self.values))


def _packed(state: State, order: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays without what is empty: no bars that are not there, times as steps, bins and episodes without zeros."""
    bar_count = state.bar_count[order]
    filled = np.arange(ROW_BARS) < bar_count[:, None]
    packed = {"held": bar_count, "kept": state.settled_count[order], "counts": state.counts[order]}
    for name, array in state.bars.items():
        packed[f"bar {name}"] = array[order][filled]
    packed["bar polled"] = packed["bar polled"] - packed["bar ts"]
    packed["bar ts"] = np.diff(packed["bar ts"], prepend=0)
    packed |= {f"memory {name}": array[order] for name, array in state.memory.items()}
    sparse = {"episodes": state.episodes[order].reshape(-1)}
    if state.percentiles == "sketch":
        sparse["bins"] = state.bins[order].reshape(-1)
    for name, array in sparse.items():
        packed[f"{name} at"], packed[name] = _sparse(array)
    if state.percentiles == "exact":
        values = [state.values[row] for row in order.tolist()]
        packed["lengths"] = np.array([len(one) for one in values], np.int64)
        packed["values"] = np.concatenate([np.empty(0), *values])
    return packed


@njit(cache=True)
def _sparse(array):
    """Steps between the elements that are not zero, and these elements."""
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
    state.bar_count[:], state.settled_count[:] = arrays["held"], arrays["kept"]
    state.counts[:] = arrays["counts"]
    filled = np.arange(ROW_BARS) < state.bar_count[:, None]
    ts = np.cumsum(arrays["bar ts"])
    for name, array in state.bars.items():
        array[filled] = arrays[f"bar {name}"]
    state.bars["ts"][filled], state.bars["polled"][filled] = ts, arrays["bar polled"] + ts
    for name, array in state.memory.items():
        array[:] = arrays[f"memory {name}"]
    sparse = {"episodes": state.episodes} | ({"bins": state.bins} if state.percentiles == "sketch" else {})
    for name, array in sparse.items():
        array.reshape(-1)[np.cumsum(arrays[f"{name} at"], dtype=np.int64)] = arrays[name]
    if state.percentiles == "exact":
        state.values = np.split(arrays["values"], np.cumsum(arrays["lengths"])[:-1]) if state.keys else []


def describe_layout() -> dict[str, str]:
    """Return a digest of each thing that the bytes of a snapshot depend on, by its name.

    A change of any of them gives earlier bytes another meaning: a kind is an index, a rule of another version has
    remembered something else.
    """
    held = (CONTEXT, REVISABLE, BINS)
    return _describe_layout(KINDS, tuple(VERSIONS.items()), tuple(MEMORY.items()), tuple(_BAR_TYPES.items()), held)


@cache
def _describe_layout(kinds: Any, versions: Any, memory: Any, bar_types: Any, held: Any) -> dict[str, str]:
    schema = _without_prose(msgspec.json.schema(_Header))
    arrays = {name: (array.dtype.str, array.shape[1:]) for name, array in State("sketch")._arrays().items()}
    parts = {
        "kinds": kinds, "versions of rules": versions, "memory": memory, "columns": (_BARS, bar_types), "sizes": held,
        "arrays": arrays, "header": schema,
    }  # fmt: skip
    return {name: hashlib.sha256(msgspec.json.encode(part)).hexdigest()[:12] for name, part in parts.items()}


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, dict):
        prose = {name for name in ("description", "title") if isinstance(schema.get(name), str)}
        return {name: _without_prose(schema[name]) for name in sorted(schema.keys() - prose)}
    return [_without_prose(part) for part in schema] if isinstance(schema, list) else schema


def _list_differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return [name for name in {**other, **one} if one.get(name) != other.get(name)]


class _Stated(Struct):
    """As much of a header as every version can read."""

    format: int
    layout: dict[str, str] = {}


_stated_decoder = msgspec.msgpack.Decoder(_Stated)
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_header_decoder = msgspec.msgpack.Decoder(_Header)
