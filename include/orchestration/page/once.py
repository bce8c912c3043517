"""What is asked for twice with the same ``Idempotency-Key`` is done once, and answered as the first time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from psycopg.errors import UniqueViolation

from include.orchestration.application.requests import ASKED, Answered, Asked, find_answer, keep_answer
from include.orchestration.page.access import READING, name_person
from include.orchestration.page.answers import REFUSED_ACTS

LONGEST_KEY = 200
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=LONGEST_KEY,
        pattern=r"^[\x21-\x7e]+$",
        description="a word of the asker's own for this act, kept for a week; asked for again with it, nothing is done",
    ),
]


class AskedBeforeError(Exception):
    """This person has asked with this key before."""

    def __init__(self, before: Answered, *, same: bool):
        super().__init__()
        self.before, self.same = before, same


async def find_repeated(request: Request, user: GetUserDep, key: Key = None) -> None:
    """Look whether what is asked for was done before; if not, let it be stored together with what is done."""
    if key is None or request.method in READING:
        return
    actor = name_person(user)
    parts = (request.method.encode(), request.url.path.encode(), request.url.query.encode(), await request.body())
    digest = hashlib.sha256(b"\n".join(parts)).digest()
    if before := await run_in_threadpool(find_answer, actor, key):
        raise AskedBeforeError(before, same=before.digest == digest)
    request.scope["asked"] = Asked(actor, key, digest)
    ASKED.set(request.scope["asked"])


class OnceRoute(APIRoute):
    """A route whose answer is kept for whoever asks again with the same key."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any):
        if set(options.get("methods") or ()) - READING:
            options["responses"] = REFUSED_ACTS | (options.get("responses") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            response = await handle(request)
            if asked := request.scope.get("asked"):
                await run_in_threadpool(keep_answer, asked, response.status_code, bytes(response.body).decode())
            return response

        return handle_once


def answer_repeated(app: FastAPI) -> None:
    """Let an app answer what was asked for before."""

    @app.exception_handler(AskedBeforeError)
    def asked_before(_: Request, error: AskedBeforeError) -> Response:
        if not error.same:
            return JSONResponse({"detail": "this Idempotency-Key stands for something else that was asked for"}, 422)
        if error.before.status is None:
            return JSONResponse({"detail": "this was done already: read what it is now"}, 409)
        return Response(
            error.before.answer or None,
            error.before.status,
            {"Idempotency-Replayed": "true"},
            None if error.before.status == 204 else "application/json",
        )

    @app.exception_handler(UniqueViolation)
    def at_once(_: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "this was asked for twice at the same time: ask again"}, 409)
