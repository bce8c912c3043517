"""A browser on the real API server, with alerts in a real PostgreSQL."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from include.orchestration.application.evidence import store_evidence
from include.surveillance.desk.evidence import BARS_AFTER, BARS_BEFORE, Evidence
from include.surveillance.records import Bar, NewsItem
from tests.desk import CHROMIUM, browser, listening, open_context
from tests.orchestration.conftest import alert, store

RULES = ("abnormal_volume", "volatility_spike", "price_breakout", "price_gap", "news_impact")
SEVERITIES = ("low", "medium", "high", "critical")
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> \u202e'; drop table alerts; --"
MINUTE_MS = 60_000


@pytest.fixture(scope="session")
def server(client):
    """The address of the API server on a port of its own."""
    with listening(client.app) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    """Debian's browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"the page is tried in Debian's browser, and there is no {CHROMIUM}: apt-get install chromium")
    with browser() as chromium:
        yield chromium


@pytest.fixture
def visit(server, chromium, sign_in, desk):
    """A function: a role and a query open the desk for somebody; returns the page. On none may anything go wrong."""
    opened = []

    def visit(role="Analyst", query="", path="/surveillance/", wait=".desk", **options):
        context = open_context(chromium, server, sign_in(role)["Authorization"].removeprefix("Bearer "), **options)
        page, wrong = context.new_page(), []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"a script asks: {dialog.message}") or dialog.dismiss())
        opened.append(SimpleNamespace(context=context, page=page, wrong=wrong))
        page.goto(server + path + query)
        page.wait_for_selector(wait)
        page.wrong = wrong
        return page

    yield visit
    for one in opened:
        one.context.close()
    assert [text for one in opened for text in one.wrong] == []


@pytest.fixture
def seeded(desk):
    """300 alerts of the last hours, one of them with a hostile sentence; returns the seeded alerts."""
    now = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    alerts = []
    for number in range(300):
        ts_ms = now - (10 + number) * MINUTE_MS
        severity = SEVERITIES[number % 4 if number % 3 else number % 2]
        times = {"ts_ms": ts_ms, "bar_close_ms": ts_ms + MINUTE_MS, "episode_start_ms": ts_ms}
        symbol, rule = f"S{number:03}", RULES[number % len(RULES)]
        times_usual = f"{3 + number % 7}.{number % 10} times its usual volume"
        text = f"{symbol} traded {times_usual}, the most in {number % 40 + 1} sessions"
        alerts.append(
            alert(
                symbol,
                rule=rule,
                severity=severity,
                score=99.0 - number / 10,
                tag="unexplained" if number % 2 else "news",
                direction=("up", "down")[number % 2],
                explanation=HOSTILE if number == 1 else text,
                **times,
            )
        )
    store(alerts)
    store_evidence(make_evidence(it) for it in alerts[:20])
    return alerts


def make_evidence(of):
    """Bars that wander and trade most at the alert's, and two articles, one of which is hostile."""
    chance, price, bars = random.Random(of.symbol), 60.0, []
    for number in range(-BARS_BEFORE, BARS_AFTER + 1):
        ts_ms, before = of.ts_ms + number * MINUTE_MS, price
        price = round(price * (1 + chance.gauss(0, 0.0006) + (0.006 if number == 0 else 0)), 2)
        high, low = max(before, price) + 0.02, min(before, price) - 0.02
        volume = Decimal(chance.randint(800, 3000) * (9 if number == 0 else 1))
        ohlc = {"open": before, "high": round(high, 2), "low": round(low, 2), "close": price}
        bars.append(Bar(symbol=of.symbol, timespan="minute", ts_ms=ts_ms, volume=volume, **ohlc))
    articles = [(HOSTILE, "javascript:alert(3)", -30), ("Company raises its outlook", "https://example.com/a", 12)]
    news = tuple(
        NewsItem(
            symbol=of.symbol,
            article_id=str(number),
            published_ms=of.ts_ms + minutes * MINUTE_MS,
            title=title,
            url=url,
            publisher="Wire",
            sentiment="positive",
        )
        for number, (title, url, minutes) in enumerate(articles)
    )
    about = {"alert_id": of.event_id, "symbol": of.symbol, "timespan": of.timespan, "ts_ms": of.ts_ms}
    return Evidence(**about, bars=tuple(bars), news=news)
