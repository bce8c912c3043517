"""The server of the embedded warehouse: exactly one process per folder, which DuckDB's file lock ensures."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import fakesnow.server as server
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from include.embedded_warehouse import cursor, results, sessions, sql_functions
from include.embedded_warehouse.certificates import ensure_certificates
from include.embedded_warehouse.storage import open_warehouse
from include.surveillance.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    """Where the data lies and how the server is reached. Idle limits are seconds."""

    folder: Path
    database: str
    host: str
    port: int
    tls: Path | None
    tls_names: list[str]
    password: str | None
    allow_remote: bool
    idle_session: float
    idle_transaction: float


def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then write everything to disk.

    Raises:
        ConfigurationError: the address is not loopback or taken, or another process has the folder open.
    """
    listener = listen(options)
    for part in (results, sql_functions, cursor):
        part.install()
    try:
        warehouse = open_warehouse(options.folder.resolve(), options.database)
    except duckdb.IOException as error:
        raise ConfigurationError(
            f"Cannot open the warehouse in {options.folder}: {error}. Stop the other process or choose another folder."
        ) from error
    server.shared_fs = warehouse
    # uvicorn hands the signal on after its own shutdown; the default handler would skip the close below
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        app = application(options.password)
        files = ensure_certificates(options.tls, options.tls_names) if options.tls else None
        config = uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=2,
            ssl_keyfile=files.key if files else None,
            ssl_certfile=files.certificate if files else None,
        )
        with sessions.ending_idle(options.idle_session, options.idle_transaction):
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        warehouse.close()


def listen(options: Options) -> socket.socket:
    """Bind the socket; refuse an address that other machines can reach, unless that was asked for."""
    loopback = options.host == "localhost" or ipaddress.ip_address(options.host).is_loopback
    if not loopback and not (options.allow_remote and options.password):
        raise ConfigurationError(
            f"--host {options.host} can be reached by other machines and the warehouse has no users or roles. "
            "Use 127.0.0.1, or add --allow-remote and set WAREHOUSE_PASSWORD inside a private network."
        )
    listener = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {options.port} on {options.host} cannot be used: {error.strerror}. "
            "Stop what listens there, or choose another port with --port."
        ) from error
    return listener


def application(password: str | None) -> Starlette:
    """Return fakesnow's routes, some replaced by those of this package, and ``GET /health``."""
    ours = {
        "/session/v1/login-request": sessions.Logins(password).__call__,
        "/queries/v1/query-request": sessions.query,
        "/session": sessions.session,
        "/session/heartbeat": sessions.session,
    }
    server.logger.setLevel(logging.ERROR)  # it logs the text of every statement that fails, rows included
    kept = [route for route in server.routes if route.path not in ours]
    replaced = [Route(path, endpoint, methods=["POST"]) for path, endpoint in ours.items()]
    return Starlette(routes=[*replaced, *kept, Route("/health", health)])


async def health(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True, "sessions": len(server.sessions)})
