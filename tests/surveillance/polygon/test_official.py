"""Either of the vendor's packages builds the requests: they ask the same and are judged alike."""

from __future__ import annotations

import pytest

from include.surveillance.errors import ConfigurationError, VendorError
from include.surveillance.polygon import official
from include.surveillance.polygon.client import Polygon
from tests.surveillance.polygon.vendor import KEY, MINUTE, Answer, page

QUESTIONS = {
    "bars": lambda polygon: polygon.bars("BRK.B", "5minute", 0, 10 * MINUTE),
    "snapshot": lambda polygon: polygon.snapshot(),
    "news": lambda polygon: polygon.news(0, 1_000),
    "instruments": lambda polygon: polygon.instruments(["A", "Z"]),
    "delisted": lambda polygon: polygon.delisted("A"),
    "ticker_events": lambda polygon: polygon.ticker_events("META"),
    "splits": lambda polygon: polygon.splits("2026-01-02"),
    "dividends": lambda polygon: polygon.dividends("2026-01-02"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_packages_ask_the_same(vendor, question):
    vendor.answers(Answer({"status": "OK", "results": [], "tickers": []}))
    for package in official.INSTALLED_AS:
        QUESTIONS[question](Polygon(KEY, vendor.url, package=package))
    polygon, massive = vendor.asked
    assert polygon.path == massive.path
    assert polygon.headers["Authorization"] == massive.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("package", official.INSTALLED_AS)
def test_pages_delays_and_refusals_are_seen_with_both(vendor, package):
    vendor.answers(
        page({"t": 1}, next_url=f"{vendor.url}/more?cursor=a"), page({"t": 2}, status="DELAYED"),
        Answer({"status": "ERROR", "error": "Unknown API Key"}, 401),
    )  # fmt: skip
    polygon = Polygon(KEY, vendor.url, package=package)
    payload = polygon.bars("AAPL", "minute", 0, MINUTE)
    assert (len(payload.results), payload.status) == (2, "DELAYED")
    with pytest.raises(VendorError, match="refused the API key"):
        polygon.check()


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(official, "import_module", fail)
    with pytest.raises(ConfigurationError, match=r"POLYGON_CLIENT=massive needs the package massive, .*requirements"):
        Polygon(KEY, package="massive")
