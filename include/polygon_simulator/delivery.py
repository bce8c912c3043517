"""The delivery of an answer: with the vendor's clock, whole, in drops or without end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from email.utils import formatdate

from starlette.types import Message, Receive, Send

DROP_BYTES, DROP_SECONDS, SWELL = 16, 1.0, b" " * 65_536


def dated(send: Send, ahead_seconds: float) -> Send:
    """Send the vendor's clock, ``ahead_seconds`` before this machine's, with every answer."""

    async def send_dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            date = formatdate(time.time() + ahead_seconds, usegmt=True).encode()
            message = {**message, "headers": [*message.get("headers", []), (b"date", date)]}
        await send(message)

    return send_dated


async def gone(receive: Receive, seconds: float) -> bool:
    """Wait, and return whether the client has hung up meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            return True
    return False


async def deliver(
    kind: str, seconds: float | None, start: Message, whole: bytes, body: bytes, receive: Receive, send: Send
) -> None:
    """Send ``body`` in the way of its kind; ``whole`` is what it was before it was spoiled."""
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    if kind != "endless":
        # Fewer bytes than declared make the server drop the connection.
        headers.append((b"content-length", str(len(whole if kind == "cut" else body)).encode()))
    await send({**start, "headers": headers})
    if kind == "drip":
        for at in range(0, len(body), DROP_BYTES):
            await send({"type": "http.response.body", "body": body[at : at + DROP_BYTES], "more_body": True})
            if await gone(receive, seconds or DROP_SECONDS):
                return
        body = b""
    while kind == "endless" and not await gone(receive, 0):
        await send({"type": "http.response.body", "body": SWELL, "more_body": True})
    await send({"type": "http.response.body", "body": body})
