"""The routes of reference data: tickers, corporate actions, news and market status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request, Response

from include.polygon_simulator import corporate_actions, former_tickers
from include.polygon_simulator.answers import (
    RefusedError,
    answer,
    epoch_ms,
    listing,
    paged,
    parameters,
    request_id,
    whole_number,
)
from include.polygon_simulator.market import Market
from include.polygon_simulator.market_status import market_now, upcoming_holidays
from include.polygon_simulator.newsroom import Newsroom
from include.polygon_simulator.universe import Instrument
from include.surveillance.timespans import DAY_MS

NEWS_HISTORY_MS = 30 * DAY_MS


def reference_router(market: Market) -> APIRouter:
    router = APIRouter()
    newsroom = Newsroom(market)

    @lru_cache(maxsize=1)
    def all_inactive(today: str) -> list[dict[str, Any]]:
        return [
            _listed(instrument)
            | {"active": False, "composite_figi": figi, "delisted_utc": f"{last_day}T00:00:00Z"}
            | {"last_updated_utc": f"{today}T00:00:00Z"}
            for instrument, figi, last_day in former_tickers.inactive(market)
        ]

    @lru_cache(maxsize=1)
    def all_listed(today: str) -> list[dict[str, Any]]:
        updated = {"last_updated_utc": f"{today}T00:00:00Z"}
        return [_listed(instrument) | updated for instrument in market.instruments.values()]

    @router.get("/v3/reference/tickers")
    async def tickers(request: Request) -> Response:
        # Without a word about it the vendor lists what is traded.
        inactive = parameters(request).get("active") == "false"
        listed = all_inactive if inactive else all_listed
        return listing(request, listed(market.today()), sort="ticker", order="asc")

    @router.get("/vX/reference/tickers/{identifier}/events")
    async def events(identifier: str) -> Response:
        found = former_tickers.ticker_events(market, identifier)
        return answer({"results": found, "status": "OK", "request_id": request_id()})

    @router.get("/v3/reference/tickers/{ticker}")
    async def details(ticker: str) -> Response:
        if ticker not in market.instruments:
            raise RefusedError(404, "NOT_FOUND", "Ticker not found.")
        return answer({"results": _detailed(market.instruments[ticker]), "status": "OK", "request_id": request_id()})

    def add_actions(path: str, actions: Callable[[Market], list[dict[str, Any]]], sort: str, most: int) -> None:
        @router.get(path)
        async def route(request: Request) -> Response:
            return listing(request, actions(market), sort=sort, order="desc", most=most, count=False)

    add_actions("/v3/reference/splits", corporate_actions.splits, "execution_date", 1_000)
    add_actions("/v3/reference/dividends", corporate_actions.dividends, "ex_dividend_date", 1_000)
    add_actions("/stocks/v1/splits", corporate_actions.stocks_splits, "execution_date", 5_000)
    add_actions("/stocks/v1/dividends", corporate_actions.stocks_dividends, "ex_dividend_date", 5_000)

    @router.get("/v2/reference/news")
    async def news(request: Request) -> Response:
        return _news(request, market, newsroom)

    @router.get("/v1/marketstatus/now")
    async def status_now() -> Response:
        return answer(market_now(market))

    @router.get("/v1/marketstatus/upcoming")
    async def status_upcoming() -> Response:
        return answer(upcoming_holidays(market))

    return router


def _listed(instrument: Instrument) -> dict[str, Any]:
    return {
        "ticker": instrument.symbol,
        "name": instrument.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": instrument.exchange,
        "type": instrument.type,
        "active": True,
        "currency_name": "usd",
        "cik": instrument.cik,
        "composite_figi": former_tickers.composite_figi(instrument),
        "share_class_figi": f"BBG{instrument.identifier('share class', 9)}",
    }


def _detailed(instrument: Instrument) -> dict[str, Any]:
    shares = round(instrument.daily_volume * 150)
    return _listed(instrument) | {
        "market_cap": round(shares * instrument.price),
        "phone_number": "(212) 555-0100",
        "address": {"address1": "1 SIMULATION SQUARE", "city": "NEW YORK", "state": "NY", "postal_code": "10004"},
        "description": f"{instrument.name}, as listed in the simulated market.",
        "sic_code": "6770",
        "sic_description": instrument.sector.upper(),
        "ticker_root": instrument.symbol,
        "homepage_url": "https://issuer.example",
        "total_employees": 1000,
        "list_date": "2000-01-03",
        "branding": {"logo_url": "https://issuer.example/logo.svg", "icon_url": "https://issuer.example/icon.png"},
        "share_class_shares_outstanding": shares,
        "weighted_shares_outstanding": shares,
    }


def _news(request: Request, market: Market, newsroom: Newsroom) -> Response:
    given = parameters(request)
    limit = whole_number(given, "limit", 10, 1000)
    start, end = _published(given, market)
    articles = newsroom.articles(start, end)
    if ticker := given.get("ticker"):
        articles = [article for article in articles if ticker in article["tickers"]]
    if not given.get("order", "desc").startswith("asc"):
        articles.reverse()
    # Both ends are pinned, so that an article that appears between two pages moves none of the others.
    kept = {key: value for key, value in given.items() if key in ("ticker", "order", "sort", "offset")}
    pinned = {"published_utc.gte": start, "published_utc.lte": end, "limit": limit}
    return paged(request, articles, limit, kept | pinned)


def _published(given: dict[str, str], market: Market) -> tuple[int, int]:
    """Return the bounds of ``published_utc``, both inclusive."""
    visible = market.clock() - market.delay_ms
    bounds = {name.partition(".")[2]: text for name, text in given.items() if name.startswith("published_utc")}
    at = {operator: epoch_ms(text, UTC) for operator, text in bounds.items()}
    if "" in at:
        return at[""], epoch_ms(bounds[""], UTC, end_of_day=True)
    start = max(at.get("gte", 0), at.get("gt", -1) + 1)
    end = min(at.get("lte", visible), at.get("lt", visible + 1) - 1, visible)
    return start or end - NEWS_HISTORY_MS, end
