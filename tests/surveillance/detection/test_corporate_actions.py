"""Corporate actions take effect on their date, neither before nor for anybody else."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.records import Dividend, Split, TickerChange

DAY = np.datetime64("2026-01-05")
MONDAY = int(DAY.astype(int))


def date(offset: int) -> str:
    return str(DAY + offset)


def split(offset=0, to=2.0, of=1.0, symbol="ACME"):
    return Split(symbol=symbol, execution_date=date(offset), split_from=of, split_to=to)


def dividend(offset=0, cash=0.5, symbol="ACME", **more):
    return Dividend(symbol=symbol, ex_date=date(offset), cash_amount=cash, **more)


def days(*offsets):
    return np.array(offsets, dtype=np.int32) + MONDAY


def test_a_split_counts_from_its_execution_date_on():
    actions = CorporateActions(splits=(split(),))
    assert actions.share_factor("ACME", days(-1, 0, 1)).tolist() == [1.0, 2.0, 2.0]
    assert actions.share_factor("OTHER", days(-1, 0, 1)).tolist() == [1.0, 1.0, 1.0]
    assert (actions.has_splits("ACME"), actions.has_splits("OTHER")) == (True, False)


def test_price_times_factor_is_unmoved_by_forward_and_reverse_splits():
    actions = CorporateActions(splits=(split(3, to=1, of=8), split(0, to=4, of=1)))
    raw = np.array([100.0, 25.0, 25.0, 200.0])
    assert (raw * actions.share_factor("ACME", days(-1, 0, 2, 3))).tolist() == [100.0] * 4


@given(st.dictionaries(st.integers(-20, 20), st.tuples(st.integers(1, 20), st.integers(1, 20)), max_size=5), st.data())
def test_factor_is_the_product_of_what_has_been_executed(ratios, data):
    splits = [split(offset, to=to, of=of) for offset, (to, of) in ratios.items()]
    asked = data.draw(st.lists(st.integers(-25, 25), max_size=10))
    shuffled = data.draw(st.permutations(splits))
    found = CorporateActions(splits=tuple(shuffled)).share_factor("ACME", days(*asked))
    expected = [prod(to / of for offset, (to, of) in ratios.items() if offset <= day) for day in asked]
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx(expected)


def test_of_two_ratios_for_one_day_none_counts():
    actions = CorporateActions(splits=(split(to=2), split(to=3), split(5, to=4)))
    assert actions.share_factor("ACME", days(0, 5)).tolist() == [1.0, 4.0]


def test_actions_go_with_the_instrument_to_its_next_ticker():
    renamed = TickerChange(symbol="ACME", new_symbol="MORE", date=date(3))
    reverse = split(3, to=1, of=10), split(3, to=1, of=10, symbol="MORE")
    listed = (split(-2, to=2), *reverse, split(9, to=3, symbol="MORE"))
    actions = CorporateActions(listed, (dividend(1), dividend(5, 0.25, "MORE")), (renamed,))
    assert actions.share_factor("ACME", days(-3, -2, 3, 9)).tolist() == pytest.approx([1.0, 2.0, 0.2, 0.6])
    assert actions.dividend_between("ACME", MONDAY, MONDAY + 5) == pytest.approx(0.5 * 2 / 0.2 + 0.25)
    assert not actions.has_splits("MORE")


def test_cash_is_counted_after_the_one_date_and_up_to_the_other():
    actions = CorporateActions(dividends=(dividend(0, 0.5), dividend(3, 0.25), dividend(0, 9.0, "OTHER")))
    between = [actions.dividend_between("ACME", MONDAY + after, MONDAY + until) for after, until in
               [(-1, 0), (0, 2), (-1, 3), (-9, -1), (3, 9)]]  # fmt: skip
    assert between == [0.5, 0.0, 0.75, 0.0, 0.0]
    assert actions.dividend_between("NOBODY", MONDAY - 1, MONDAY) == 0.0


def test_cash_before_a_split_is_told_in_the_shares_after_it():
    actions = CorporateActions(splits=(split(2, to=4),), dividends=(dividend(0, 1.0), dividend(2, 0.1)))
    assert actions.dividend_between("ACME", MONDAY - 1, MONDAY + 2) == 1.0 / 4 + 0.1
    assert actions.dividend_between("ACME", MONDAY - 1, MONDAY + 1) == 1.0


def test_a_dividend_in_another_currency_is_no_dollars():
    assert CorporateActions(dividends=(dividend(currency="CAD"),)).dividend_between("ACME", MONDAY - 1, MONDAY) == 0.0


def test_a_ticker_is_given_up_until_another_takes_it():
    actions = CorporateActions(
        ticker_changes=(
            TickerChange(symbol="NEXT", new_symbol="ACME", date=date(10)),
            TickerChange(symbol="ACME", new_symbol="MORE", date=date(0)),
        )
    )
    assert [actions.is_given_up("ACME", MONDAY + offset) for offset in (-1, 0, 9, 10)] == [False, True, True, False]
    assert [actions.is_given_up("MORE", MONDAY + offset) for offset in (-1, 0)] == [False, False]
    assert [actions.is_given_up("NEXT", MONDAY + offset) for offset in (9, 10)] == [False, True]
    assert not actions.is_given_up("NOBODY", MONDAY)


def test_two_that_swap_tickers_both_keep_trading():
    swap = tuple(
        TickerChange(symbol=old, new_symbol=new, date=date(0)) for old, new in (("ACME", "MORE"), ("MORE", "ACME"))
    )
    for changes in (swap, swap[::-1]):
        actions = CorporateActions(ticker_changes=changes)
        assert not any(actions.is_given_up(symbol, MONDAY) for symbol in ("ACME", "MORE"))


def test_nothing_known_changes_nothing():
    actions = CorporateActions()
    assert actions.share_factor("ACME", days(0)).tolist() == [1.0]
    assert actions == CorporateActions()
