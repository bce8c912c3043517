"""The scripted vendor, a client of it, and the waits of that client."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from include.surveillance.polygon.client import Polygon
from tests.surveillance.polygon.vendor import HANG, KEY, Vendor


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            scripted.asked.append(self)
            answer = scripted.script.pop(0) if len(scripted.script) > 1 else scripted.script[0]
            if answer.body is HANG:
                scripted.release.wait(30)
            else:
                answer.send(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scripted = Vendor(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield scripted
    scripted.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def package(monkeypatch) -> None:
    """Let all tests of this folder use the package that POLYGON_CLIENT names."""
    if named := os.environ.get("POLYGON_CLIENT"):
        monkeypatch.setitem(Polygon.__init__.__kwdefaults__, "package", named)


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """What the poller would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def polygon(vendor, waits) -> Polygon:
    return Polygon(KEY, vendor.url, timeout_seconds=2, patience_seconds=5)
