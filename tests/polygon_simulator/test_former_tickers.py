"""Tickers that were given up, as the vendor's own client finds them."""

from __future__ import annotations

import pytest
from polygon.exceptions import BadResponse


def test_an_instrument_has_a_history_of_tickers_by_its_ticker_and_by_its_figi(client):
    found = client.get_ticker_events("META")
    assert [(it["ticker_change"]["ticker"], it["date"]) for it in found.events] == [
        ("META", "2022-06-09"),
        ("FB", "2012-05-18"),
    ]
    (former,) = client.list_tickers(ticker="FB", active=False)
    assert former.composite_figi == found.composite_figi
    assert client.get_ticker_events(former.composite_figi).events == found.events
    with pytest.raises(BadResponse, match="NOT_FOUND"):
        client.get_ticker_events("FB")


def test_what_is_traded_no_more_is_listed_for_who_asks(client):
    gone = {it.ticker: it.delisted_utc for it in client.list_tickers(active=False)}
    assert gone == {"FB": "2022-06-09T00:00:00Z", "ATVI": "2023-10-13T00:00:00Z"}
    assert not {it.ticker for it in client.list_tickers(limit=1_000)} & gone.keys()
