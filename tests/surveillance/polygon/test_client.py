"""The poller against real sockets: a server that answers from a script, and the simulator."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn

from include.polygon_simulator.market import synthetic_market
from include.polygon_simulator.server import create_app
from include.surveillance import normalise
from include.surveillance.errors import ConfigurationError, RateLimitedError, VendorError, VendorUnavailableError
from include.surveillance.polygon.client import Polygon
from include.surveillance.records import Bar

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


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found.asked.append(self)
            answer = found.script.pop(0) if len(found.script) > 1 else found.script[0]
            if answer.body is HANG:
                found.release.wait(30)
            else:
                answer.send(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Vendor(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """What the poller would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def polygon(vendor, waits) -> Polygon:
    return Polygon(KEY, vendor.url, timeout_seconds=2, patience_seconds=5)


def page(*results: dict, **more) -> Answer:
    return Answer({"status": "OK", "request_id": "r1", "results": list(results), "resultsCount": len(results)} | more)


def busy(**headers: str) -> Answer:
    return Answer({"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}, 429, headers)


# --- questions


def test_bars_are_asked_for_as_the_vendor_wants_it(vendor, polygon):
    vendor.answers(page())
    polygon.bars("BRK.B", "5minute", 300_000, 900_000)
    assert urlsplit(vendor.asked[0].path).path == "/v2/aggs/ticker/BRK.B/range/5/minute/300000/899999"
    assert vendor.query() == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert vendor.asked[0].headers["Authorization"] == f"Bearer {KEY}"


def test_news_is_asked_for_once_for_all_tickers_to_the_second(vendor, polygon):
    vendor.answers(page())
    polygon.news(NOON + 500, NOON + MINUTE + 500)
    assert vendor.query() == {
        "published_utc.gte": "2026-09-22T12:00:00Z",
        "published_utc.lt": "2026-09-22T12:01:01Z",
        "sort": "published_utc",
        "order": "asc",
        "limit": "1000",
    }


def test_splits_are_asked_for_from_a_date(vendor, polygon):
    vendor.answers(page())
    polygon.splits("2026-01-02")
    assert vendor.query()["execution_date.gte"] == "2026-01-02"


def test_dividends_are_asked_for_from_a_date(vendor, polygon):
    vendor.answers(page())
    polygon.dividends("2026-01-02")
    assert vendor.asked[0].path.startswith("/v3/reference/dividends?")
    asked = vendor.query()
    assert (asked["ex_dividend_date.gte"], asked["sort"], asked["order"]) == ("2026-01-02", "ex_dividend_date", "asc")


def test_check_is_one_question(vendor, polygon):
    vendor.answers(Answer({"market": "open"}))
    polygon.check()
    assert [handler.path for handler in vendor.asked] == ["/v1/marketstatus/now"]


def test_the_whole_market_is_one_question(vendor, polygon):
    vendor.answers(Answer({"status": "OK", "count": 2, "tickers": [{"ticker": "A"}, {"ticker": "B"}]}))
    payload = polygon.snapshot()
    assert vendor.asked[0].path.partition("?")[0] == "/v2/snapshot/locale/us/markets/stocks/tickers"
    assert payload.results == (b'{"ticker": "A"}', b'{"ticker": "B"}')
    assert (len(vendor.asked), payload.status) == (1, "OK")


# --- answers


def test_results_keep_their_text_and_the_payload_says_what_was_asked(vendor, polygon):
    result = b'{"t": 1,  "v": 1.029145e+06}'
    vendor.answers(Answer(b'{"status": "OK", "request_id": "r9", "resultsCount": 1, "results": [' + result + b"]}"))
    payload = polygon.bars("AAPL", "minute", 60_000, 120_000)
    assert payload.results == (result,)
    assert (payload.symbols, payload.timespan, payload.from_ms, payload.to_ms) == (("AAPL",), "minute", 60_000, 120_000)
    assert (payload.status, payload.request_ids) == ("OK", ("r9",))
    assert payload.polled_ms > 1_700_000_000_000


def test_an_empty_answer_has_no_results_key(vendor, polygon):
    vendor.answers(Answer({"status": "OK", "queryCount": 0, "resultsCount": 0}))
    assert polygon.bars("AAPL", "minute", 0, 60_000).results == ()


def test_a_delayed_entitlement_is_seen_on_any_page(vendor, polygon):
    vendor.answers(page({"t": 1}, next_url=f"{vendor.url}/next?cursor=a"), page({"t": 2}, status="DELAYED"))
    assert polygon.bars("AAPL", "minute", 0, 60_000).status == "DELAYED"


def test_pages_are_followed_on_the_configured_host_with_the_key(vendor, polygon):
    elsewhere = "https://api.example.org:443/v2/more?cursor=abc"
    vendor.answers(page({"t": 1}, next_url=elsewhere), page({"t": 2}))
    assert polygon.news(0, 1_000).results == (b'{"t": 1}', b'{"t": 2}')
    assert vendor.asked[1].path == "/v2/more?cursor=abc"
    assert vendor.asked[1].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("next_url", [".example.org/x", "@example.org/x", "//example.org/x", "x", "/../x"])
def test_no_next_page_leads_to_another_host(vendor, polygon, next_url):
    vendor.answers(page({"t": 1}, next_url=next_url), page({"t": 2}))
    assert len(polygon.news(0, 1_000).results) == 2
    assert len(vendor.asked) == 2


def test_a_next_page_that_is_no_address_is_an_error(vendor, polygon):
    vendor.answers(page({"t": 1}, next_url="http://[x"))
    with pytest.raises(VendorUnavailableError, match="next page that is none"):
        polygon.news(0, 1_000)


def test_a_full_page_without_a_next_one_is_asked_for_again_and_then_believed(vendor, polygon, monkeypatch):
    monkeypatch.setattr("include.surveillance.polygon.client.ITEMS_PER_PAGE", 2)
    vendor.answers(page({"t": 1}, {"t": 2}), page({"t": 1}, {"t": 2}, next_url="/x"), page({"t": 3}, {"t": 4}))
    assert [result[-2:-1] for result in polygon.news(0, 1_000).results] == [b"1", b"2", b"3", b"4"]
    assert len(vendor.asked) == 4


def test_pages_that_go_round_in_circles_are_an_error(vendor, polygon):
    vendor.answers(page({"t": 1}, next_url="http://x/next?cursor=same"))
    with pytest.raises(VendorUnavailableError, match=r": /next\?cursor=same came twice"):
        polygon.bars("AAPL", "minute", 0, 60_000)


# --- refusals: at once


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({"status": "ERROR", "error": "Unknown API Key"}, 401), r"401: Unknown API Key.*polygon_default"),
        (Answer({"error": "API Key was not provided"}, 400), r"400: API Key was not provided.*polygon_default"),
        (Answer({"status": "NOT_AUTHORIZED", "message": "not in your plan"}, 403), "not entitled.*not in your plan"),
        (Answer(b"<h1>no</h1>", 404), "does not know.*<h1>no</h1>"),
        (Answer({"error": "'limit' is bad"}, 400), "refused the request.*'limit' is bad"),
        (Answer(b"", 302, {"Location": "http://127.0.0.1:1/"}), "refused the request.*302"),
    ],
)
def test_a_refusal_is_not_tried_again(vendor, polygon, waits, answer, said):
    vendor.answers(answer)
    with pytest.raises(VendorError, match=said):
        polygon.bars("AAPL", "minute", 0, 60_000)
    assert len(vendor.asked) == 1
    assert waits == []


def test_the_key_is_in_no_message(vendor, polygon):
    vendor.answers(Answer({"error": "Unknown API Key"}, 401))
    with pytest.raises(VendorError) as caught:
        polygon.check()
    assert KEY not in str(caught.value)


# --- trouble: again, then an error


def test_a_rate_limit_waits_as_long_as_the_vendor_asks(vendor, polygon, waits):
    vendor.answers(busy(**{"Retry-After": "3"}), page({"t": 1}))
    assert len(polygon.bars("AAPL", "minute", 0, 60_000).results) == 1
    assert waits == [3.0]


def test_a_rate_limit_without_a_hint_waits_a_fifth_of_a_minute(vendor, waits):
    vendor.answers(busy(), page({"t": 1}))
    Polygon(KEY, vendor.url, patience_seconds=60).bars("AAPL", "minute", 0, 60_000)
    assert waits == [13.0]


@pytest.mark.parametrize("hint", ["3600", "never", "9" * 5000])
def test_a_rate_limit_beyond_patience_is_an_error_of_its_own(vendor, polygon, waits, hint):
    vendor.answers(busy(**{"Retry-After": hint}))
    with pytest.raises(RateLimitedError, match="429: You've exceeded") as caught:
        polygon.bars("AAPL", "minute", 0, 60_000)
    assert caught.value.retry_after == (3600 if hint == "3600" else None)
    assert waits == []


@pytest.mark.parametrize(
    "trouble",
    [
        Answer({"error": "internal"}, 500),
        Answer(b"upstream connect error", 503),
        Answer(b"", 499),
        Answer(b"<html><body>Maintenance</body></html>"),
        Answer(b'{"status": "OK", "results": [{"t": 1}, {"t'),
        Answer(b'{"status": "OK", "results"', length=500),
        Answer({"status": "OK", "results": "none"}),
        Answer({"status": "OK", "resultsCount": 2, "results": [{"t": 1}]}),
        Answer({"status": "OK", "resultsCount": 2}),
        Answer({"status": "ERROR", "error": "later"}),
        Answer([1, 2]),
        Answer(b"\xff\xfe"),
        Answer(b"not gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=lambda answer: f"{answer.status} {str(answer.body)[:30]}",
)
def test_trouble_is_tried_again_and_then_an_error(vendor, polygon, waits, trouble):
    vendor.answers(trouble, page({"t": 1}))
    assert polygon.bars("AAPL", "minute", 0, 60_000).results == (b'{"t": 1}',)
    assert len(waits) == 1

    vendor.answers(trouble)
    with pytest.raises(VendorUnavailableError):
        polygon.bars("AAPL", "minute", 0, 60_000)
    assert len(waits) > 2
    assert waits[1] < waits[-1], "backs off"


@pytest.mark.parametrize(
    "trouble",
    [
        Answer({"status": "OK", "count": 2, "tickers": [{"ticker": "A"}]}),
        Answer({"status": "OK", "count": 2}),
        Answer({"status": "ERROR"}),
        Answer(b"<html>"),
        Answer({"status": "OK", "tickers": {}}),
    ],
    ids=lambda answer: str(answer.body)[:40],
)
def test_a_snapshot_is_judged_like_every_answer(vendor, polygon, waits, trouble):
    vendor.answers(trouble, Answer({"status": "OK", "count": 1, "tickers": [{"ticker": "A"}]}))
    assert polygon.snapshot().results == (b'{"ticker": "A"}',)
    assert len(waits) == 1


def test_a_snapshot_from_before_the_end_of_the_minute_is_asked_for_again(vendor, polygon, waits, monkeypatch):
    ours = SimpleNamespace(time=lambda: NOON / 1_000 + 2, monotonic=time.monotonic)
    for module in ("transport", "pages"):
        monkeypatch.setattr(f"include.surveillance.polygon.{module}.time", ours)
    early, late = (
        Answer({"status": "OK", "tickers": [{"ticker": name}]}, headers={"Date": formatdate(stamp, usegmt=True)})
        for name, stamp in (("EARLY", NOON / 1_000 - 3), ("LATE", NOON / 1_000))
    )
    vendor.answers(early, late)
    assert polygon.snapshot(NOON).results == (b'{"ticker": "LATE"}',)
    assert waits == [2.001]


@pytest.mark.parametrize("hint", ["0", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_hint_of_nothing_is_no_leave_to_hammer(vendor, polygon, waits, hint):
    vendor.answers(busy(**{"Retry-After": hint}), busy(**{"Retry-After": hint}), page({"t": 1}))
    polygon.bars("AAPL", "minute", 0, 60_000)
    assert min(waits) >= 0.5
    assert len(waits) == 2


@pytest.mark.parametrize("date", ["", "soon", "Sat, 99 Sep 2026 12:00:00 GMT", "Tue, 22 Sep 2026 11:59:57 GMT"])
def test_bars_that_still_grow_by_the_vendors_clock_are_waited_for(vendor, polygon, waits, monkeypatch, date):
    """Our clock shows two seconds after the minute; a clock that cannot be read says nothing."""
    ours = SimpleNamespace(time=lambda: NOON / 1_000 + 2, monotonic=time.monotonic)
    for module in ("transport", "pages"):
        monkeypatch.setattr(f"include.surveillance.polygon.{module}.time", ours)
    growing, whole = (
        replace(page({"t": number}), headers={"Date": stamp})
        for number, stamp in ((1, date), (2, formatdate(NOON / 1_000, usegmt=True)))
    )
    vendor.answers(growing, whole)
    payload = polygon.bars("AAPL", "minute", NOON - MINUTE, NOON)
    if date.startswith("Tue"):
        assert payload.results == (b'{"t": 2}',)
        assert waits == [2.001]
    else:
        assert payload.results == (b'{"t": 1}',)
        assert waits == []

    vendor.answers(replace(growing, headers={"Date": formatdate(NOON / 1_000 - 20, usegmt=True)}))
    with pytest.raises(VendorUnavailableError, match=r"until 2026-09-22T12:00:00Z are not whole yet.*NTP") as caught:
        polygon.bars("AAPL", "minute", NOON - MINUTE, NOON)
    assert caught.value.retry_after == 19.001


def test_trouble_in_the_middle_of_the_pages_never_ends_them_early(vendor, polygon):
    vendor.answers(page({"t": 1}, next_url="http://x/next?cursor=b"), Answer(b"<html>"))
    with pytest.raises(VendorUnavailableError, match="unusable body"):
        polygon.bars("AAPL", "minute", 0, 60_000)


def test_a_server_that_hangs_is_given_up(vendor):
    vendor.answers(Answer(HANG))
    polygon = Polygon(KEY, vendor.url, timeout_seconds=0.3, patience_seconds=0)
    with pytest.raises(VendorUnavailableError, match=r"not reachable: .*[Rr]ead timed out"):
        polygon.bars("AAPL", "minute", 0, 60_000)


def test_an_unreachable_port_is_one_line_that_says_what_to_do(vendor, waits):
    with socket.socket() as reserved:  # bound and not listening: nobody answers there
        reserved.bind(("127.0.0.1", 0))
        polygon = Polygon(KEY, f"http://127.0.0.1:{reserved.getsockname()[1]}")
        with pytest.raises(
            VendorUnavailableError, match=r"is not reachable: .*; correct POLYGON_BASE_URL, .*polygon_default"
        ):
            polygon.check()
    assert waits == [], "a check answers at once"


@pytest.mark.parametrize(
    ("key", "url", "said"),
    [
        ("", "http://127.0.0.1:1", "no Polygon API key"),
        (KEY, "api.polygon.io", "no address"),
        (KEY, "ftp://x", "no add"),
    ],
)
def test_an_unusable_connection_is_a_configuration_error(key, url, said):
    with pytest.raises(ConfigurationError, match=said):
        Polygon(key, url)


# --- the simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    market = synthetic_market(7, "24/7", 24, clock=lambda: NOON)
    app = create_app(market, KEY)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", date_header=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(("timespan", "count"), [("minute", 11 * 60), ("5minute", 11 * 12), ("hour", 11), ("day", 1)])
def test_whole_bars_of_every_timespan_are_used(simulator, timespan, count):
    Polygon(KEY, simulator).check()
    day = NOON // 86_400_000 * 86_400_000
    start = day - 86_400_000 if timespan == "day" else day
    end = day if timespan == "day" else day + 11 * 60 * MINUTE
    found = normalise.bars(Polygon(KEY, simulator).bars("AAPL", timespan, start, end), source="live")
    # A few minutes have no trade; the generator also plans some broken bars, which only the minutes show.
    times = [record.ts_ms for record in found if isinstance(record, Bar)]
    assert count * 0.97 <= len(times) + found[-1].rejected <= count
    assert times == sorted(set(times))
    assert start <= times[0]
    assert times[-1] < end


def test_small_pages_give_the_same_bars(simulator, monkeypatch):
    def bars() -> list[bytes]:
        return list(Polygon(KEY, simulator).bars("MSFT", "hour", NOON - 6 * 60 * MINUTE, NOON).results)

    whole = bars()
    monkeypatch.setattr("include.surveillance.polygon.client.BARS_PER_PAGE", 70)
    assert bars() == whole
    assert len(whole) == 6


def test_news_instruments_and_splits_are_usable(simulator):
    polygon = Polygon(KEY, simulator)
    symbols = ["AAPL", "MSFT", "XOM"]
    assert [record.symbol for record in normalise.instruments(polygon.instruments(symbols))] == symbols
    news = normalise.news(polygon.news(NOON - 6 * 60 * MINUTE, NOON), symbols, source="live")
    assert {type(item).__name__ for item in news} == {"NewsItem"}
    assert all(type(split).__name__ == "Split" for split in normalise.splits(polygon.splits("2020-01-01")))


def test_dividends_are_usable_and_those_asked_for(simulator):
    found = normalise.dividends(Polygon(KEY, simulator).dividends("2026-06-01"))
    assert {type(dividend).__name__ for dividend in found} == {"Dividend"}
    assert min(dividend.ex_date for dividend in found) >= "2026-06-01"


def test_a_wrong_key_is_refused(simulator):
    with pytest.raises(VendorError, match="refused the API key"):
        Polygon("wrong", simulator).check()
