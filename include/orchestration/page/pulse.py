"""Routes of the pulse: how far behind each stage is by the time of its data, and whether anything has changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from include.orchestration.application.changes import newest_changes
from include.orchestration.page.answers import Pulse
from include.orchestration.pulse import read_pulse

# A stream ends after a while, so that whoever may no longer read does not: a browser comes again by itself.
STREAM_SECONDS, LOOK_SECONDS, SILENT_SECONDS = 600.0, 2.0, 15.0

pulse = APIRouter(tags=["platform"])


@pulse.get("/pulse", response_model=Pulse)
def beat() -> dict[str, Any]:
    """How the platform is: how far behind feed, detection, telling and warehouse are, what is paused, what is open."""
    return read_pulse(datetime.now(UTC))


@pulse.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def events(
    last: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,20}[.][0-9]{1,20}$")] = None,
) -> StreamingResponse:
    """Server-sent events: ``changed`` whenever an alert, or what people did, is not as it was; its data say which.

    The id of an event names what was seen. Whoever comes again with it is told at once what has changed meanwhile;
    whoever comes without is told of what comes next.
    """
    return StreamingResponse(_follow(last), media_type="text/event-stream")


async def _follow(last: str | None) -> AsyncIterator[str]:
    seen = last or _name(await run_in_threadpool(newest_changes))
    end, spoken = time.monotonic() + STREAM_SECONDS, time.monotonic()
    # What a browser that lost the stream waits before it comes again, in milliseconds.
    yield f"retry: 3000\nid: {seen}\n\n"
    while time.monotonic() < end:
        now = _name(await run_in_threadpool(newest_changes))
        if now != seen:
            changed = [
                name
                for name, one, other in zip(("alerts", "acts"), seen.split("."), now.split("."), strict=True)
                if one != other
            ]
            yield f"event: changed\nid: {now}\ndata: {json.dumps({'changed': changed})}\n\n"
            seen, spoken = now, time.monotonic()
        elif time.monotonic() - spoken >= SILENT_SECONDS:
            yield ": nothing new\n\n"
            spoken = time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


def _name(changes: tuple[int, int]) -> str:
    return ".".join(map(str, changes))
