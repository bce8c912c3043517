"""The state between batches: bytes and back, and left as it was."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from include.surveillance.detection import state as states
from include.surveillance.detection.columns import write_event_id
from include.surveillance.detection.record_state import RecordState
from include.surveillance.detection.state import FORMAT, ROW_BARS, State, StateError
from include.surveillance.places import Place
from tests.surveillance.detection.market import OPEN, alerts, bar, calm, news, profile, run, watermark

PLACES, CLOCK_MS = {"polygon.bars.raw": Place(7, "an id", 4, 2)}, {"polygon.bars.raw": OPEN}
SNAPSHOTS = Path(__file__).with_name("snapshots")
RECORDS = [*calm(150), news(140), bar(150, volume=9000), bar(0, symbol="AMD"), watermark(151)]


@pytest.mark.parametrize("form", ["exact", "sketch"])
@pytest.mark.parametrize("profiles", [(), (profile(),)])
def test_bytes_round_trip(form, profiles):
    state = run(RECORDS, State(form), profiles=profiles).state
    state.places, state.clock_ms = PLACES, CLOCK_MS
    again = State.from_bytes(state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert (again.places, again.clock_ms, again.percentiles, again.keys) == (
        PLACES,
        CLOCK_MS,
        form,
        [("AMD", "minute"), ("NVDA", "minute")],
    )
    seen, unseen = ("NVDA", "minute"), ("KO", "minute")
    latest = again.latest_bars([seen, unseen])
    assert write_event_id(seen, latest[seen]) == bar(150, volume=9000).event_id
    assert latest[unseen] is None


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


OTHER_LAYOUTS = {
    "a kind more": ({"KINDS": (*states.KINDS, ("new_rule", "up"))}, "kinds, arrays"),
    "a kind more at the front": ({"KINDS": (("new_rule", "up"), *states.KINDS)}, "kinds, arrays"),
    "a kind fewer": ({"KINDS": states.KINDS[:-1]}, "kinds, arrays"),
    "a kind renamed": ({"KINDS": (("volume", ""), *states.KINDS[1:])}, "kinds"),
    "kinds in another order": ({"KINDS": states.KINDS[::-1]}, "kinds"),
    "memory more": ({"MEMORY": states.MEMORY | {"new_memory": "int64"}}, "memory, arrays"),
    "memory fewer": ({"MEMORY": dict(list(states.MEMORY.items())[1:])}, "memory, arrays"),
    "memory of another dtype": ({"MEMORY": states.MEMORY | {"volume_sum": "float32"}}, "memory, arrays"),
    "a changed formula": ({"VERSIONS": states.VERSIONS | {("literal", "price_gap"): 99}}, "versions of rules"),
    "a column's dtype": ({"_BAR_TYPES": states._BAR_TYPES | {"revision": "uint64"}}, "columns, arrays"),
    "other bins": ({"BINS": 512}, "sizes, arrays"),
    "more bars held": ({"ROW_BARS": 51, "REVISABLE": 30}, "sizes, arrays"),
}


@pytest.mark.parametrize("form", ["exact", "sketch"])
@pytest.mark.parametrize("layout", OTHER_LAYOUTS)
def test_a_snapshot_of_another_layout_is_refused_both_ways(monkeypatch, form, layout):
    changes, differing = OTHER_LAYOUTS[layout]
    state = run(RECORDS, State(form), profiles=(profile(),)).state
    ours = state.to_bytes()
    with monkeypatch.context() as other:
        for name, value in changes.items():
            other.setattr(states, name, value)
        with pytest.raises(StateError, match=f"written with other {differing} than this version has"):
            State.from_bytes(ours)
        theirs = State(form).to_bytes()
    with pytest.raises(StateError, match=f"written with other {differing} than this version has"):
        State.from_bytes(theirs)


def test_other_records_are_another_layout(monkeypatch):
    ours = states.describe_layout()
    monkeypatch.setattr(states, "_Header", RecordState)
    states._describe_layout.cache_clear()
    theirs = states.describe_layout()
    states._describe_layout.cache_clear()
    assert {name for name in ours if ours[name] != theirs[name]} == {"header"}


@pytest.mark.parametrize(
    "broken", [KeyError("x"), IndexError("x"), TypeError("x"), ValueError("x"), AttributeError("x")]
)
def test_whatever_happens_while_a_snapshot_is_unpacked_it_is_the_snapshots_fault(monkeypatch, broken):
    def unpack(*_):
        raise broken("x")

    raw = State().to_bytes()
    monkeypatch.setattr(states, "_unpack", unpack)
    with pytest.raises(StateError, match="unreadable detector snapshot"):
        State.from_bytes(raw)


@pytest.mark.parametrize("cut", range(0, 4000, 97))
def test_a_damaged_snapshot_is_refused_or_read_but_nothing_else(cut):
    raw = bytearray(run(RECORDS).state.to_bytes())
    raw[cut % len(raw)] ^= 0xFF
    with suppress(StateError):
        State.from_bytes(bytes(raw))


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


class TestASnapshotOfThisLayout:
    """Each file holds ``run(BEFORE, State(form), profiles=profiles).state`` with the places above, as a version of this
    layout has written it; each digest is of the contents of its state after ``AFTER``. Where the layout changes, the
    files move to ``snapshots/earlier`` under the name of their version, and new ones are written."""

    BEFORE = (
        *invented(0, 150), news(147), news(120, "a2", symbol="AMD"), watermark(151, rejected=1, bars=3),
        bar(148, volume=47_000, close=100.6),
    )  # fmt: skip
    AFTER = (bar(145, close=99.0), *invented(150, 172), news(149, "a3", title="Second recall"), watermark(190))
    form = pytest.mark.parametrize(
        ("form", "profiles", "digest"),
        [
            ("exact", (), "96c1f295351f8e1372b9099758a4ba19bc680c2d338187f19179de58a4fd53ae"),
            ("sketch", (profile(),), "a2613cb6df6e8112eb797ab1639cfeb97e1719cf830219f0d104d15e94e87aae"),
        ],
    )

    @form
    def test_is_read_and_written_again_byte_by_byte(self, form, profiles, digest):
        raw = (SNAPSHOTS / f"{form}.snapshot").read_bytes()
        assert contents(State.from_bytes(raw).to_bytes()) == contents(raw)
        state = run(self.BEFORE, State(form), profiles=profiles).state
        state.places, state.clock_ms = PLACES, CLOCK_MS
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


@pytest.mark.parametrize("file", sorted((SNAPSHOTS / "earlier").glob("*")), ids=lambda file: file.name)
def test_a_snapshot_of_an_earlier_version_is_refused_by_name(file):
    with pytest.raises(StateError, match=r"format 2; this version reads|written with other"):
        State.from_bytes(file.read_bytes())
