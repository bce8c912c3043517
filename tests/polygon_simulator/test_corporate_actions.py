"""Splits and dividends agree with the bars that they concern."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from tests.polygon_simulator.constants import DAY


def test_a_split_shows_in_raw_bars_and_not_in_adjusted_ones(client):
    split = next(iter(client.list_splits(execution_date_lt="2026-09-20", limit=1)))
    day = datetime.fromisoformat(split.execution_date).replace(tzinfo=UTC)
    at = int(day.timestamp() * 1000)
    factor = split.split_from / split.split_to

    def closes(adjusted):
        bars = client.list_aggs(split.ticker, 1, "day", at - DAY, at, adjusted=adjusted)
        before, after = [bar.close for bar in bars]
        return after / before

    assert closes(False) / factor == pytest.approx(closes(True), rel=1e-4)


def test_dividends_come_each_quarter_and_carry_their_dates_in_order(served):
    dividends = served.get("/v3/reference/dividends", ticker="KO", limit=1000).json()["results"]
    days = [datetime.fromisoformat(item["ex_dividend_date"]) for item in dividends]
    assert len(days) == 8
    assert {(later - earlier).days for later, earlier in itertools.pairwise(days)} == {91}
    for item in dividends:
        assert item["declaration_date"] < item["ex_dividend_date"] == item["record_date"] < item["pay_date"]


@pytest.mark.parametrize(("name", "date"), [("splits", "execution_date"), ("dividends", "ex_dividend_date")])
def test_the_newer_shape_holds_the_same_actions(served, name, date):
    older = served.get(f"/v3/reference/{name}", limit=1000).json()["results"]
    newer = served.get(f"/stocks/v1/{name}", limit=1000).json()["results"]
    assert [(item["id"], item["ticker"], item[date]) for item in newer] == [
        (item["id"], item["ticker"], item[date]) for item in older
    ]
    oldest_first = served.get(f"/stocks/v1/{name}", limit=5000, sort=f"{date}.asc").json()["results"]
    assert [item[date] for item in oldest_first] == sorted(item[date] for item in older)
    assert all(item["historical_adjustment_factor"] > 0 for item in newer)
