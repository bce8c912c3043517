"""Notes in Airflow's table ``log`` who signs in and who changes users and roles; Airflow notes all other acts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX, get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger(__name__)
READING = {"GET", "HEAD", "OPTIONS"}
SIGN_IN = ("/login/", "/token", "/token/cli")
# A form of users or roles is far smaller.
MOST_BYTES = 65_536
SECRET = ("password", "token", "secret")
UNAUTHORIZED = 401
# The same as Flask-AppBuilder's for the form, and one for somebody who tries many names.
BY_NAME, BY_ADDRESS = parse("5 per 40 second"), parse("60 per minute")


class NoteAccountActs:
    """Passes every request on; of one that may change accounts it writes down who asked, for what, and the answer.

    Whoever has guessed wrongly too often is not asked for a while: 429.
    """

    def __init__(self, app: ASGIApp):
        self._app = app
        self._refused = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = AUTH_MANAGER_FASTAPI_APP_PREFIX
        if scope["type"] != "http" or scope["method"] in READING or not scope["path"].startswith(f"{prefix}/"):
            await self._app(scope, receive, send)
            return
        body, receive_again = await _read_ahead(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, fields = scope["path"].removeprefix(prefix)[:256], _read_fields(body, headers)
        address, name = (scope.get("client") or [""])[0], str(fields.get("username"))
        guesses = ((BY_NAME, address, name), (BY_ADDRESS, address))
        if path in SIGN_IN and not all(self._refused.test(*guess) for guess in guesses):
            await PlainTextResponse("too many refused sign-ins: wait a minute", 429)(scope, receive_again, send)
            return
        status, location = 0, ""

        async def keep_answer(message: Message) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status, location = message["status"], dict(message["headers"]).get(b"location", b"").decode("latin-1")
            await send(message)

        try:
            await self._app(scope, receive_again, keep_answer)
        finally:
            # A refused form leads back to the sign-in.
            back = location.partition("?")[0].endswith(f"{prefix}/login/")
            act = {"method": scope["method"], "path": path, "status": status, "done": 0 < status < 400 and not back}
            if path in SIGN_IN:
                for guess in guesses if back or status == UNAUTHORIZED else ():
                    self._refused.hit(*guess)
                event = "sign_in" if act["done"] else "sign_in_refused"
                await run_in_threadpool(note_act, event, fields.get("username"), act)
            else:
                who = await _name_user(headers)
                # Whoever is nobody writes nothing of his own into a log that is kept for years.
                act |= {"fields": fields} if who else {}
                await run_in_threadpool(note_act, "change_accounts", who, act)


async def _read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """Return the first MOST_BYTES of a request's body, and what receives all of it once more."""
    messages, body = list[Message](), b""
    while len(body) < MOST_BYTES:
        messages.append(await receive())
        body += messages[-1].get("body", b"")
        if not messages[-1].get("more_body"):
            break
    read = iter(messages)

    async def receive_again() -> Message:
        return next(read, None) or await receive()

    return body[:MOST_BYTES], receive_again


def note_act(event: str, who: object, act: Mapping[str, Any]) -> None:
    """Write one row to Airflow's table ``log``, as somebody's act."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    # Whatever somebody typed as his name; PostgreSQL takes no zero byte.
    name = "".join(filter(str.isprintable, str(who or "nobody")))[:64]
    with create_session() as session:
        session.add(Log(event=event, owner=name, owner_display_name=name, extra=json.dumps(act)))


async def _name_user(headers: Mapping[str, str]) -> str | None:
    token = headers.get("authorization", "").removeprefix("Bearer ")
    cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE_NAME_JWT_TOKEN)
    try:
        user = await get_auth_manager().get_user_from_token(token or (cookie.value if cookie else ""))
    except Exception:  # noqa: BLE001 - a token of any shape; the act is noted all the same
        return None
    return user.get_name()


def _read_fields(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a form or a JSON object, but for secrets; none when the body is neither."""
    text = body.decode("utf-8", "replace")
    if headers.get("content-type", "").startswith("application/json"):
        try:
            read = json.loads(text)
        except ValueError:
            return {}
    else:
        read = {name: values[0] if len(values) == 1 else values for name, values in parse_qs(text).items()}
    return _without_secrets(read) if isinstance(read, dict) else {}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_secrets(one) for name, one in value.items() if not any(word in name.lower() for word in SECRET)
    }
