"""The gate: who is let in, and how often."""

from __future__ import annotations

import hmac
import time
from collections import deque

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from include.polygon_simulator.answers import RefusedError
from include.polygon_simulator.misbehaviour import too_many


class Gate:
    """ASGI middleware: all but the health check needs the key; the vendor's routes allow so many calls in 60 seconds.

    Args:
        calls_per_minute: 0 for no limit.
    """

    def __init__(self, app: ASGIApp, api_key: str, calls_per_minute: int):
        self._app, self._key, self._allowed = app, api_key.encode(), calls_per_minute
        self._calls = deque[float]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http" and scope["path"] != "/health":
                self._authenticate(Request(scope))
                if self._allowed and not scope["path"].startswith("/simulator"):
                    self._count()
        except RefusedError as error:
            await error.response(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _authenticate(self, request: Request) -> None:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.query_params.get("apiKey", "")
        if not given:
            raise RefusedError(401, "ERROR", "API Key was not provided")
        if not hmac.compare_digest(given.encode(), self._key):
            raise RefusedError(401, "ERROR", "Unknown API Key")

    def _count(self) -> None:
        now = time.monotonic()
        while self._calls and self._calls[0] <= now - 60:
            self._calls.popleft()
        if len(self._calls) >= self._allowed:
            raise too_many()
        self._calls.append(now)
