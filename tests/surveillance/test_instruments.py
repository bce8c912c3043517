"""Who holds a ticker, and which statements about instruments hold, in whatever order they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.instruments import (
    OTHER_CURRENCY,
    TWO_PREDECESSORS,
    TWO_RATIOS,
    TWO_SUCCESSORS,
    Tickers,
    settle_changes,
    settle_dividends,
    settle_splits,
)
from include.surveillance.records import Dividend, Payment, Split, TickerChange

DAY = "2022-06-09"


def change(old, new, date=DAY):
    return TickerChange(symbol=old, new_symbol=new, date=date)


def split(symbol="A", to=2.0, of=1.0, date=DAY):
    return Split(symbol=symbol, execution_date=date, split_from=of, split_to=to)


def paid(cash, kind="", pay_date="", symbol="A", date=DAY, currency="USD"):
    payment = Payment(cash_amount=cash, type=kind, pay_date=pay_date)
    return Dividend(symbol=symbol, ex_date=date, cash_amount=cash, currency=currency, payments=(payment,))


def reasons(settled):
    return {index: objection.reason for index, objection in settled[1].items()}


def test_a_ticker_that_never_changed_hands_is_its_own_holder():
    tickers = Tickers()
    assert not tickers
    assert (tickers.holder("A", DAY), tickers.names("A"), tickers.related("A")) == ("A", (("", "A"),), {"A"})


def test_facebook_takes_the_ticker_of_a_fund():
    tickers = Tickers([change("FB", "META"), change("META", "METV", "2022-01-31"), change("", "FB", "2025-06-03")])
    dates = ("2022-01-30", "2022-01-31", "2022-06-08", DAY)
    holders = ["META", "META 2022-01-31", "META 2022-01-31", "FB"]
    assert [tickers.holder("META", date) for date in dates] == holders
    assert tickers.holder("METV", DAY) == "META"
    holders = ["FB", f"FB {DAY}", "FB 2025-06-03"]
    assert [tickers.holder("FB", date) for date in ("2022-06-08", DAY, "2025-06-03")] == holders
    assert tickers.names("FB") == [("", "FB"), (DAY, "META")]
    assert tickers.names("FB 2025-06-03")[0] == ("", "FB")
    assert tickers.related("META") == {"META", "FB", "METV"}


def test_a_ticker_that_comes_back_is_the_same_instrument():
    tickers = Tickers([change("XYZ", "XYZD", "2022-06-01"), change("XYZD", "XYZ", "2022-06-29")])
    asked = [("XYZ", "2022-05-31"), ("XYZD", DAY), ("XYZ", "2022-06-29"), ("XYZ", DAY)]
    assert [tickers.holder(*one) for one in asked] == ["XYZ", "XYZ", "XYZ", "XYZ 2022-06-01"]


def test_two_that_swap_and_three_that_move_on_do_so_at_once():
    swapped = Tickers([change("A", "B"), change("B", "A")])
    assert [swapped.holder(symbol, DAY) for symbol in "AB"] == ["B", "A"]
    moved = Tickers([change("B", "C"), change("A", "B")])
    assert [moved.holder(symbol, DAY) for symbol in "ABC"] == [f"A {DAY}", "A", "B"]


def test_what_goes_ex_on_the_day_of_the_change_is_the_leaving_instruments():
    tickers = Tickers([change("A", "B")])
    asked = [("A", DAY), ("B", DAY), ("B", "2022-06-08"), ("A", "2022-06-10")]
    assert [tickers.acting(*one) for one in asked] == ["A", "A", "B", f"A {DAY}"]
    assert Tickers([change("A", "B"), change("C", "A")]).acting("A", DAY) == "C"
    assert Tickers([change("A", "")]).acting("A", DAY) == "A"


def test_changes_that_contradict_each_other_do_not_count():
    found = settle_changes([change("A", "B"), change("A", "C"), change("A", ""), change("D", "E"), change("", "E")])
    assert [(it.symbol, it.new_symbol) for it in found[0]] == [("D", "E")]
    assert reasons(found) == {0: TWO_SUCCESSORS, 1: TWO_SUCCESSORS, 2: TWO_SUCCESSORS}
    assert set(reasons(settle_changes([change("A", "C"), change("B", "C")])).values()) == {TWO_PREDECESSORS}


def test_one_split_listed_twice_is_one_and_two_ratios_are_none():
    found = settle_splits([split(), split(to=4.0, of=2.0), split("B"), split("B", to=10.0)])
    assert [(it.symbol, it.split_to) for it in found[0]] == [("A", 2.0)]
    assert reasons(found) == {2: TWO_RATIOS, 3: TWO_RATIOS}
    assert found[1][2].detail == f"B on {DAY}: 10 for 1 and 2 for 1"


def test_a_reverse_split_with_a_new_ticker_is_found_under_both():
    tickers = Tickers([change("OLD", "NEW")])
    found = settle_splits([split("OLD", 1.0, 10.0), split("NEW", 1.0, 10.0)], tickers)
    assert [it.symbol for it in found[0]] == ["NEW"]
    assert set(reasons(settle_splits([split("OLD", 1.0, 10.0), split("NEW", 1.0, 20.0)], tickers))) == {0, 1}


@pytest.mark.parametrize(
    ("listed", "cash"),
    [
        ([paid(1.02, "CD", "2024-02-16"), paid(15.0, "SC", "2024-01-12")], 16.02),
        ([paid(1.02, "CD", "2024-02-16"), paid(1.02, "CD", "2024-02-16")], 1.02),
        ([paid(1.02, "CD", "2024-02-16"), paid(1.02)], 1.02),
        ([paid(1.02, "CD"), paid(1.02, "", "2024-02-16")], 1.02),
        ([paid(0.5, "CD"), paid(0.5, "SC")], 1.0),
        ([paid(0.5, "CD", "2024-02-16"), paid(0.5, "CD", "2024-03-16")], 1.0),
        ([paid(1.02), paid(1.38, currency="CAD")], 1.02),
    ],
)
def test_different_dividends_of_a_day_add_up_and_the_same_one_does_not(listed, cash):
    for given_order in (listed, listed[::-1]):
        (found,), objections = settle_dividends(given_order)
        assert found.cash_amount == pytest.approx(cash)
        assert all(objection.reason == OTHER_CURRENCY for objection in objections.values())


def test_what_has_been_settled_stays_as_it_is():
    once, _ = settle_dividends([paid(1.02, "CD"), paid(15.0, "SC"), paid(2.0, symbol="B")])
    assert settle_dividends(once) == (once, {})


SYMBOLS, DATES = st.sampled_from(["A", "B", "C", "D"]), st.sampled_from(["2022-06-08", DAY, "2022-06-10"])
CHANGES = st.lists(st.builds(change, st.sampled_from(["", *"ABCD"]), SYMBOLS, DATES), max_size=6)
SPLITS = st.lists(
    st.builds(split, SYMBOLS, st.sampled_from([2.0, 4.0]), st.sampled_from([1.0, 2.0]), DATES), max_size=8
)
KINDS = st.sampled_from(["", "CD", "SC"])
PAID = st.lists(st.builds(paid, st.sampled_from([0.5, 1.0]), KINDS, st.just(""), SYMBOLS, DATES), max_size=8)


@given(CHANGES, SPLITS, PAID, st.randoms(use_true_random=False))
def test_the_order_of_statements_never_matters(changes, splits, dividends, random):
    tickers = Tickers(changes)
    expected = settle_splits(splits, tickers)[0], settle_dividends(dividends, tickers)[0]
    for statements in (changes, splits, dividends):
        random.shuffle(statements)
    shuffled = Tickers(changes)
    assert (settle_splits(splits, shuffled)[0], settle_dividends(dividends, shuffled)[0]) == expected


@given(CHANGES, DATES)
def test_an_instrument_has_the_ticker_that_it_holds(changes, date):
    tickers = Tickers(changes)
    for symbol in "ABCD":
        holder = tickers.holder(symbol, date)
        assert [name for since, name in tickers.names(holder) if since <= date][-1] == symbol
