"""A vendor that answers from a script, over a real socket."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "secret-key"
MINUTE = 60_000
HANG = object()
NOON = 1_790_078_400_000  # 2026-09-22 12:00 UTC


@dataclass
class Answer:
    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        handler.send_response_only(self.status)
        for name, value in {"Content-Length": str(self.length or len(body)), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


class Vendor:
    """Answers in the order of the script and remembers what was asked; the last answer repeats."""

    def __init__(self, server: ThreadingHTTPServer):
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.script: list[Answer] = []
        self.asked: list[BaseHTTPRequestHandler] = []
        self.release = threading.Event()

    def answers(self, *script: Answer) -> None:
        self.script = list(script)

    def query(self, index: int = 0) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.asked[index].path).query).items()}


def page(*results: dict, **more) -> Answer:
    return Answer({"status": "OK", "request_id": "r1", "results": list(results), "resultsCount": len(results)} | more)


def busy(**headers: str) -> Answer:
    return Answer({"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}, 429, headers)
