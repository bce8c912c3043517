"""Articles about the instruments: some bring the labelled bad news, most are noise."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np

from include.polygon_simulator.anomalies import Anomaly
from include.polygon_simulator.market import Market
from include.polygon_simulator.synthetic_bars import article_minute
from include.surveillance.sessions import Session
from include.surveillance.timespans import MINUTE_MS

HEADLINES = {
    "positive": ("{name} raises its outlook", "Analysts turn upbeat on {name}", "{name} wins a large order"),
    "neutral": ("{name} to present at a conference", "What to know about {name}", "{name} names a board member"),
    # Many: what is told again within a day is no news.
    "negative": tuple(
        f"{event} {because}"
        for because in (
            "as demand in Asia falls",
            "after months of rising costs",
            "because of the new tariffs",
            "while its rivals win orders",
            "weeks before the annual meeting",
        )
        for event in (
            "{name} cuts its guidance",
            "Regulator opens a probe into {name}",
            "{name} recalls a product",
            "Chief executive of {name} resigns",
            "{name} loses its largest customer",
            "Auditor leaves {name} over accounts",
            "Fire halts a plant of {name}",
            "Short seller accuses {name} of fraud",
            "Strike begins at {name}",
        )
    ),
}
REASONS = {
    "positive": "The article expects higher earnings.",
    "neutral": "The article reports an event without an effect on earnings.",
    "negative": "The article expects a loss of revenue.",
}
NOISE_EVERY = 10  # minutes
STORY_MS = 40 * MINUTE_MS  # after which there is another story
HOME = "https://newswire.example"
PUBLISHER = {
    "name": "Simulated Newswire",
    "homepage_url": f"{HOME}/",
    "logo_url": f"{HOME}/logo.svg",
    "favicon_url": f"{HOME}/favicon.ico",
}


class Newsroom:
    """The articles of a market, a function of (seed, session)."""

    def __init__(self, market: Market):
        self._market = market
        self._session = lru_cache(maxsize=64)(self._write_session)

    def articles(self, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """Return articles published in [start_ms, end_ms] and visible by now, oldest first, in the vendor's shape."""
        end_ms = min(end_ms, self._market.clock() - self._market.delay_ms)
        articles = []
        for session in self._market.sessions_between(start_ms, end_ms + 1):
            articles += [article for at, article in self._session(session) if start_ms <= at <= end_ms]
        return articles

    def _write_session(self, session: Session) -> list[tuple[int, dict[str, Any]]]:
        market = self._market
        rng = np.random.default_rng([market.seed, crc32(b"news"), crc32(session.date.encode())])
        symbols = list(market.instruments)
        articles = [
            self._labelled(anomaly, session, symbols)
            for anomaly in market.plan.session(session)
            if anomaly.kind == "news_impact"
        ]
        for minute in range(1, (session.close_ms - session.open_ms) // MINUTE_MS, NOISE_EVERY):
            at = session.open_ms + minute * MINUTE_MS + int(rng.integers(0, 59)) * 1000
            chosen = [symbols[index] for index in rng.choice(len(symbols), int(rng.integers(1, 4)), replace=False)]
            mood = str(rng.choice(["positive", "neutral"]))
            # Some articles have no insights: unknown, not neutral.
            moods = dict.fromkeys(chosen, "neutral") | {chosen[0]: mood} if rng.uniform() > 0.3 else {}
            articles.append(self._article(at, chosen, mood, moods))
        return sorted(articles, key=lambda item: (item[0], item[1]["id"]))

    def _labelled(self, anomaly: Anomaly, session: Session, symbols: list[str]) -> tuple[int, dict[str, Any]]:
        at = session.open_ms + article_minute(anomaly) * MINUTE_MS + 20_000
        other = symbols[(symbols.index(anomaly.symbol) + 1) % len(symbols)]
        return self._article(at, [anomaly.symbol, other], "negative", {anomaly.symbol: "negative", other: "neutral"})

    def _article(self, at: int, tickers: list[str], mood: str, moods: dict[str, str]) -> tuple[int, dict[str, Any]]:
        identity = hashlib.sha256(f"{self._market.seed}|{at}|{','.join(tickers)}".encode()).hexdigest()
        name = self._market.instruments[tickers[0]].name
        article: dict[str, Any] = {
            "id": identity,
            "publisher": PUBLISHER,
            "title": HEADLINES[mood][(at // STORY_MS + crc32(name.encode())) % len(HEADLINES[mood])].format(name=name),
            "author": "Simulated Newswire",
            "published_utc": datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "article_url": f"{HOME}/articles/{identity[:16]}",
            "tickers": tickers,
            "amp_url": f"{HOME}/amp/{identity[:16]}",
            "image_url": f"{HOME}/images/{identity[:16]}.png",
            "description": f"Invented for the simulated market. {REASONS[mood]}",
            "keywords": ["simulated", mood],
        }
        if moods:
            article["insights"] = [
                {"ticker": ticker, "sentiment": sentiment, "sentiment_reasoning": REASONS[sentiment]}
                for ticker, sentiment in moods.items()
            ]
        return at, article
