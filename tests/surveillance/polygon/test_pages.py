"""Pages against real sockets: judged one by one, tried again while patience lasts, followed to the last."""

from __future__ import annotations

import time
from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from include.surveillance.errors import RateLimitedError, VendorError, VendorUnavailableError
from include.surveillance.polygon.client import Polygon
from tests.surveillance.polygon.vendor import KEY, MINUTE, NOON, Answer, busy, page


def set_our_clock(monkeypatch, now_ms: int) -> None:
    ours = SimpleNamespace(time=lambda: now_ms / 1_000, monotonic=time.monotonic)
    monkeypatch.setattr("include.surveillance.polygon.transport.time", ours)
    monkeypatch.setattr("include.surveillance.polygon.pages.now_ms", lambda: now_ms)


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


@pytest.mark.parametrize("host", ["api.polygon.io:443", "api.massive.com", "127.0.0.1:9"])
def test_pages_of_either_name_are_followed_on_the_configured_host_with_the_key(vendor, polygon, host):
    vendor.answers(page({"t": 1}, next_url=f"https://{host}/v2/more?cursor=abc&apiKey=x"), page({"t": 2}))
    assert polygon.news(0, 1_000).results == (b'{"t": 1}', b'{"t": 2}')
    assert vendor.asked[1].path == "/v2/more?cursor=abc"
    assert vendor.asked[1].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "next_url", ["https://api.example.org/x", "//example.org/x", "https://api.polygon.io@example.org/x",
                 "https://api.massive.com.example.org/x"]
)  # fmt: skip
def test_a_next_page_of_another_host_is_refused(vendor, polygon, waits, next_url):
    vendor.answers(page({"t": 1}, next_url=next_url), page({"t": 2}))
    with pytest.raises(VendorError, match=r"example.org as the host of the next page, and not one of 127.0.0.1, api"):
        polygon.news(0, 1_000)
    assert len(vendor.asked) == 1
    assert waits == []


@pytest.mark.parametrize("next_url", [".example.org/x", "@example.org/x", "x", "/../x", "/x"])
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
    vendor.answers(page({"t": 1}, next_url="/next?cursor=same"))
    with pytest.raises(VendorUnavailableError, match=r": /next\?cursor=same came twice"):
        polygon.bars("AAPL", "minute", 0, 60_000)


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
    set_our_clock(monkeypatch, NOON + 2_000)
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
    set_our_clock(monkeypatch, NOON + 2_000)
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
    vendor.answers(page({"t": 1}, next_url="/next?cursor=b"), Answer(b"<html>"))
    with pytest.raises(VendorUnavailableError, match="unusable body"):
        polygon.bars("AAPL", "minute", 0, 60_000)
