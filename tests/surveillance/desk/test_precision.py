"""Shares with their intervals: of what was seen, between 0 and 1, narrower the more there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.desk.precision import Share, measure_precision, measure_share
from tests.surveillance.desk.facts import VERDICTS, closed, facts

SHARES = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("part", "n", "lower", "upper"),
    # Reckoned by hand from Wilson's formula.
    [
        (0, 40, 0.0, 0.08762160),
        (1, 10, 0.01787621, 0.40415003),
        (5, 10, 0.23659309, 0.76340691),
        (10, 10, 0.72246734, 1.0),
    ],
)
def test_intervals_are_wilsons(part, n, lower, upper):
    measured = measure_share(part, n)
    assert (measured.lower, measured.upper) == pytest.approx((lower, upper), abs=1e-6)


@given(SHARES)
def test_an_interval_holds_its_share_and_its_mirror_is_that_of_the_rest(given_share):
    part, n = given_share
    it, rest = measure_share(part, n), measure_share(n - part, n)
    assert 0 <= it.lower <= it.share <= it.upper <= 1
    assert (it.lower, it.upper) == pytest.approx((1 - rest.upper, 1 - rest.lower), abs=1e-12)


@given(SHARES, st.integers(2, 10))
def test_the_same_share_of_more_is_surer(given_share, times):
    part, n = given_share
    few, many = measure_share(part, n), measure_share(part * times, n * times)
    assert many.upper - many.lower < few.upper - few.lower


def test_of_nothing_nothing_is_known():
    assert measure_share(0, 0) == Share(0, 0, None, None, None)


def test_precision_counts_verdicts_alone():
    given_facts = [
        closed(0, "escalated"), closed(1, "usual"), closed(2, "usual"), closed(3, "duplicate"), closed(4, "gone"),
        facts(5, state="to sign", reason="escalated"), facts(6),
    ]  # fmt: skip
    measured = measure_precision(given_facts, VERDICTS)
    assert (measured.part, measured.n) == (1, 3)
