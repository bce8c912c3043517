"""Misbehaviour on request: the next answers of the vendor's routes go wrong in a chosen way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import uniform
from typing import Literal
from urllib.parse import parse_qs

import msgspec
from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from include.polygon_simulator.answers import RefusedError
from include.polygon_simulator.delivery import dated, deliver, gone
from include.polygon_simulator.spoiled_answers import CHANGES, CUT_SHORT, spoil

TOO_MANY = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://polygon.io/pricing"
)
NOT_ENTITLED = "You are not entitled to this data. Please upgrade your plan."
NOT_YET = "Your plan doesn't include this data timeframe. Please upgrade your plan."
WAITS = {"timeout": 30.0, "slow": 2.0}


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """After ``skip`` right ones, the next ``count`` answers, of one symbol or of any, go wrong.

    ``retry_after`` (seconds) goes with 429 and 5xx, ``status`` is the code of 5xx, ``key`` where a refusal says why.
    ``seconds`` is how long timeout (30) and slow (2) hold the answer, the pause between the drops of drip (1), and
    how far clock puts the vendor's clock ahead.
    """

    kind: str
    skip: int = 0
    count: int = 1
    symbol: str | None = None
    retry_after: int | None = None
    seconds: float | None = None
    status: int = 503
    key: Literal["error", "message"] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of misbehaviour")


@dataclass
class Misbehaviour:
    """ASGI middleware in front of the vendor's routes. The server must leave the header Date to it."""

    app: ASGIApp
    orders: list[Order]
    answer_ms: tuple[float, float]  # the least and the most time that an answer is held back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        order = self._next_order(scope)
        if self.answer_ms[1] and _is_vendors(scope):
            await asyncio.sleep(uniform(*self.answer_ms) / 1000)
        send = dated(send, order.seconds or 0.0 if order and order.kind == "clock" else 0.0)
        if order is None or order.kind == "clock":
            await self.app(scope, receive, send)
        elif order.kind in REFUSALS:
            await REFUSALS[order.kind](order)(scope, receive, send)
        else:
            if order.kind in WAITS and await gone(receive, order.seconds or WAITS[order.kind]):
                return
            start, body = await self._answer(scope, receive)
            if start["status"] == 200:
                await deliver(order.kind, order.seconds, start, body, spoil(order.kind, body, scope), receive, send)
            else:
                await send(start)
                await send({"type": "http.response.body", "body": body})

    def _next_order(self, scope: Scope) -> Order | None:
        if not self.orders or not _is_vendors(scope):
            return None
        named = set(scope["path"].split("/")) | set(parse_qs(scope["query_string"].decode()).get("ticker", []))
        for order in self.orders:
            if order.symbol is not None and order.symbol not in named:
                continue
            if order.skip > 0:
                order.skip -= 1
                continue
            order.count -= 1
            if order.count <= 0:
                self.orders.remove(order)
            return order
        return None

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """Return the status and headers, and the body, that the vendor's route answers."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


def _is_vendors(scope: Scope) -> bool:
    return not scope["path"].startswith("/simulator") and scope["path"] != "/health"


def too_many(retry_after: int | None = None, key: str | None = None) -> RefusedError:
    return RefusedError(429, "ERROR", TOO_MANY, _hint(retry_after), key)


def _hint(retry_after: int | None) -> dict[str, str]:
    return {} if retry_after is None else {"Retry-After": str(retry_after)}


REFUSALS: dict[str, Callable[[Order], Response]] = {
    "429": lambda order: too_many(order.retry_after, order.key).response,
    "5xx": lambda order: Response(
        "upstream connect error", order.status, _hint(order.retry_after), media_type="text/plain"
    ),
    "html200": lambda order: Response("<html><body>Maintenance</body></html>", 200, media_type="text/html"),
    "error200": lambda order: RefusedError(200, "ERROR", "Something went wrong.", key=order.key).response,
    "not_authorized": lambda order: RefusedError(403, "NOT_AUTHORIZED", NOT_ENTITLED, key=order.key).response,
    "future": lambda order: RefusedError(403, "NOT_AUTHORIZED", NOT_YET, key=order.key).response,
}
KINDS = (*REFUSALS, *WAITS, "drip", "endless", *CUT_SHORT, *CHANGES, "clock")
