"""The snapshot in shards: messages of some hundred series each, of which only those that have changed are written.

A shard is the snapshot of a part of the state, without places. The head is the snapshot of no series: it has the
places, and the digest of each shard that belongs to it. So a head fits its shards or is known not to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import ceil
from typing import TypeVar
from zlib import crc32

import msgspec
from msgspec import Struct

from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.record_state import RecordState
from include.surveillance.detection.state import State, StateError
from include.surveillance.detection.succession import Succession
from include.surveillance.places import Place
from include.surveillance.records import Bar, NewsItem, Watermark
from include.surveillance.timespans import SPAN_MS

# What a series takes after ten sessions or more, rounded up; tests/benchmarks/state_size.py measures it.
SERIES_BYTES = 8_600
ARTICLE_BYTES = 300
SHARD_BYTES = 2 * 1024 * 1024
"""What a shard is made to hold at most; a message of Kafka may hold 8 times as much."""
MOST_SHARDS = 2**14
HEAD = ""
T = TypeVar("T")
NEWS = "news"
"""The group of what articles leave behind, which belongs to a symbol. The other groups are timespans."""


class _Head(Struct):
    state: bytes
    shards: dict[str, int]  # name -> crc32


class Shards:
    """The snapshot of one state that goes on from batch to batch, as it is on the topic.

    Attributes:
        sizes: bytes of each shard that has been written, by name.

    Args:
        written: name -> digest of the shards that are on the topic already.
        stale: names of messages on the topic that belong to no snapshot that can be read.
    """

    def __init__(self, written: Mapping[str, int] | None = None, stale: Iterable[str] = ()):
        self.sizes: dict[str, int] = {}
        self._written, self._stale = dict(written or {}), set(stale)
        self._members: dict[str, dict[SeriesKey, str]] = {}  # group -> shards of its series, (symbol, NEWS) in the news
        self._count = {_group_of(name): int(name.rpartition("-")[2]) for name in written or ()}  # of shards, by group
        self._in_shard: dict[str, list[SeriesKey]] = {}  # shard -> its members
        self._complete = False

    def update(self, state: State, touched: Iterable[SeriesKey]) -> dict[str, bytes | None]:
        """Return what is to be written, by name: the head, shards that have changed, None for those that are no more.

        Args:
            state: the one of the last call, advanced.
            touched: what may have changed since, see ``list_touched``.
        """
        touched = list(touched)
        self._enrol(state, touched if self._complete else [*_list_members(state), *touched])
        self._complete = True
        messages: dict[str, bytes | None] = {}
        digests: dict[str, int] = {}
        episodes = _group_by_series(state.record_state.episodes)
        # After a division they have other names.
        changed = {self._members[key[1]][key] for key in touched} | (self._in_shard.keys() - self._written.keys())
        while changed:
            name = changed.pop()
            raw = _write(state, self._in_shard[name], episodes)
            divisible = len(self._in_shard[name]) > 1 and self._count[_group_of(name)] < MOST_SHARDS
            if len(raw) > 2 * SHARD_BYTES and divisible:
                # More than was expected of so many series: the group takes twice as many shards.
                group = _group_of(name)
                changed = {it for it in changed if _group_of(it) != group} | self._divide(group, 2 * self._count[group])
                messages = {it: value for it, value in messages.items() if _group_of(it) != group}
                digests = {it: value for it, value in digests.items() if it in messages}
                continue
            self.sizes[name] = len(raw)
            if (digest := crc32(raw)) != self._written.get(name):
                messages[name], digests[name] = raw, digest
        for name in (self._written.keys() | self._stale) - self._in_shard.keys():
            messages[name] = None
            self._written.pop(name, None)
        self._stale = set()
        self._written |= digests
        self.sizes = {name: size for name, size in self.sizes.items() if name in self._written}
        messages[HEAD] = _encoder.encode(_Head(_without_series(state).to_bytes(), self._written))
        return messages

    def _enrol(self, state: State, touched: list[SeriesKey]) -> None:
        """Give new series their shards."""
        new: dict[str, list[SeriesKey]] = {}
        for key in touched:
            members = self._members.setdefault(key[1], {})
            if key not in members:
                members[key] = ""
                new.setdefault(key[1], []).append(key)
        for group in {group for _, group in touched}:
            count = max(self._count.get(group, 1), _count_shards(state, group, self._members[group]))
            if count != self._count.get(group):
                self._divide(group, count)
            else:
                for key in new.get(group, ()):
                    self._place(key)

    def _divide(self, group: str, count: int) -> set[str]:
        """Divide the members of a group anew; return its shards."""
        self._in_shard = {name: keys for name, keys in self._in_shard.items() if _group_of(name) != group}
        self._count[group] = count
        for key in self._members[group]:
            self._place(key)
        return {name for name in self._in_shard if _group_of(name) == group}

    def _place(self, key: SeriesKey) -> None:
        symbol, group = key
        name = f"{group}-{crc32(symbol.encode()) % self._count[group]}-of-{self._count[group]}"
        self._members[group][key] = name
        self._in_shard.setdefault(name, []).append(key)


def read_shards(head: bytes, shards: Mapping[str, bytes]) -> tuple[State, Shards]:
    """Read a whole state, and what of it is on the topic.

    Raises:
        StateError: the head or a shard cannot be read, is missing, or is not the one that belongs to the head.
    """
    try:
        stated = _decoder.decode(head)
        written = Shards(stated.shards, shards.keys() - stated.shards.keys() - {HEAD})
    except (msgspec.DecodeError, ValueError) as error:
        raise StateError(f"unreadable head of {len(head):,} bytes of a detector snapshot: {error}") from error
    state = State.from_bytes(stated.state)
    for name, digest in stated.shards.items():
        if name not in shards or crc32(shards[name]) != digest:
            what = "is another one" if name in shards else "is missing"
            raise StateError(f"shard {name} of the detector snapshot {what}")
    state.join([State.from_bytes(shards[name]) for name in stated.shards])
    written.sizes = {name: len(shards[name]) for name in stated.shards}
    return state, written


def move_places(head: bytes, move: Callable[[str, Place], Place]) -> bytes:
    """Return the head of the same snapshot with other places, e.g. those of a restored log.

    Args:
        move: from topic and place to the place instead.

    Raises:
        StateError: the head cannot be read.
    """
    try:
        stated = _decoder.decode(head)
    except (msgspec.DecodeError, ValueError) as error:
        raise StateError(f"unreadable head of {len(head):,} bytes of a detector snapshot: {error}") from error
    state = State.from_bytes(stated.state)
    state.places = {topic: move(topic, place) for topic, place in state.places.items()}
    return _encoder.encode(_Head(state.to_bytes(), stated.shards))


def list_touched(
    before: State, after: State, records: Iterable[Bar | Watermark | NewsItem], succession: Succession
) -> set[SeriesKey]:
    """List what one pass over records may have changed: series, and (symbol, NEWS) for a symbol's articles."""
    articles = before.record_state.articles
    left = {*after.record_state.volume_bars, *before.record_state.tagged, *after.record_state.tagged}
    touched: set[SeriesKey] = set()
    for record in records:
        if isinstance(record, NewsItem):
            touched.add((record.symbol, NEWS))
            keys = ((record.symbol, timespan) for timespan in SPAN_MS)
            touched |= {key for key in keys if "|".join(key) in left}
        else:
            touched.add((record.symbol, record.timespan))
            if succession.tickers:
                touched |= _list_names(record, succession)
            if record.symbol in articles:
                touched.add((record.symbol, NEWS))
    return touched


def _list_names(record: Bar | Watermark, succession: Succession) -> set[SeriesKey]:
    """List under what keys a record's series is known, its instrument's tickers included."""
    if isinstance(record, Watermark):
        return {key for key, *_ in succession.spells(record.symbol, record.timespan)}
    holder, timespan = key = succession.key(record.symbol, record.timespan, record.ts_ms)
    # A revision may reach back to before its instrument changed its ticker.
    return {key, *((name, timespan) for _, name in succession.tickers.names(holder))}


def _list_members(state: State) -> list[SeriesKey]:
    """List the series of a state, those included of which only single records have come, and the symbols with news."""
    left = state.record_state
    of_series = (left.volume_bars, left.episodes, left.watermarks, left.tagged)
    named = (name.split("|") for names in of_series for name in names)
    members = dict.fromkeys([*state.keys, *((symbol, timespan) for symbol, timespan, *_ in named)])
    return [*members, *((symbol, NEWS) for symbol in left.articles)]


def _count_shards(state: State, group: str, members: Collection[SeriesKey]) -> int:
    """Return how many shards a group needs: a power of two, so that it seldom changes."""
    if group == NEWS:
        articles = state.record_state.articles
        size = ARTICLE_BYTES * sum(len(articles.get(symbol, ())) for symbol, _ in members)
    else:
        size = SERIES_BYTES * len(members)
        if state.values:
            size += sum(state.values[state.rows[key]].nbytes for key in members if key in state.rows)
    return 1 << max(0, ceil(size / SHARD_BYTES) - 1).bit_length()


def _group_by_series(episodes: Iterable[str]) -> dict[str, list[str]]:
    """Group the names of episodes by those of their series."""
    groups: dict[str, list[str]] = {}
    for name in episodes:
        symbol, timespan, _ = name.split("|", 2)
        groups.setdefault(f"{symbol}|{timespan}", []).append(name)
    return groups


def _write(state: State, members: list[SeriesKey], episodes: Mapping[str, list[str]]) -> bytes:
    """Write the part of a state that belongs to these; ``episodes`` has the names of all, by series."""
    whole, names = state.record_state, ["|".join(key) for key in members]
    own = RecordState(
        articles=_among(whole.articles, (symbol for symbol, group in members if group == NEWS)),
        volume_bars=_among(whole.volume_bars, names),
        watermarks=_among(whole.watermarks, names),
        outages=_among(whole.outages, names),
        waiting=_among(whole.waiting, names),
        tagged=_among(whole.tagged, names),
        episodes=_among(whole.episodes, (it for name in names for it in episodes.get(name, ()))) if episodes else {},
    )
    return state.part_to_bytes((state.rows[key] for key in members if key in state.rows), own)


def _group_of(name: str) -> str:
    return name.partition("-")[0]


def _without_series(state: State) -> State:
    empty = State(state.percentiles)
    empty.places, empty.clock_ms = state.places, state.clock_ms
    return empty


def _among(values: Mapping[str, T], names: Iterable[str]) -> dict[str, T]:
    return {name: values[name] for name in names if name in values} if values else {}


_encoder, _decoder = msgspec.msgpack.Encoder(order="deterministic"), msgspec.msgpack.Decoder(_Head)
