"""Numbers and times as explanations show them."""

from __future__ import annotations

from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.alerts import wording
from include.surveillance.timespans import SPAN_MS

AT = 1_550_154_660_000  # 2019-02-14 14:31 UTC

sizes = st.floats(1e-5, 1e9)
pairs = st.one_of(
    st.tuples(sizes, sizes),
    sizes.map(lambda size: (size, nextafter(size, 2 * size))),
    sizes.map(lambda size: (size, size * 1.00001)),
)


def read(text: str) -> float:
    return float(text.removesuffix(" %").replace(",", "")) / (100 if text.endswith("%") else 1)


def test_times_are_new_yorks_and_utc_beside_them():
    assert wording.clock(AT) == "09:31 New York (14:31 UTC)"
    assert wording.clock(AT + 5_000) == "09:31:05 New York (14:31:05 UTC)"
    assert wording.during("minute", AT) == "in the minute from 09:31 New York (14:31 UTC)"
    assert wording.during("day", AT, "2019-02-14") == "on 2019-02-14"
    assert wording.until("5minute", AT, "2019-02-14") == "up to the 5 minutes from 09:31 New York (14:31 UTC)"
    assert wording.until("day", AT, "2019-02-14") == "up to 2019-02-14"
    assert wording.between(AT, AT + 240_000) == "in the 4 minutes from 09:31 to 09:35 New York (14:31 to 14:35 UTC)"


@pytest.mark.parametrize(
    ("utc_ms", "said"),
    [
        (1_583_676_000_000 - 60_000, "09:59 New York (13:59 UTC)"),  # 2020-03-08, clocks have gone forward
        (1_583_650_800_000 - 60_000, "01:59 New York (06:59 UTC)"),  # a minute before they do
        (1_583_650_800_000, "03:00 New York (07:00 UTC)"),
        (1_550_188_800_000, "19:00 New York (00:00 UTC)"),
    ],
)
def test_new_yorks_clock_changes_in_spring(utc_ms, said):
    assert wording.clock(utc_ms) == said


@pytest.mark.parametrize("timespan", SPAN_MS)
def test_every_timespan_has_words(timespan):
    assert wording.during(timespan, AT, "2019-02-14")
    assert wording.until(timespan, AT, "2019-02-14").startswith("up to ")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_234_567.8, "1,234,568"), (100.0, "100"), (99.5, "99.5"), (2.0, "2"), (0.004, "0.004"), (0.0, "0"), (-3, "-3")],
)
def test_numbers_have_four_digits_and_are_whole_from_a_thousand_on(value, text):
    assert wording.numbers(value) == [text]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.0, "10.00"), (1_234.5, "1,234.50"), (0.12345, "0.12345"), (9.999, "9.999"), (0.0001, "0.0001"),
        (712_345.678, "712,345.68"), (0.000012345678, "0.0000123457"),
    ],
)  # fmt: skip
def test_prices_have_two_decimals_and_six_digits(value, text):
    assert wording.prices(value) == [text]


def test_fractions_are_percentages():
    assert wording.percents(0.0212, 12.5, 0.00031234) == ["2.12 %", "1,250.00 %", "0.0312 %"]


@pytest.mark.parametrize("write", [wording.numbers, wording.prices, wording.percents])
@given(pair=pairs)
def test_two_different_numbers_never_read_the_same_and_each_reads_as_it_is(write, pair):
    texts = write(*pair)
    assert (texts[0] == texts[1]) == (pair[0] == pair[1])
    assert all("e" not in text for text in texts)
    for text, number in zip(texts, pair, strict=True):
        assert read(text) == pytest.approx(number, rel=5e-3)
    if pair[0] < pair[1]:
        assert read(texts[0]) <= read(texts[1])


def test_equal_numbers_read_the_same():
    assert wording.prices(101.5, 101.5) == ["101.50", "101.50"]
    assert wording.numbers(0.0, -0.0)[0] == "0"


@pytest.mark.parametrize(
    ("sessions", "text"),
    [
        (1.0, "in most sessions"), (1.4, "in most sessions"), (2.0, "once in 2 sessions"), (9.6, "once in 10 sessions"),
        (40.4, "once in 40 sessions"), (1_234.0, "once in 1,200 sessions"), (4_095.0, "once in 4,096 sessions"),
        (4_096.0, "once in 4,096 sessions or more"),
    ],
)  # fmt: skip
def test_rarity_is_said_in_two_digits_up_to_where_nothing_can_be_told_apart(sessions, text):
    assert wording.rarity(sessions) == text
