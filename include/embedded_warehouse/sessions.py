"""Sessions: login, statements, heartbeat and logout, and the end of what a vanished client left behind.

The password is the only authentication: user, role and warehouse names are accepted and ignored. So keep the server
on the loopback address.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import fakesnow.server as server
from starlette.requests import Request
from starlette.responses import JSONResponse

from include.embedded_warehouse import temporary_tables, transactions
from include.embedded_warehouse.session_state import state_of
from include.embedded_warehouse.uploads import LARGEST_LOGIN, TooLargeError, decompress, read_body

log = logging.getLogger("warehouse")

WRONG_PASSWORD = "390100"
MALFORMED = "390101"
INTERNAL = "000603"


def failure(code: str, message: str, sqlstate: str = "XX000") -> JSONResponse:
    """Return a Snowflake error as the connector expects it: HTTP 200, success false."""
    data = {"errorCode": code, "sqlState": sqlstate}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


def login(password: str) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Return the login route; it refuses all but ``password``, and nothing when that is empty."""

    async def route(request: Request) -> JSONResponse:
        try:
            body = await read_body(request, LARGEST_LOGIN)
            if request.headers.get("Content-Encoding") == "gzip":
                body = decompress(body, LARGEST_LOGIN)
            given = str(json.loads(body)["data"].get("PASSWORD") or "").encode()
        except TooLargeError:
            return failure(MALFORMED, f"A login must not be larger than {LARGEST_LOGIN:,} bytes.", "08001")
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
            return failure(MALFORMED, "A login must be JSON with data.PASSWORD.", "08001")
        if password and not hmac.compare_digest(given, password.encode()):
            return failure(WRONG_PASSWORD, "Incorrect username or password was specified.", "08001")
        try:
            answer = json.loads(bytes((await server.login_request(request)).body))
        except Exception as error:
            log.exception("login failed")
            return failure(INTERNAL, f"{type(error).__name__}: {error}")
        # without a master token the connector's close() never tells the server that the session ends
        answer["data"]["masterToken"] = answer["data"]["token"]
        return JSONResponse(answer)

    return route


async def query(request: Request) -> JSONResponse:
    """The statement route. A statement without an answer is a Snowflake error, not an HTTP 500."""
    try:
        response = await server.query_request(request)
        if response.status_code < 500:
            return response
        content = json.loads(bytes(response.body))
        return failure(content["code"], content["message"])
    except Exception as error:  # such as a result type that cannot be sent
        log.exception("response failed")
        return failure(INTERNAL, f"{type(error).__name__}: {error}")


async def session(request: Request) -> JSONResponse:
    """The route of heartbeat and logout."""
    token = request.headers.get("Authorization", "")[17:-1]
    if connection := server.sessions.get(token):
        state_of(connection).last_used = time.monotonic()
        if request.query_params.get("delete"):
            await asyncio.to_thread(close, token)
            return JSONResponse({"data": None, "code": None, "message": None, "success": True})
    return await server.session(request)


def close(token: str) -> None:
    """End a session: roll back, drop its temporary objects, close its connection."""
    connection = server.sessions.pop(token, None)
    if connection is None:
        return
    with state_of(connection).lock:
        transactions.end(connection, "none")
        temporary_tables.drop_all(connection)
        connection._duck_conn.close()


@contextmanager
def ending_idle(idle_session: float, idle_transaction: float) -> Iterator[None]:
    """End, within the block, transactions and sessions that were not used for so many seconds."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(min(5.0, idle_session / 4, idle_transaction / 4)):
            _sweep(idle_session, idle_transaction)

    thread = threading.Thread(target=watch, name="idle-sessions")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _sweep(idle_session: float, idle_transaction: float) -> None:
    for token, connection in list(server.sessions.items()):
        unused = time.monotonic() - state_of(connection).last_used
        if transactions.is_open(connection) and unused > idle_transaction:
            _give_up_transaction(connection, idle_transaction)
        if unused > idle_session:
            _close_logged(token)


def _give_up_transaction(connection: server.FakeSnowflakeConnection, idle: float) -> None:
    state = state_of(connection)
    if not state.lock.acquire(blocking=False):  # a statement is running: not idle
        return
    try:
        if transactions.is_open(connection) and time.monotonic() - state.last_used > idle:
            log.warning("rolled back a transaction that was idle for more than %.0f s", idle)
            transactions.end(connection, "aborted")
    finally:
        state.lock.release()


def _close_logged(token: str) -> None:
    try:
        close(token)
    except Exception:  # one session that cannot be closed must not end the watch over the others
        log.exception("closing an idle session failed")
