"""The routes of bars: aggregates, grouped daily, previous close and snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request, Response

from include.polygon_simulator.answers import (
    RefusedError,
    address,
    answer,
    bad_request,
    cursor,
    epoch_ms,
    parameters,
    request_id,
    whole_number,
)
from include.polygon_simulator.bar_pages import SPANS, Query, read_page
from include.polygon_simulator.market import Market
from include.polygon_simulator.misbehaviour import NOT_YET
from include.polygon_simulator.snapshots import Snapshots
from include.surveillance.sessions import Session

MAX_LIMIT, DEFAULT_LIMIT = 50_000, 5_000


def bars_router(market: Market) -> APIRouter:
    router = APIRouter()
    snapshots = Snapshots(market)

    async def aggregates(request: Request) -> Response:
        query = _query(market, parameters(request), **request.path_params)
        page = read_page(market, query)
        body: dict[str, Any] = {
            "ticker": query.symbol,
            "queryCount": page.base,
            "resultsCount": len(page.rows),
            "adjusted": query.adjusted,
        }
        if page.rows:
            body["results"] = page.rows
        body |= {"status": "OK", "request_id": request_id(), "count": len(page.rows)}
        if page.following:
            body["next_url"] = _next_url(request, page.following)
        return answer(body)

    # By far the most calls are for these; a plain route costs a third of one with declared parameters.
    router.add_route("/v2/aggs/ticker/{ticker}/range/{multiplier}/{span}/{start}/{end}", aggregates)

    @router.get("/v2/aggs/grouped/locale/us/market/stocks/{day}")
    def grouped(request: Request, day: str) -> Response:
        adjusted = _flag(parameters(request), "adjusted")
        start, end = (epoch_ms(day, market.zone, end_of_day=last) for last in (False, True))
        if start > market.clock():
            raise RefusedError(403, "NOT_AUTHORIZED", NOT_YET)
        sessions = (session for session in market.sessions_between(start, end + 1) if market.day(session) == day)
        rows = (_closing(market, market.instruments, session, adjusted) for session in sessions)
        return _windows([*chain.from_iterable(rows)], adjusted)

    @router.get("/v2/aggs/ticker/{ticker}/prev")
    async def previous(request: Request, ticker: str) -> Response:
        adjusted = _flag(parameters(request), "adjusted")
        session = _previous_session(market)
        rows = _closing(market, [ticker], session, adjusted) if session and ticker in market.sources else []
        return _windows(rows, adjusted, ticker=ticker)

    @router.get("/v2/snapshot/locale/us/markets/stocks/tickers")
    async def all_snapshots(request: Request) -> Response:
        wanted = [ticker for ticker in parameters(request).get("tickers", "").split(",") if ticker]
        if not wanted:
            return Response(snapshots.everything(), media_type="application/json")
        known = [snapshots.snapshot(ticker) for ticker in wanted if ticker in market.instruments]
        return answer({"count": len(known), "status": "OK", "tickers": known})

    @router.get("/v2/snapshot/locale/us/markets/stocks/tickers/{ticker}")
    async def snapshot(ticker: str) -> Response:
        if ticker not in market.instruments:
            raise RefusedError(404, "NOT_FOUND", f"NotFound: ticker {ticker} has no snapshot")
        return answer({"request_id": request_id(), "status": "OK", "ticker": snapshots.snapshot(ticker)})

    return router


def _query(
    market: Market, given: dict[str, str], ticker: str, multiplier: str, span: str, start: str, end: str
) -> Query:
    if span not in SPANS:
        raise bad_request(f"'{span}' is not a timespan of this server; use one of {', '.join(SPANS)}")
    start_ms, end_ms = epoch_ms(start, market.zone), epoch_ms(end, market.zone, end_of_day=True)
    if end_ms < start_ms:
        raise bad_request("The parameter 'to' cannot be a time that occurs before 'from'")
    if start_ms > market.clock():
        raise RefusedError(403, "NOT_AUTHORIZED", NOT_YET)
    sort = given.get("sort", "asc")
    if sort not in ("asc", "desc"):
        raise bad_request(f"'sort' must be asc or desc, but was '{sort}'")
    return Query(
        symbol=ticker,
        multiplier=whole_number({"multiplier": multiplier}, "multiplier", 1, 10_000),
        span=span,
        start_ms=start_ms,
        end_ms=end_ms,
        ascending=sort == "asc",
        adjusted=_flag(given, "adjusted"),
        limit=whole_number(given, "limit", DEFAULT_LIMIT, MAX_LIMIT),
    )


def _flag(given: dict[str, str], name: str) -> bool:
    return given.get(name, "true").lower() != "false"


def _next_url(request: Request, query: Query) -> str:
    """Return the next page's address; the parameters beside the path travel in the cursor."""
    head = address(request).rsplit("/", 2)[0]
    packed = cursor(adjusted=str(query.adjusted).lower(), limit=query.limit, sort="asc" if query.ascending else "desc")
    return f"{head}/{query.start_ms}/{query.end_ms}?cursor={packed}"


def _previous_session(market: Market) -> Session | None:
    """Return the latest session that is over."""
    over = market.clock() - market.delay_ms
    return next((session for session in market.latest_sessions(2) if session.close_ms <= over), None)


def _closing(market: Market, tickers: Iterable[str], session: Session, adjusted: bool) -> list[dict[str, Any]]:
    """Return session bars whose ``t`` is the session's close, as the vendor stamps them here."""
    return [
        {"T": ticker} | row | {"t": session.close_ms}
        for ticker in tickers
        for row in market.session_bar(ticker, session, adjusted).rows()
    ]


def _windows(rows: list[dict[str, Any]], adjusted: bool, **extra: str) -> Response:
    body: dict[str, Any] = {**extra, "queryCount": len(rows), "resultsCount": len(rows), "adjusted": adjusted}
    if rows:
        body["results"] = rows
    return answer(body | {"status": "OK", "request_id": request_id(), "count": len(rows)})
