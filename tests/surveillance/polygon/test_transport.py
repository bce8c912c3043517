"""Single calls over real sockets: refusals at once, servers that hang or are away, and whose clock is right."""

from __future__ import annotations

import socket

import pytest

from include.surveillance.errors import VendorError, VendorUnavailableError
from include.surveillance.polygon.client import Polygon
from tests.surveillance.polygon.vendor import HANG, KEY, Answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({"status": "ERROR", "error": "Unknown API Key"}, 401), r"401: Unknown API Key.*polygon_default"),
        (Answer({"error": "API Key was not provided"}, 400), r"400: API Key was not provided.*polygon_default"),
        (Answer({"status": "NOT_AUTHORIZED", "message": "not in your plan"}, 403), "not entitled.*not in your plan"),
        (Answer(b"<h1>no</h1>", 404), "does not know.*<h1>no</h1>"),
        (Answer(b"", 410), "does not know.*410"),
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


@pytest.mark.parametrize("status", [404, 410])
def test_a_list_that_is_gone_has_ended(vendor, polygon, waits, status):
    vendor.answers(Answer({"message": "no Route matched with those values"}, status))
    asked = {
        "/stocks/v1/splits": lambda: polygon.splits("2026-01-02"),
        "/stocks/v1/dividends": lambda: polygon.dividends("2026-01-02"),
        "/v3/reference/tickers": lambda: polygon.instruments(["AAPL"]),
        "/v2/reference/news": lambda: polygon.news(0, 60_000),
    }
    for path, ask in asked.items():
        with pytest.raises(VendorError, match=f"Polygon has ended {path}, or .*{status}: no Route.*newer version"):
            ask()
    assert len(vendor.asked) == len(asked) + 2, "what has an older place is asked there, too"
    assert waits == []


def test_the_key_is_in_no_message(vendor, polygon):
    vendor.answers(Answer({"error": "Unknown API Key"}, 401))
    with pytest.raises(VendorError) as caught:
        polygon.check()
    assert KEY not in str(caught.value)


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
            VendorUnavailableError,
            match=r"is not reachable: .*; correct POLYGON_BASE_URL .or MASSIVE_BASE_URL., .*polygon_default",
        ):
            polygon.check()
    assert waits == [], "a check answers at once"
