"""The state between batches: bytes and back, and left as it was."""

from __future__ import annotations

import numpy as np
import pytest

from include.surveillance.detection import state as states
from include.surveillance.detection.state import FORMAT, ROW_BARS, State, StateError
from tests.surveillance.detection.market import OPEN, alerts, bar, calm, news, profile, run, watermark

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
