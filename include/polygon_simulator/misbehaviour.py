"""Misbehaviour on request: the next answers of the vendor's routes go wrong in a chosen way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec
from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import RefusedError

Kind = Literal[
    "429",
    "5xx",
    "timeout",
    "slow",
    "cut",
    "html200",
    "no_results",
    "delayed",
    "truncated",
    "repeated_next_url",
    "not_authorized",
    "duplicates",
    "out_of_order",
    "other_year",
    "late",
    "provisional",
]
TOO_MANY = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://polygon.io/pricing"
)
YEAR_MS = 364 * 86_400_000
WAITS = {"timeout": 30.0, "slow": 2.0}


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The next ``count`` answers, of one symbol or of any, go wrong.

    ``retry_after`` (seconds) goes with 429, ``seconds`` is how long timeout (30) and slow (2) hold the answer,
    ``status`` the code of 5xx.
    """

    kind: Kind
    count: int = 1
    symbol: str | None = None
    retry_after: int | None = None
    seconds: float | None = None
    status: int = 503


@dataclass
class Misbehaviour:
    """ASGI middleware in front of the vendor's routes."""

    app: ASGIApp
    orders: list[Order]
    lock: Lock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        order = self._take(scope) if scope["type"] == "http" else None
        if order is None:
            await self.app(scope, receive, send)
        elif order.kind in REFUSALS:
            await REFUSALS[order.kind](order)(scope, receive, send)
        else:
            await asyncio.sleep(WAITS.get(order.kind, 0) if order.seconds is None else order.seconds)
            start, body = await self._answer(scope, receive)
            await _send_changed(order.kind, start, body, scope, send)

    def _take(self, scope: Scope) -> Order | None:
        path: str = scope["path"]
        if path.startswith("/simulator") or path == "/health":
            return None
        named = set(path.split("/")) | set(parse_qs(scope["query_string"].decode()).get("ticker", []))
        with self.lock:
            for order in self.orders:
                if order.symbol is None or order.symbol in named:
                    order.count -= 1
                    if order.count <= 0:
                        self.orders.remove(order)
                    return order
        return None

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """What the vendor's route answers."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _send_changed(kind: str, start: Message, body: bytes, scope: Scope, send: Send) -> None:
    changed = _changed(kind, body, scope) if start["status"] == 200 else body
    declared = len(body) if kind == "cut" else len(changed)
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    await send({**start, "headers": [*headers, (b"content-length", str(declared).encode())]})
    # Fewer bytes than declared make the server drop the connection.
    await send({"type": "http.response.body", "body": changed})


def _changed(kind: str, body: bytes, scope: Scope) -> bytes:
    if kind in ("cut", "truncated"):
        return body[: len(body) // 2]
    content = msgspec.json.decode(body)
    if isinstance(content, dict) and kind in CHANGES:
        CHANGES[kind](content, scope)
    return msgspec.json.encode(content)


def _no_results(content: dict[str, Any], scope: Scope) -> None:
    content.pop("results", None)
    content.pop("next_url", None)
    content |= {"queryCount": 0, "resultsCount": 0}


def _delayed(content: dict[str, Any], scope: Scope) -> None:
    content["status"] = "DELAYED"


def _repeated_next_url(content: dict[str, Any], scope: Scope) -> None:
    host = dict(scope["headers"]).get(b"host", b"localhost").decode()
    content["next_url"] = f"http://{host}{scope['path']}?{scope['query_string'].decode()}"


def _duplicates(content: dict[str, Any], scope: Scope) -> None:
    content["results"] = [row for row in content.get("results", []) for _ in range(2)]


def _out_of_order(content: dict[str, Any], scope: Scope) -> None:
    content["results"] = content.get("results", [])[1::2] + content.get("results", [])[::2]


def _other_year(content: dict[str, Any], scope: Scope) -> None:
    rows = content.get("results", [])
    if rows and "t" in rows[0]:
        content["results"] = [rows[0] | {"t": rows[0]["t"] - YEAR_MS}, *rows]


def _late(content: dict[str, Any], scope: Scope) -> None:
    """The newest bar is missing; the next answer has it."""
    rows = content.get("results", [])
    newest = max((row.get("t", 0) for row in rows), default=0)
    content["results"] = [row for row in rows if row.get("t") != newest]
    content["resultsCount"] = len(content["results"])


def _provisional(content: dict[str, Any], scope: Scope) -> None:
    """The newest bar lacks a fifth of its volume; the next answer corrects it."""
    rows = content.get("results", [])
    newest = max((row.get("t", 0) for row in rows), default=0)
    content["results"] = [row | {"v": round(row["v"] * 0.8, 6)} if row.get("t") == newest else row for row in rows]


CHANGES: dict[str, Callable[[dict[str, Any], Scope], None]] = {
    "no_results": _no_results,
    "delayed": _delayed,
    "repeated_next_url": _repeated_next_url,
    "duplicates": _duplicates,
    "out_of_order": _out_of_order,
    "other_year": _other_year,
    "late": _late,
    "provisional": _provisional,
}


def too_many(retry_after: int | None = None) -> RefusedError:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return RefusedError(429, "ERROR", TOO_MANY, headers)


REFUSALS: dict[str, Callable[[Order], Response]] = {
    "429": lambda order: too_many(order.retry_after).response,
    "5xx": lambda order: Response("upstream connect error", order.status, media_type="text/plain"),
    "html200": lambda order: Response("<html><body>Maintenance</body></html>", 200, media_type="text/html"),
    "not_authorized": lambda order: (
        RefusedError(403, "NOT_AUTHORIZED", "You are not entitled to this data. Please upgrade your plan.").response
    ),
}
