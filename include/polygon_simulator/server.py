"""The server's application: the vendor's routes behind a key, and the simulator's own controls."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from include.polygon_simulator.answers import RefusedError, answer, bad_request
from include.polygon_simulator.bar_routes import bars_router
from include.polygon_simulator.gate import Gate
from include.polygon_simulator.market import Market
from include.polygon_simulator.misbehaviour import KINDS, Misbehaviour, Order
from include.polygon_simulator.reference_routes import reference_router

LABEL_SESSIONS = 3


def create_app(
    market: Market, api_key: str, calls_per_minute: int = 0, answer_ms: tuple[float, float] = (0, 0)
) -> FastAPI:
    """Make the ASGI application.

    Args:
        market: what it serves.
        api_key: the only key that it accepts.
        calls_per_minute: answers 429 beyond this many calls in 60 seconds; 0 for no limit.
        answer_ms: the least and the most time that an answer of the vendor's routes is held back.
    """
    orders: list[Order] = []
    app = FastAPI(title="Polygon simulator", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(bars_router(market))
    app.include_router(reference_router(market))
    # The last one added sees a request first.
    app.add_middleware(Gate, api_key=api_key, calls_per_minute=calls_per_minute)
    app.add_middleware(Misbehaviour, orders=orders, answer_ms=answer_ms)

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return error.response

    @app.exception_handler(404)
    async def not_found(request: Request, error: Exception) -> Response:
        return Response("404 page not found", 404, media_type="text/plain")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/simulator/market")
    async def describe() -> dict[str, Any]:
        return {
            "mode": market.mode,
            "seed": market.seed,
            "calendar": market.sessions.calendar,
            "shift_ms": market.sessions.shift_ms,
            "now_ms": market.clock(),
            "publish_delay_ms": market.delay_ms,
            "last_ms": market.last_ms,
        }

    @app.get("/simulator/symbols")
    async def symbols() -> Response:
        return answer({"symbols": list(market.instruments)})

    @app.get("/simulator/labels")
    async def labels(from_ms: int | None = None, to_ms: int | None = None) -> Response:
        recent = market.latest_sessions(LABEL_SESSIONS)
        start = from_ms if from_ms is not None else (recent[-1].open_ms if recent else 0)
        return answer({"labels": market.labels(start, market.clock() if to_ms is None else to_ms)})

    @app.post("/simulator/misbehave")
    async def misbehave(request: Request) -> Response:
        try:
            order = msgspec.json.decode(await request.body(), type=Order)
        except msgspec.DecodeError as error:
            raise bad_request(f"{error}; kinds are {', '.join(KINDS)}") from error
        orders.append(order)
        return answer({"pending": orders})

    @app.delete("/simulator/misbehave")
    async def behave() -> dict[str, Any]:
        orders.clear()
        return {"pending": []}

    return app
