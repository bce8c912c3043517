"""The same keys and types as recorded answers of the vendor."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.polygon_simulator.market import synthetic_market
from tests.paths import SHARED_DATA

PAYLOADS = SHARED_DATA / "polygon_payloads"

pytestmark = pytest.mark.skipif(not PAYLOADS.is_dir(), reason=f"no recorded payloads in {PAYLOADS}; set SHARED_DATA")


def shape(value: Any) -> Any:
    """Types instead of values; int and float are one, lists have the shape of their first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if type(value) in (int, float) else type(value).__name__


def lacking(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """What the recorded shape has and ours has not, or has otherwise."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        gaps = []
        for key, item in recorded.items():
            gaps += lacking(item, ours[key], f"{path}.{key}") if key in ours else [f"{path}.{key} is missing"]
        return gaps
    if isinstance(recorded, list) and isinstance(ours, list):
        return lacking(recorded[0], ours[0], f"{path}[]") if recorded and ours else []
    return [] if recorded in (ours, "NoneType") else [f"{path}: {recorded} is {ours}"]


@pytest.mark.parametrize(
    ("recording", "path"),
    [
        (
            "v2_aggs_ticker_AAPL_range_1_day_2005-04-01_2005-04-04",
            "/v2/aggs/ticker/AAPL/range/1/day/2026-09-20/2026-09-21",
        ),
        ("v2_aggs_ticker_AAPL_prev", "/v2/aggs/ticker/AAPL/prev"),
        (
            "v2_aggs_grouped_locale_us_market_stocks_2005-04-04_adjusted_true",
            "/v2/aggs/grouped/locale/us/market/stocks/2026-09-21",
        ),
        ("v2_snapshot_locale_us_markets_stocks_tickers_index", "/v2/snapshot/locale/us/markets/stocks/tickers"),
        ("v2_snapshot_locale_us_markets_stocks_tickers_AAPL", "/v2/snapshot/locale/us/markets/stocks/tickers/AAPL"),
        ("v2_reference_news_ticker_NFLX", "/v2/reference/news?ticker=AAPL"),
        ("v3_reference_tickers", "/v3/reference/tickers?limit=2"),
        ("v3_reference_tickers_AAPL", "/v3/reference/tickers/AAPL"),
        (
            "vX_reference_tickers_META_events_types_ticker_change",
            "/vX/reference/tickers/META/events?types=ticker_change",
        ),
        ("v3_reference_splits", "/v3/reference/splits"),
        ("v3_reference_dividends", "/v3/reference/dividends"),
        ("v1_marketstatus_now", "/v1/marketstatus/now"),
    ],
)
def test_recorded_answer(served, recording, path):
    recorded = shape(json.loads((PAYLOADS / f"{recording}.json").read_text()))
    ours = shape(served.http.get(path).json())
    # Fair market value is a feature of business plans only.
    assert [gap for gap in lacking(recorded, ours) if not gap.endswith(".fmv is missing")] == []


def test_documented_news_with_insights(served):
    documented = json.loads((PAYLOADS / "_openapi_examples.json").read_text())["GET /v2/reference/news"]
    articles = served.get("/v2/reference/news", limit=100).json()
    articles["results"] = [article for article in articles["results"] if "insights" in article]
    assert lacking(shape(documented), shape(articles)) == []


def test_documented_holidays(serve, clock):
    exchange = serve(synthetic_market(1, "XNYS", 5, clock=clock), clock)
    ours = exchange.get("/v1/marketstatus/upcoming").json()
    recorded = json.loads((PAYLOADS / "v1_marketstatus_upcoming.json").read_text())

    def by_status(entries):
        return {entry["status"]: shape(entry) for entry in entries}

    assert by_status(ours) == by_status(recorded)
    assert {"exchange": "NYSE", "name": "Thanksgiving", "date": "2026-11-26", "status": "closed"} in ours
