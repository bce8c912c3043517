"""Every record survives the wire bit for bit, and no bytes can do worse than a WireError."""

from __future__ import annotations

import struct
from contextlib import suppress
from decimal import Decimal
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from include.surveillance import wire
from include.surveillance.records import AnyRecord, Bar

floats = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = {
    Decimal: st.decimals(0, 10**15, places=6),
    float: floats,
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(codec="utf-8"), max_size=20),
    bool: st.booleans(),
    NoneType: st.none(),
}


def drawn(hint: object) -> st.SearchStrategy:
    """Values of a field's type that JSON can carry."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Struct):
        return built(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple and get_args(hint)[-1] is not Ellipsis:
        return st.tuples(*map(drawn, get_args(hint)))
    if (sequence := get_origin(hint)) in (tuple, list):
        return st.lists(drawn(get_args(hint)[0]), max_size=3).map(sequence)
    return st.one_of(*map(drawn, get_args(hint)))


def built(kind: type) -> st.SearchStrategy:
    """Records, or parts of them, of a kind; id and revision are now and then left to the record itself."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: drawn(hints[name]) for name in kind.__struct_fields__})


records = st.one_of(*map(built, get_args(AnyRecord)))


@given(records)
def test_a_record_comes_back_as_it_was(record):
    back = wire.decode(wire.encode(record))
    assert type(back) is type(record)
    assert back == record
    assert wire.encode(back) == wire.encode(record)


@given(floats)
def test_a_price_keeps_every_bit(price):
    bar = Bar(symbol="A", timespan="minute", ts_ms=0, open=price, high=1, low=1, close=1, volume=Decimal(1))
    assert struct.pack("d", wire.decode(wire.encode(bar)).open) == struct.pack("d", price)


@given(st.binary(max_size=200))
def test_bytes_are_a_record_or_an_error(raw):
    with suppress(wire.WireError):
        wire.decode(raw)


@given(records, st.data())
def test_a_damaged_record_is_another_record_or_an_error(record, data):
    raw = bytearray(wire.encode(record))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(wire.WireError):
        wire.decode(bytes(raw))


@given(records, st.data())
def test_a_cut_record_is_an_error(record, data):
    raw = wire.encode(record)
    with pytest.raises(wire.WireError):
        wire.decode(raw[: data.draw(st.integers(0, len(raw) - 1))])
