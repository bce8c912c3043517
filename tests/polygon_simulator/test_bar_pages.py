"""However a range is cut into pages, the bars are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.polygon_simulator.bar_pages import Query, read_page
from include.polygon_simulator.market import synthetic_market
from tests.polygon_simulator.constants import DAY, MINUTE, NOON

MARKETS = {name: synthetic_market(3, name, 24, clock=lambda: NOON) for name in ("24/7", "XNYS")}

spans = st.sampled_from([(1, "minute"), (5, "minute"), (7, "minute"), (1, "hour"), (5, "hour"), (1, "day"), (3, "day")])


@settings(max_examples=60, deadline=None)
@given(
    calendar=st.sampled_from(sorted(MARKETS)),
    symbol=st.sampled_from(["AAPL", "PPLT"]),
    span=spans,
    start=st.integers(1, 5 * 1440),
    length=st.integers(0, 1440),
    limit=st.integers(40, 3000),
    ascending=st.booleans(),
)
def test_pages_join_to_the_same_bars(calendar, symbol, span, start, length, limit, ascending):
    market, from_ms = MARKETS[calendar], NOON - start * MINUTE
    if span[1] == "day":
        limit = limit % 4 + 1
    query = Query(symbol, *span, from_ms, from_ms + length * MINUTE, ascending=ascending, limit=50_000)
    whole = read_page(market, query)
    assert whole.following is None
    rows, page_query = [], Query(**{**vars(query), "limit": limit})
    while page_query:
        page = read_page(market, page_query)
        rows += page.rows
        page_query = page.following
    assert rows == whole.rows
    starts = [row["t"] for row in rows]
    assert starts == sorted(set(starts), reverse=not ascending)


@pytest.mark.parametrize("ascending", [True, False])
def test_a_limit_below_one_window_still_gives_whole_windows(ascending):
    query = Query("AAPL", 1, "hour", NOON - 300 * MINUTE, NOON, ascending=ascending, limit=1)
    page = read_page(MARKETS["24/7"], query)
    assert len(page.rows) == 1
    assert page.following is not None
    whole = read_page(MARKETS["24/7"], Query(**{**vars(query), "limit": 50_000}))
    assert page.rows[0] == whole.rows[0]


def test_days_of_the_exchange_start_at_midnight_in_new_york_across_daylight_saving():
    march = 1_773_100_800_000  # 2026-03-10: the clocks went forward on the 8th
    market = MARKETS["XNYS"]
    first = read_page(market, Query("AAPL", 1, "day", march - 5 * DAY, march, limit=2))
    rows = first.rows + read_page(market, first.following).rows
    assert [row["t"] % DAY // 3_600_000 for row in rows] == [5, 5, 5, 4]
