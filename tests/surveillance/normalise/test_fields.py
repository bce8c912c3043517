"""Single fields of the vendor's JSON: the value bit for bit, or a reason that can be counted."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.errors import SurveillanceError
from include.surveillance.normalise import fields
from include.surveillance.normalise.fields import UnusableError
from include.surveillance.timespans import to_utc


@given(st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False))
def test_a_price_is_the_float_that_its_text_stands_for(price):
    assert fields.read_price(fields.parse_object(json.dumps({"o": price}).encode()), "o") == price


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "o missing"),
        ("sNaN", "o unusable"),
        ("NaN", "price not finite"),
        (True, "o unusable"),
        ([1], "o unusable"),
        (0, "price not positive"),
        (Decimal("-0.01"), "price not positive"),
        (Decimal("1e400"), "price not finite"),
        (10**400, "price not finite"),
    ],
)
def test_what_is_no_price_says_why(value, reason):
    with pytest.raises(UnusableError) as caught:
        fields.read_price({"o": value}, "o")
    assert caught.value.reason == reason
    assert caught.value.detail
    assert isinstance(caught.value, SurveillanceError)


@given(st.decimals(0, 10**15, places=6), st.sampled_from(["{}", "{:E}", "{:f}"]))
def test_shares_are_the_same_number_however_it_is_written(volume, form):
    read = fields.write_out(fields.read_number({"v": form.format(volume)}, "v"))
    assert read == volume
    assert "E" not in str(read) or read == 0


@pytest.mark.parametrize("value", ["many", "", "-", "sNaN", True, [], None])
def test_an_optional_number_that_is_none_is_left_out_and_another_says_why(value):
    assert fields.read_optional_number({"v": value}, "v") is None
    with pytest.raises(UnusableError, match=r"v (missing|unusable)"):
        fields.read_number({"v": value}, "v")


@given(st.integers(-(2**62), 2**62))
def test_whole_numbers_may_be_written_as_fractions_or_as_text(number):
    for written in (number, Decimal(f"{number}.0"), str(number), f"{number}.0"):
        assert fields.read_whole({"n": written}, "n") == number


@pytest.mark.parametrize("value", [None, 10**20, "1e999999", Decimal("1.5"), True, "soon", "NaN", "Infinity"])
def test_other_numbers_are_no_whole_ones(value):
    with pytest.raises(UnusableError, match=r"n (missing|unusable)"):
        fields.read_whole({"n": value}, "n")


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_is_read_to_the_millisecond_and_means_utc_unless_it_says_otherwise(ts_ms):
    at = to_utc(ts_ms)
    for text in (at.isoformat(), at.replace(tzinfo=None).isoformat(), at.isoformat().replace("+00:00", "Z")):
        assert fields.read_time({"published_utc": text}, "published_utc") in (ts_ms, ts_ms - 1)  # cut, not rounded


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30T00:00:00Z", "", 5])
def test_what_is_no_time_is_unusable(text):
    with pytest.raises(UnusableError, match="published_utc"):
        fields.read_time({"published_utc": text}, "published_utc")


def test_dates_and_texts():
    assert fields.read_date({"d": "2026-01-31"}, "d") == "2026-01-31"
    with pytest.raises(UnusableError, match="is not YYYY-MM-DD"):
        fields.read_date({"d": "2026-02-30"}, "d")
    assert fields.read_optional_text({"t": ""}, "t") is None
    with pytest.raises(UnusableError, match="is not a text"):
        fields.read_text({"t": "half a pair \ud800"}, "t")


@pytest.mark.parametrize(("raw", "reason"), [(b"{", "not JSON"), (b"[1]", "not an object"), (b"\xff", "not JSON")])
def test_what_is_no_object_says_why(raw, reason):
    with pytest.raises(UnusableError) as caught:
        fields.parse_object(raw)
    assert caught.value.reason == reason
