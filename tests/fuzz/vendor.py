"""What the vendor sends when it is well, question by question, and a server that sends anything instead."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from include.surveillance import normalise
from include.surveillance.instruments import CURRENCY
from include.surveillance.polygon.client import Payload, Polygon
from include.surveillance.records import Record, Reject
from include.surveillance.timespans import SPAN_MS
from tests.paths import SHARED_DATA

RECORDED = SHARED_DATA / "polygon_payloads"
WATCHED = ["AAPL", "MSFT"]
START_MS = 1_550_154_600_000  # 2019-02-14 14:30 UTC
END_MS = START_MS + 50 * 60_000


class Question(NamedTuple):
    """How something is asked for, what becomes of the answer, and which results may be left out of it."""

    poll: Callable[[Polygon], Payload]
    normalise: Callable[[Payload], list[Record]]
    may_leave_out: Callable[[dict[str, Any]], bool]
    files: str
    sample: dict[str, Any]

    def recorded(self) -> list[dict[str, Any]]:
        """Results as the vendor once sent them; none where the recordings are not at hand."""
        return [
            result for file in sorted(RECORDED.glob(self.files)) for result in json.loads(file.read_text())["results"]
        ]

    def alone(self, payload: Payload, raw: bytes) -> list[Record]:
        """What becomes of one result."""
        records = self.normalise(replace(payload, results=(raw,)))
        return [record for record in records if not (isinstance(record, Reject) and record.raw == "" != raw)]


def _bars(payload: Payload) -> list[Record]:
    *records, watermark = normalise.bars(payload, source="live")
    wrong = [record for record in records if isinstance(record, Reject) and record.reason != "no trade"]
    assert watermark.rejected == len(wrong)
    return records


QUESTIONS = {
    "bars": Question(
        lambda polygon: polygon.bars("AAPL", "minute", START_MS, END_MS),
        _bars,
        lambda result: float(result["t"]) + SPAN_MS["minute"] > END_MS,
        "v2_aggs_ticker_AAPL_range_*",
        {"t": START_MS, "o": 10.0, "h": 11.5, "l": 9.25, "c": 10.5, "v": 1234.5, "vw": 10.1, "n": 17},
    ),
    "news": Question(
        lambda polygon: polygon.news(START_MS, END_MS),
        lambda payload: normalise.news(payload, WATCHED, source="live"),
        lambda result: not set(WATCHED) & set(result["tickers"]),
        "v2_reference_news_*",
        {
            "id": "a1",
            "publisher": {"name": "Wire"},
            "title": "Recall at Äpple",
            "published_utc": "2019-02-14T14:31:00Z",
            "article_url": "https://example.com/a1",
            "tickers": ["AAPL", "MSFT", "TSN"],
            "insights": [{"ticker": "AAPL", "sentiment": "negative", "sentiment_reasoning": "a recall"}],
        },
    ),
    "instruments": Question(
        lambda polygon: polygon.instruments(WATCHED),
        normalise.instruments,
        lambda result: result["ticker"] not in WATCHED,
        "v3_reference_tickers.json",
        {"ticker": "AAPL", "name": "Apple Inc.", "market": "stocks", "type": "CS", "active": True, "cik": "0000320193"},
    ),
    "splits": Question(
        lambda polygon: polygon.splits("2019-01-01"),
        normalise.splits,
        lambda result: False,
        "v3_reference_splits*",
        {"ticker": "AAPL", "execution_date": "2020-08-31", "split_from": 1, "split_to": 4},
    ),
    "dividends": Question(
        lambda polygon: polygon.dividends("2019-01-01"),
        lambda payload: normalise.dividends(payload, WATCHED),
        lambda result: result["ticker"] not in WATCHED and (result["currency"] or CURRENCY).upper() != CURRENCY,
        "v3_reference_dividends*",
        {"ticker": "AAPL", "ex_dividend_date": "2019-02-08", "cash_amount": 0.73, "currency": "USD"},
    ),
}


def results(rng: random.Random, kind: str) -> dict[str, Any]:
    """A result of this kind, recorded or generated."""
    question = QUESTIONS[kind]
    given = dict(rng.choice([question.sample, question.sample, *question.recorded()[:20]]))
    if kind == "bars":
        given["t"] = START_MS + rng.randrange(-3, 53) * SPAN_MS["minute"]
    return given


class Server(ThreadingHTTPServer):
    """Answers every question with ``body``; ``asked`` is the path of the last one."""

    body = b""
    asked = ""
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # one packet per answer: two would wait for each other

    def do_GET(self) -> None:
        self.server.asked = self.path
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def vendor() -> Iterator[tuple[Server, Polygon]]:
    """A vendor whose every answer is ``server.body``, and a client that does not ask twice."""
    server = Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server, Polygon("key", f"http://127.0.0.1:{server.server_port}", patience_seconds=0)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
