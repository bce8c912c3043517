"""The state between batches: bytes and back, and left as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from include.surveillance.detection import state as states
from include.surveillance.detection.state import FORMAT, ROW_BARS, State, StateError
from tests.surveillance.detection.market import OPEN, alerts, bar, calm, news, profile, run, watermark

SNAPSHOTS = Path(__file__).with_name("snapshots")
RECORDS = [*calm(150), news(140), bar(150, volume=9000), bar(0, symbol="AMD"), watermark(151)]


@pytest.mark.parametrize("form", ["exact", "sketch"])
@pytest.mark.parametrize("profiles", [(), (profile(),)])
def test_bytes_round_trip(form, profiles):
    state = run(RECORDS, State(form), profiles=profiles).state
    state.offsets = {"polygon.bars.raw": 7}
    again = State.from_bytes(state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert (again.offsets, again.percentiles, again.keys) == (
        {"polygon.bars.raw": 7},
        form,
        [("AMD", "minute"), ("NVDA", "minute")],
    )
    assert again.latest_bar(("NVDA", "minute")) == (bar(150).ts_ms, bar(150, volume=9000).event_id)
    assert again.latest_bar(("KO", "minute")) == (None, "")


def test_the_order_in_which_series_came_leaves_no_trace():
    one, other = [bar(0, symbol="AMD"), bar(0)], [bar(0), bar(0, symbol="AMD")]
    assert run(one).state.to_bytes() == run(other).state.to_bytes()


@pytest.mark.parametrize("raw", [b"abc", b"", b"\xff" * 40, State().to_bytes()[:-5]])
def test_unreadable_bytes_say_so(raw):
    with pytest.raises(StateError, match=f"unreadable detector snapshot of {len(raw)} bytes"):
        State.from_bytes(raw)


def test_another_format_says_so(monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(states, "FORMAT", 99)
        raw = State().to_bytes()
    with pytest.raises(StateError, match=f"format 99; this version reads {FORMAT}"):
        State.from_bytes(raw)


@pytest.mark.parametrize("form", ["exact", "sketch"])
def test_a_snapshot_from_before_a_rule_was_added_is_read(monkeypatch, form):
    records = [*RECORDS, bar(151, volume=46_000), *calm(30, first=152)]
    before = run(records, State(form), profiles=(profile(),)).state
    raw = before.to_bytes()
    with monkeypatch.context() as newer:
        newer.setattr(states, "KINDS", (*states.KINDS, ("new_rule", "up"), ("new_rule", "down")))
        newer.setattr(states, "MEMORY", states.MEMORY | {"new_memory": "int64"})
        after = State.from_bytes(raw)
        written = after.to_bytes()
        assert State.from_bytes(written).to_bytes() == written
    rows = [before.rows[key] for key in after.keys]
    assert before.episodes.any()
    assert np.array_equal(after.episodes[:, :-2], before.episodes[rows])
    assert not after.episodes[:, -2:].any()
    assert not after.memory["new_memory"].any()
    assert np.array_equal(after.memory["volume_sum"], before.memory["volume_sum"][rows])
    with pytest.raises(StateError, match="knows 8 kinds of firings; this version 6"):
        State.from_bytes(written)


def test_the_input_state_is_left_as_it_is():
    before = run(RECORDS).state
    raw = before.to_bytes()
    run([bar(151, close=200, volume=9999), news(150, "a2"), bar(140, close=100.4), watermark(400)], before)
    assert before.to_bytes() == raw


def test_many_series_grow_it_and_none_touches_another():
    symbols = [f"T{number:03d}" for number in range(150)]
    records = [bar(minute, symbol=symbol) for symbol in symbols for minute in range(21)]
    records += [bar(21, symbol=symbol, volume=9000) for symbol in symbols[::10]]
    detection = run(records, State("sketch"))
    assert [it.symbol for it in alerts(detection, "abnormal_volume")] == symbols[::10]
    assert len(detection.state.keys) == 150
    state = State.from_bytes(detection.state.to_bytes())
    assert [it.symbol for it in alerts(run([bar(22, symbol="T003", volume=9000)], state))] == ["T003"]


def test_it_holds_only_what_can_be_looked_back_on():
    state = run(calm(300)).state
    assert state.bars["ts"].shape[1] == ROW_BARS == 41
    held = int(state.bar_count[0])
    assert held == 40
    assert np.diff(state.bars["ts"][0, :held]).tolist() == [60_000] * (held - 1)
    assert state.bars["ts"][0, held - 1] == OPEN + 299 * 60_000


def invented(first: int, last: int) -> list:
    records = []
    for minute in range(first, last):
        burst, jump = minute in (40, 41, 100, 131, 148), minute in (60, 120, 145)
        close = round(100 + 0.1 * (minute * 7 % 5) + 1.5 * jump, 2)
        records.append(bar(minute, close=close, volume=46_000 + minute if burst else 1000 + minute * 37 % 300))
        if minute % 2:
            other = {"symbol": "AMD", "open": 50.5, "high": 53, "low": 49, "close": 50 + minute % 3}
            records.append(bar(minute, volume=700.5 + minute, **other))
    return records


def contents(snapshot: bytes) -> bytes:
    """Without the compression, which another version of its library may write otherwise."""
    return pa.Codec("lz4").decompress(snapshot[8:], int.from_bytes(snapshot[:8], "little"), asbytes=True)


class TestAnEarlierVersionsSnapshot:
    """Each file holds what commit d0f1abc writes of ``run(BEFORE, State(form), profiles=profiles).state`` with the
    offset below; each digest is of the contents of its state after ``AFTER``."""

    BEFORE = (
        *invented(0, 150), news(147), news(120, "a2", symbol="AMD"), watermark(151, rejected=1, bars=3),
        bar(148, volume=47_000, close=100.6),
    )  # fmt: skip
    AFTER = (bar(145, close=99.0), *invented(150, 172), news(149, "a3", title="Second recall"), watermark(190))
    form = pytest.mark.parametrize(
        ("form", "profiles", "digest"),
        [
            ("exact", (), "b366d72594a56a158ef0ce2fdcc149b16bd1a65ce4efed7f2032fada74b943ce"),
            ("sketch", (profile(),), "f6e19af5b83b9361c38f3e7cb80fc8691c8af1a10aec9fda48a9fccd5c23ecca"),
        ],
    )

    @form
    def test_is_read_and_written_again_byte_by_byte(self, form, profiles, digest):
        raw = (SNAPSHOTS / f"{form}.snapshot").read_bytes()
        assert contents(State.from_bytes(raw).to_bytes()) == contents(raw)
        state = run(self.BEFORE, State(form), profiles=profiles).state
        state.offsets = {"polygon.bars.raw": 7}
        assert contents(state.to_bytes()) == contents(raw)

    @form
    def test_goes_on_as_it_would_have(self, form, profiles, digest):
        snapshot = State.from_bytes((SNAPSHOTS / f"{form}.snapshot").read_bytes())
        ours = run(self.BEFORE, State(form), profiles=profiles).state
        read, known = (run(self.AFTER, state, profiles=profiles) for state in (snapshot, ours))
        assert [msgspec.json.encode(it) for it in (read.metrics, read.alerts)] == [
            msgspec.json.encode(it) for it in (known.metrics, known.alerts)
        ]
        assert {"news_impact", "feed_freshness"} <= {alert.rule for alert in read.alerts}
        assert "confirmed" in {alert.status for alert in read.alerts}
        assert hashlib.sha256(contents(read.state.to_bytes())).hexdigest() == digest
