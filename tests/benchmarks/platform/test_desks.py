"""Open desks: what they count, and what they compare."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.benchmarks.platform.desks import KEPT, compare, open_desks
from tests.benchmarks.platform.figures import Figure, Result
from tests.desk import CHROMIUM

PAGE = """<!doctype html><link rel="icon" href="data:,">
<div class="scroll"><table><tr class="row"><td>KO</td></tr></table></div>
<script>fetch("/events"); fetch("/nothing");</script>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/nothing" else 200)
        self.end_headers()
        self.wfile.write(PAGE.encode() if self.path == "/surveillance/" else b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def chromium():
    if not CHROMIUM.exists():
        pytest.skip(f"desks are pages of Debian's browser, and there is no {CHROMIUM}: apt-get install chromium")


def test_open_desks_count_what_they_ask_for_and_what_is_refused(address, chromium):
    with open_desks(address, "a token", 2) as desks:
        assert desks.shown == 0
    assert (desks.shown, desks.asked, desks.streams, desks.refused) == (2, 6, 2, 2)
    shown, asked, streams, refused = desks.figures()
    assert (shown.held, asked.held, streams.held, refused.held) == (True, True, True, False)


def test_desks_that_do_not_open_are_an_error(chromium):
    with pytest.raises(RuntimeError, match="do not open"), open_desks("http://127.0.0.1:9", "a token", 1):
        pass


@pytest.mark.parametrize(("p95", "held"), [(1.1, True), (1.2, False), (None, False)])
def test_detection_with_desks_is_held_against_detection_without(p95, held):
    alone = Result("market", "", [Figure(name, 1.0, "s") for name in KEPT])
    beside = Result(
        "market, desks", "", [Figure(name, value, "s") for name, value in zip(KEPT, (0.9, p95), strict=True)]
    )
    first, second = compare(alone, beside)
    assert (first.value, first.held) == (0.9, True)
    assert (second.value, second.held) == (p95, held)
