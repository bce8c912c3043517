"""Numbers and times as explanations show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.alerts import wording
from include.surveillance.timespans import SPAN_MS

AT = 1_550_154_660_000  # 2019-02-14 14:31 UTC


def test_times():
    assert wording.clock(AT) == "14:31 UTC"
    assert wording.during("minute", AT) == "in the minute from 14:31 UTC"
    assert wording.during("day", AT, "2019-02-14") == "on 2019-02-14"
    assert wording.until("5minute", AT, "2019-02-14") == "up to the 5 minutes from 14:31 UTC"
    assert wording.until("day", AT, "2019-02-14") == "up to 2019-02-14"


@pytest.mark.parametrize("timespan", SPAN_MS)
def test_every_timespan_has_words(timespan):
    assert wording.during(timespan, AT, "2019-02-14")
    assert wording.until(timespan, AT, "2019-02-14").startswith("up to ")


@pytest.mark.parametrize(
    ("volume", "text"), [(1_234_567.8, "1,234,568"), (100.0, "100"), (99.5, "99.5"), (2.0, "2"), (0.004, "0")]
)
def test_shares_are_whole_from_a_hundred_on(volume, text):
    assert wording.shares(volume) == text


@pytest.mark.parametrize(
    ("value", "text"), [(10.0, "10.00"), (1_234.5, "1,234.50"), (0.12345, "0.1235"), (9.999, "9.999")]
)
def test_prices_have_two_to_four_decimals(value, text):
    assert wording.price(value) == text


@given(st.integers(1, 10**9), st.integers(1, 9_999))
def test_prices_that_differ_by_a_ten_thousandth_do_not_read_the_same(ten_thousandths, step):
    assert wording.price(ten_thousandths / 1e4) != wording.price((ten_thousandths + step) / 1e4)


def test_fractions_are_percentages():
    assert wording.percent(0.0212) == "2.12 %"
    assert wording.percent(12.5, 0) == "1,250 %"
