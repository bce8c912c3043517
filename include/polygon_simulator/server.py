"""The application: the vendor's routes behind a key, and the simulator's own controls."""

from __future__ import annotations

import hmac
import time
from collections import deque
from threading import Lock
from typing import Any

import msgspec
from fastapi import Depends, FastAPI, Request, Response

from .answers import RefusedError, answer, bad_request
from .market import Market
from .misbehaviour import Kind, Misbehaviour, Order, too_many
from .routes_bars import bars_router
from .routes_reference import reference_router

LABEL_SESSIONS = 3


def create_app(market: Market, api_key: str, calls_per_minute: int = 0) -> FastAPI:
    """The ASGI application.

    Args:
        market: what it serves.
        api_key: the only key that it accepts.
        calls_per_minute: answers 429 beyond this many calls in 60 seconds; 0 for no limit.
    """

    def authenticate(request: Request) -> None:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.query_params.get("apiKey", "")
        if not given:
            raise RefusedError(401, "ERROR", "API Key was not provided")
        if not hmac.compare_digest(given.encode(), api_key.encode()):
            raise RefusedError(401, "ERROR", "Unknown API Key")

    orders: list[Order] = []
    lock = Lock()
    app = FastAPI(title="Polygon simulator", docs_url=None, redoc_url=None, openapi_url=None)
    keyed = [Depends(authenticate)]
    vendor = [*keyed, Depends(RateLimit(calls_per_minute))] if calls_per_minute else keyed
    app.include_router(bars_router(market), dependencies=vendor)
    app.include_router(reference_router(market), dependencies=vendor)
    app.add_middleware(Misbehaviour, orders=orders, lock=lock)

    @app.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> Response:
        return error.response

    @app.exception_handler(404)
    def not_found(request: Request, error: Exception) -> Response:
        return Response("404 page not found", 404, media_type="text/plain")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/simulator/market", dependencies=keyed)
    def describe() -> dict[str, Any]:
        return {
            "mode": market.mode,
            "seed": market.seed,
            "calendar": market.sessions.calendar,
            "shift_ms": market.sessions.shift_ms,
            "now_ms": market.clock(),
            "publish_delay_ms": market.delay_ms,
            "last_ms": market.last_ms,
        }

    @app.get("/simulator/symbols", dependencies=keyed)
    def symbols() -> dict[str, Any]:
        return {"symbols": list(market.instruments)}

    @app.get("/simulator/labels", dependencies=keyed)
    def labels(from_ms: int | None = None, to_ms: int | None = None) -> dict[str, Any]:
        recent = market.latest_sessions(LABEL_SESSIONS)
        start = from_ms if from_ms is not None else (recent[-1].open_ms if recent else 0)
        return {"labels": market.labels(start, market.clock() if to_ms is None else to_ms)}

    @app.post("/simulator/misbehave", dependencies=keyed)
    async def misbehave(request: Request) -> Response:
        try:
            order = msgspec.json.decode(await request.body(), type=Order)
        except msgspec.DecodeError as error:
            raise bad_request(f"{error}; kinds are {', '.join(Kind.__args__)}") from error
        with lock:
            orders.append(order)
        return answer({"pending": orders})

    @app.delete("/simulator/misbehave", dependencies=keyed)
    def behave() -> dict[str, Any]:
        with lock:
            orders.clear()
        return {"pending": []}

    return app


class RateLimit:
    """At most so many calls in any 60 seconds."""

    def __init__(self, calls_per_minute: int):
        self._allowed, self._calls, self._lock = calls_per_minute, deque[float](), Lock()

    def __call__(self) -> None:
        now = time.monotonic()
        with self._lock:
            while self._calls and self._calls[0] <= now - 60:
                self._calls.popleft()
            if len(self._calls) >= self._allowed:
                raise too_many()
            self._calls.append(now)
