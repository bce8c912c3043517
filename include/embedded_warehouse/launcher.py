"""The server of the embedded warehouse: exactly one process per folder, which DuckDB's file lock ensures."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys
from pathlib import Path

import duckdb
import fakesnow.server as server
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from include.embedded_warehouse import cursor, results, sessions, sql_functions, uploads
from include.embedded_warehouse.certificates import Certificates
from include.embedded_warehouse.storage import open_warehouse
from include.surveillance.errors import ConfigurationError


def serve(
    listener: socket.socket,
    folder: Path,
    database: str,
    files: Certificates | None,
    password: str,
    idle_seconds: tuple[float, float],
) -> None:
    """Serve until SIGTERM or SIGINT, then write everything to disk; plain HTTP without certificates.

    Args:
        idle_seconds: after which a session is closed, and a transaction rolled back.

    Raises:
        ConfigurationError: another process has the folder open.
    """
    for part in (results, sql_functions, cursor, uploads):
        part.install()
    try:
        warehouse = open_warehouse(folder.resolve(), database)
    except duckdb.IOException as error:
        raise ConfigurationError(
            f"Cannot open the warehouse in {folder}: {error}. Stop the other process or choose another folder."
        ) from error
    server.shared_fs = warehouse
    # uvicorn hands the signal on after its own shutdown; the default handler would skip the close below
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        config = uvicorn.Config(
            application(password),
            log_level="warning",
            timeout_graceful_shutdown=2,
            ssl_keyfile=files.key if files else None,
            ssl_certfile=files.certificate if files else None,
        )
        with sessions.ending_idle(*idle_seconds):
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        warehouse.duck_conn.close()  # writes everything to the files


def listen(host: str, port: int, remote: bool) -> socket.socket:
    """Bind the socket.

    Raises:
        ConfigurationError: it is taken, or other machines can reach it and that is not allowed (``remote``).
    """
    if not remote and host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ConfigurationError(
            f"--host {host} can be reached by other machines and the warehouse has no users or roles. "
            "Use 127.0.0.1, or add --allow-remote and set WAREHOUSE_PASSWORD inside a private network."
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {port} on {host} cannot be used: {error.strerror}. "
            "Stop what listens there, or choose another port with --port."
        ) from error
    return listener


def application(password: str) -> Starlette:
    """Return fakesnow's routes, some replaced by those of this package, and ``GET /health``."""
    ours = {
        "/session/v1/login-request": sessions.login(password),
        "/queries/v1/query-request": sessions.query,
        "/session": sessions.session,
        "/session/heartbeat": sessions.session,
    }
    server.logger.setLevel(logging.ERROR)  # it logs the text of every statement that fails, rows included
    kept = [route for route in server.routes if route.path not in {*ours, uploads.ROUTE}]
    replaced = [Route(path, endpoint, methods=["POST"]) for path, endpoint in ours.items()]
    replaced.append(Route(uploads.ROUTE, uploads.upload, methods=["PUT"]))
    return Starlette(routes=[*replaced, *kept, Route("/health", health)])


async def health(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True, "sessions": len(server.sessions)})
