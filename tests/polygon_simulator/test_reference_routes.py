"""Reference data through the vendor's own client, with nothing but its base changed."""

from __future__ import annotations

import pytest
from polygon.exceptions import BadResponse


def test_reference_data(client):
    tickers = list(client.list_tickers(market="stocks", limit=5))
    assert [ticker.ticker for ticker in tickers] == sorted(ticker.ticker for ticker in tickers)
    assert len({ticker.composite_figi for ticker in tickers}) == 24
    assert client.get_ticker_details("AAPL").name == "Apple Inc."
    dividends = list(client.list_dividends("KO", limit=3))
    assert [item.ex_dividend_date for item in dividends] == sorted(
        (item.ex_dividend_date for item in dividends), reverse=True
    )
    with pytest.raises(BadResponse, match="Ticker not found"):
        client.get_ticker_details("NONE")
