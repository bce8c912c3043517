"""The two ends of one format: the stamps that detection writes as headers, and what is read of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.alerts.latency import LatencyStamps, stamp_headers
from include.surveillance.records import Watermark

times = st.integers(1, 9_999_999_999_999)


def watermark(polled_ms: int = 0) -> Watermark:
    return Watermark(symbol="A", timespan="minute", from_ms=0, as_of_ms=1, bars=1, polled_ms=polled_ms)


@given(times, times, times, times)
def test_what_is_written_is_read(polled_ms, stored_ms, began_ms, published_ms):
    headers = stamp_headers(watermark(polled_ms), stored_ms, began_ms)
    assert LatencyStamps.from_headers(headers, published_ms) == (polled_ms, stored_ms, began_ms, published_ms)


def test_a_recorded_bar_does_not_say_when_it_was_asked_for():
    headers = stamp_headers(watermark(), 2, 3)
    assert set(headers) == {"appended_ms", "detected_ms"}
    assert LatencyStamps.from_headers(headers, 4) == (None, 2, 3, 4)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "\u0661", "12345678901234", "soon"])
def test_a_header_that_is_no_such_time_counts_as_missing(text):
    assert LatencyStamps.from_headers({"detected_ms": text}, 4) == LatencyStamps(published_ms=4)
