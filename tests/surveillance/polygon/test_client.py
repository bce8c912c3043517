"""The questions, each as the vendor wants it, and the simulator's answers to them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest
from fastapi import Response

from include.polygon_simulator.market import synthetic_market
from include.polygon_simulator.server import create_app
from include.surveillance import normalise
from include.surveillance.errors import ConfigurationError, VendorError
from include.surveillance.polygon.client import Polygon
from include.surveillance.records import Bar
from tests.polygon_simulator.serving import serve
from tests.surveillance.polygon.vendor import KEY, MINUTE, NOON, Answer, page


def test_bars_are_asked_for_as_the_vendor_wants_it(vendor, polygon):
    vendor.answers(page())
    polygon.bars("BRK.B", "5minute", 300_000, 900_000)
    assert urlsplit(vendor.asked[0].path).path == "/v2/aggs/ticker/BRK.B/range/5/minute/300000/899999"
    assert vendor.query() == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert vendor.asked[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "symbol", ["A/../../v1/x", "A?apiKey=b", "A#b", "..", ".", "A B", "A\r\nX: y", "é", "{{ 7*7 }}", "%2e%2e"]
)
def test_a_symbol_stays_one_word_of_the_path(vendor, polygon, symbol):
    vendor.answers(page())
    polygon.bars(symbol, "minute", 0, MINUTE)
    path = urlsplit(vendor.asked[0].path).path.split("/")
    assert (path[:4], path[5:]) == (["", "v2", "aggs", "ticker"], ["range", "1", "minute", "0", "59999"])
    assert unquote(path[4]) == symbol


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
    assert vendor.asked[0].path.startswith("/stocks/v1/splits?")
    assert vendor.query() == {"execution_date.gte": "2026-01-02", "sort": "execution_date.asc", "limit": "5000"}
    assert vendor.asked[0].headers["Authorization"] == f"Bearer {KEY}"


def test_dividends_are_asked_for_from_a_date(vendor, polygon):
    vendor.answers(page())
    polygon.dividends("2026-01-02")
    assert vendor.asked[0].path.startswith("/stocks/v1/dividends?")
    assert vendor.query() == {"ex_dividend_date.gte": "2026-01-02", "sort": "ex_dividend_date.asc", "limit": "5000"}


def test_spaces_around_key_and_address_are_no_part_of_them(vendor):
    vendor.answers(Answer({"market": "open"}))
    Polygon(f" {KEY}\n", f" {vendor.url}/ ").check()
    assert vendor.asked[0].headers["Authorization"] == f"Bearer {KEY}"


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


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """The simulator as the vendor is since it has ended its older lists of splits and dividends."""
    market = synthetic_market(7, "24/7", 24, clock=lambda: NOON)
    app = create_app(market, KEY)

    @app.middleware("http")
    async def end(request, call_next):
        ended = request.url.path in ("/v3/reference/splits", "/v3/reference/dividends")
        return Response(status_code=410) if ended else await call_next(request)

    with serve(app) as url:
        yield url


@pytest.mark.parametrize(("timespan", "count"), [("minute", 11 * 60), ("5minute", 11 * 12), ("hour", 11), ("day", 1)])
def test_whole_bars_of_every_timespan_are_used(simulator, timespan, count):
    Polygon(KEY, simulator).check()
    day = NOON // 86_400_000 * 86_400_000
    start = day - 86_400_000 if timespan == "day" else day
    end = day if timespan == "day" else day + 11 * 60 * MINUTE
    records = normalise.bars(Polygon(KEY, simulator).bars("AAPL", timespan, start, end), source="live")
    # A few minutes have no trade; the generator also plans some broken bars, which only the minutes show.
    times = [record.ts_ms for record in records if isinstance(record, Bar)]
    assert count * 0.97 <= len(times) + records[-1].rejected <= count
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
    records = normalise.dividends(Polygon(KEY, simulator).dividends("2026-06-01"), [])
    assert {type(dividend).__name__ for dividend in records} == {"Dividend"}
    assert min(dividend.ex_date for dividend in records) >= "2026-06-01"


def test_the_older_lists_are_not_asked_for(simulator):
    polygon = Polygon(KEY, simulator)
    with pytest.raises(VendorError, match="Polygon has ended /v3/reference/splits"):
        polygon._listed("/v3/reference/splits", {}, 1_000)
    assert polygon.splits("2020-01-01").results
    assert polygon.dividends("2026-06-01").results


@pytest.mark.parametrize("status", [403, 404, 410])
def test_where_the_newer_lists_are_not_to_be_had_the_older_ones_are_asked_and_people_are_told(vendor, caplog, status):
    split = {"ticker": "A", "execution_date": "2026-01-05", "split_from": 1, "split_to": 2}
    refused = Answer({"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}, status)
    vendor.answers(refused, page(split))
    (found,) = normalise.splits(Polygon(KEY, vendor.url).splits("2026-01-02"))
    assert (found.symbol, found.split_to) == ("A", 2.0)
    assert [it.path.partition("?")[0] for it in vendor.asked] == ["/stocks/v1/splits", "/v3/reference/splits"]
    assert vendor.query(1) == {
        "execution_date.gte": "2026-01-02", "sort": "execution_date", "order": "asc", "limit": "1000",
    }  # fmt: skip
    (line,) = caplog.messages
    assert "older list /v3/reference/splits, which is going to end" in line
    assert "You are not entitled to this data." in line


def test_a_wrong_key_is_refused(simulator):
    with pytest.raises(VendorError, match="refused the API key"):
        Polygon("wrong", simulator).check()
