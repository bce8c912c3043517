from __future__ import annotations

import json
from decimal import Decimal

import pytest

from include.surveillance import wire
from include.surveillance.records import Bar, Split

BAR = Bar(
    symbol="AAPL",
    timespan="minute",
    ts_ms=60_000,
    open=0.1 + 0.2,
    high=1.0,
    low=0.1,
    close=0.5,
    volume=Decimal("9099.618093"),
)


def test_the_wire_is_json_that_other_readers_understand():
    content = json.loads(wire.encode(BAR))
    assert content["kind"] == "bar"
    assert content["event_id"] == BAR.event_id
    assert content["open"] == 0.30000000000000004
    assert content["volume"] == "9099.618093", "text, so that no reader makes a float of it"
    assert content["vwap"] is None


def test_the_id_that_was_written_is_the_id_that_is_read():
    content = json.loads(wire.encode(BAR)) | {"event_id": "as published", "revision": "r"}
    assert wire.decode(json.dumps(content).encode()).event_id == "as published"


def test_fields_of_a_later_version_are_ignored():
    content = json.loads(wire.encode(BAR)) | {"of_tomorrow": 1}
    assert wire.decode(json.dumps(content).encode()) == BAR


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (None, "not a surveillance record"),
        (b"", "not a surveillance record"),
        (b"\xff\xfe", "not a surveillance record"),
        (b"[1]", "array"),
        (b'{"kind": "trade"}', "trade"),
        (b'{"symbol": "A"}', "kind"),
        (wire.encode(BAR).replace(b'"ts_ms":60000', b'"ts_ms":"now"'), r"\$\.ts_ms"),
        (wire.encode(Split(symbol="A", execution_date="d", split_from=1, split_to=2))[:-10], "truncated"),
    ],
)
def test_anything_else_is_an_error_that_says_where(raw, said):
    with pytest.raises(wire.WireError, match=said):
        wire.decode(raw)
