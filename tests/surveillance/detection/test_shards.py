"""The snapshot in shards: together they are the state, and only what has changed is written."""

from __future__ import annotations

import random

import numpy as np
import pytest

from include.surveillance.detection import shards as shards_module
from include.surveillance.detection.record_state import RecordState
from include.surveillance.detection.shards import HEAD, NEWS, Shards, list_touched, read_shards
from include.surveillance.detection.state import ROW_BARS, State, StateError
from include.surveillance.places import Place
from tests.surveillance.detection.market import bar, calm, engine, news, run, watermark

SYMBOLS = [f"T{number:02d}" for number in range(12)]


class Topic:
    """A compacted topic with the snapshot of one state that goes on."""

    def __init__(self, form: str = "sketch"):
        self.state, self.shards, self.kept = State(form), Shards(), {}

    def detect(self, records) -> set[str]:
        """Detect and write; return the names of what was written."""
        after = run(records, self.state).state
        offset = self.state.places.get("polygon.bars.raw", Place(0)).offset
        after.places = {"polygon.bars.raw": Place(offset + len(records))}
        messages = self.shards.update(after, list_touched(self.state, after, records, engine().succession))
        self.state = after
        self.write(messages)
        return set(messages)

    def write(self, messages) -> None:
        self.kept = {name: raw for name, raw in (self.kept | messages).items() if raw is not None}

    def read(self) -> State:
        return read_shards(self.kept[HEAD], self.kept)[0]

    def reopen(self) -> None:
        self.state, self.shards = read_shards(self.kept[HEAD], self.kept)


def assert_same(one: State, other: State) -> None:
    assert one.to_bytes() == other.to_bytes()
    assert one.places == other.places


@pytest.fixture
def small(monkeypatch):
    """Shards of a few series each."""
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 3 * shards_module.SERIES_BYTES)


def anything(chance: random.Random, minute: int) -> list:
    records = []
    for symbol in chance.sample(SYMBOLS, chance.randrange(len(SYMBOLS))):
        kind, burst = chance.random(), chance.random() < 0.2
        volume, timespan = 50_000 if burst else 1000 + minute, chance.choice(["minute", "minute", "5minute", "day"])
        if kind < 0.75:
            back, source = (500, "backfill") if chance.random() < 0.2 else (chance.random() < 0.1, "live")
            about = {"symbol": symbol, "timespan": timespan, "source": source}
            records.append(bar(minute - back, volume=volume, **about))
        elif kind < 0.9:
            records.append(news(minute, f"a{chance.randrange(40)}", symbol=symbol))
        else:
            records.append(
                watermark(
                    minute + 1,
                    symbol=symbol,
                    rejected=chance.randrange(2),
                    bars=2,
                    source=chance.choice(["live", "backfill"]),
                )
            )
    return records


@pytest.mark.parametrize("form", ["exact", "sketch"])
@pytest.mark.parametrize("seed", range(4))
def test_what_was_written_is_the_state_after_every_batch(small, form, seed):
    chance, topic = random.Random(seed), Topic(form)
    topic.detect([bar(minute, symbol=symbol) for symbol in SYMBOLS for minute in range(30)])
    for minute in range(40, 100):
        topic.detect([record for more in range(chance.randrange(3)) for record in anything(chance, minute + more)])
        assert_same(topic.read(), topic.state)
        if chance.random() < 0.1:
            topic.reopen()
    assert topic.state.record_state.articles
    assert topic.state.record_state.volume_bars
    assert topic.state.record_state.episodes
    assert len(topic.kept) > 6


def test_only_what_has_changed_is_written(small):
    topic = Topic()
    topic.detect([bar(0, symbol=symbol, timespan=timespan) for symbol in SYMBOLS for timespan in ("minute", "day")])
    assert len(topic.kept) > 6
    written = topic.detect([bar(1, symbol="T03")])
    assert {name.partition("-")[0] for name in written} == {HEAD, "minute"}
    assert len(written) == 2
    assert topic.detect([bar(1, symbol="T03")]) == {HEAD}  # known already
    topic.reopen()
    assert topic.detect([]) == {HEAD}
    assert len(topic.detect([bar(2, symbol="T05")])) == 2


def test_what_is_on_the_topic_already_is_not_encoded_again(small, monkeypatch):
    topic, encoded = Topic(), []
    topic.detect([bar(0, symbol=symbol) for symbol in SYMBOLS])
    topic.reopen()
    monkeypatch.setattr(shards_module, "_write", lambda *_: encoded.append(1) or b"")
    topic.shards.update(topic.state, [("T03", "minute")])
    assert len(encoded) == 1


def test_an_article_is_written_with_the_bars_that_it_meets(small):
    topic = Topic()
    topic.detect([*calm(30, symbol="T01"), bar(30, symbol="T01", volume=9000), bar(0, symbol="T02")])
    written = topic.detect([news(30, symbol="T01")])
    assert {name.partition("-")[0] for name in written} == {HEAD, "minute", NEWS}
    topic.detect([bar(60 * 24 * 3, symbol="T01", volume=90_000)])
    assert_same(topic.read(), topic.state)


def test_an_article_is_written_with_the_alerts_that_it_tags_again(small):
    topic = Topic()
    topic.detect([*calm(30, symbol="T01"), bar(30, symbol="T01", volume=9000), bar(0, symbol="T02")])
    # Of its bars of abnormal volume there is nothing left to say.
    topic.state.record_state.volume_bars.clear()
    topic.shards.update(topic.state, [("T01", "minute")])
    topic.detect([news(30, symbol="T01", sentiment="positive")])
    ((alert,),) = topic.state.record_state.tagged.values()
    assert alert.alert.tag == "news"
    assert_same(topic.read(), topic.state)
    topic.detect([watermark(3 * 24 * 60, symbol="T01")])
    assert not topic.state.record_state.tagged
    assert_same(topic.read(), topic.state)


def test_all_that_records_leave_behind_is_in_the_shards(small):
    topic = Topic()
    topic.detect([bar(0, symbol="T02")])
    minutes = [*range(30), *range(50, 80)]  # nobody has asked for the minutes between
    told = [watermark(minute + 1, symbol="T01", rejected=1) for minute in minutes]
    bars = [bar(minute, symbol="T01", volume=1000 + 9000 * (minute == 79)) for minute in minutes]
    polls = [record for poll in zip(bars, told, strict=True) for record in poll]
    # After a hole, and yet without the watermark that says whether it was asked for.
    topic.detect([news(0, symbol="T01"), *polls, bar(90, symbol="T01", close=110, volume=90_000)])
    left = topic.state.record_state
    assert [name for name in RecordState.__struct_fields__ if not getattr(left, name)] == []
    assert_same(topic.read(), topic.state)


def test_more_series_take_more_shards_and_the_earlier_ones_are_deleted(small):
    topic = Topic()
    seen = set()
    for number in range(1, 60, 7):
        topic.detect([bar(0, symbol=f"S{series:03d}") for series in range(number)])
        assert_same(topic.read(), topic.state)
        seen |= {len(topic.kept) - 1}
        (count,) = {name.rpartition("-")[2] for name in topic.kept if name}
        assert len(topic.kept) - 1 <= int(count)
    assert len(seen) > 3


def test_a_shard_that_is_larger_than_expected_is_divided(monkeypatch):
    topic = Topic()
    monkeypatch.setattr(shards_module, "SERIES_BYTES", 1)
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 1_000)
    topic.detect(
        [bar(i, symbol=it, volume=(i * 7_919 + int(it[1:]) * 104_729) % 9_999) for it in SYMBOLS for i in range(30)]
    )
    assert len(topic.kept) > 2
    assert_same(topic.read(), topic.state)
    topic.reopen()
    topic.detect([bar(30, symbol=symbol) for symbol in SYMBOLS])
    assert_same(topic.read(), topic.state)


def test_what_lies_beside_an_unreadable_snapshot_is_deleted():
    shards = Shards(stale={"minute-0-of-2", "whatever"})
    messages = shards.update(run([bar(0)]).state, [])
    assert messages["minute-0-of-2"] is messages["whatever"] is None
    assert messages["minute-0-of-1"]


def test_a_snapshot_without_a_shard_or_with_another_one_is_refused(small):
    topic = Topic()
    topic.detect([bar(0, symbol=symbol) for symbol in SYMBOLS])
    name, other = [name for name in topic.kept if name][:2]
    with pytest.raises(StateError, match=f"shard {name} of the detector snapshot is missing"):
        read_shards(topic.kept[HEAD], {key: raw for key, raw in topic.kept.items() if key != name})
    with pytest.raises(StateError, match=f"shard {name} of the detector snapshot is another one"):
        read_shards(topic.kept[HEAD], topic.kept | {name: topic.kept[other]})
    for head in (b"", b"broken", topic.kept[HEAD][:-3], topic.state.to_bytes()):
        with pytest.raises(StateError):
            read_shards(head, topic.kept)


def mature(series: int, timespan: str = "minute") -> State:
    """Series with all that they can hold, in numbers that do not compress."""
    chance, state = np.random.default_rng(7), State("sketch")
    rows = state.rows_for([(f"S{number:05d}", timespan) for number in range(series)])
    state.bar_count[rows], state.settled_count[rows] = ROW_BARS - 1, 20
    for array in state.bars.values():
        if array.dtype.kind == "f":
            array[rows, : ROW_BARS - 1] = chance.random((series, ROW_BARS - 1))
    state.bars["ts"][rows, : ROW_BARS - 1] = np.arange(1, ROW_BARS) * 60_000
    state.bins[rows[:, None], chance.integers(0, 1024, (series, 600))] = chance.integers(1, 2**30, (series, 600))
    return state


def test_forty_mebibytes_go_in_messages_of_few():
    state = mature(11_000)
    messages = Shards().update(state, [])
    sizes = [len(raw) for raw in messages.values()]
    assert sum(sizes) > 40 * 2**20
    assert max(sizes) < 2 * shards_module.SHARD_BYTES
    assert_same(read_shards(messages[HEAD], messages)[0], state)
