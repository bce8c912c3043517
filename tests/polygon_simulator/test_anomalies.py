"""An independent reading of each literal rule, in pandas, must fire inside every label."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from include.polygon_simulator.bar_pages import Query, read_page
from include.polygon_simulator.market import Market, synthetic_market
from include.polygon_simulator.newsroom import Newsroom
from include.surveillance.detection.rules.registry import RULES
from tests.polygon_simulator.constants import MINUTE, NOON

KINDS = set(RULES)


def usable(bars: pd.DataFrame) -> pd.Series:
    body = bars[["o", "c"]]
    inside = (bars["l"] <= body.min(axis=1)) & (body.max(axis=1) <= bars["h"])
    return inside & (bars["v"] >= 0) & (bars[["o", "h", "l", "c"]] > 0).all(axis=1)


def fired(market: Market, symbol: str, start_ms: int, end_ms: int) -> dict[str, list[int]]:
    """Rule -> times at which its literal form fires, on the bars as served."""
    rows = read_page(market, Query(symbol, 1, "minute", start_ms, end_ms - 1, limit=50_000)).rows
    served = pd.DataFrame(rows)
    good = usable(served)
    # A broken bar is noticed by the poll that first brings it.
    times = {"data_quality": (served["t"][~good] + MINUTE).tolist()}
    bars = served[good].reset_index(drop=True)
    loud = bars["v"] > 3 * bars["v"].rolling(20).mean().shift(1)
    times["abnormal_volume"] = bars["t"][loud].tolist()
    deviation = np.log(bars["c"]).diff().rolling(20).std()
    wild = deviation > deviation.expanding(100).quantile(0.95).shift(1)
    times["volatility_spike"] = bars["t"][wild].tolist()
    out = (bars["c"] > bars["h"].rolling(20).max().shift(1)) | (bars["c"] < bars["l"].rolling(20).min().shift(1))
    times["price_breakout"] = bars["t"][out].tolist()
    starts = {session.open_ms for session in market.sessions_between(start_ms, end_ms)}
    gap = (bars["o"] / bars["c"].shift(1) - 1).abs()
    times["price_gap"] = bars["t"][bars["t"].isin(starts) & (gap > 0.02)].tolist()
    silent = bars["t"].diff() > 16 * MINUTE
    times["feed_freshness"] = (bars["t"].shift(1)[silent] + 17 * MINUTE).astype(int).tolist()
    bad_news = [
        pd.Timestamp(article["published_utc"]).value // 1_000_000
        for article in Newsroom(market).articles(start_ms, end_ms)
        for insight in article.get("insights", [])
        if insight["ticker"] == symbol and insight["sentiment"] == "negative"
    ]
    near = [at for at in times["abnormal_volume"] if any(abs(at - news) < 10 * MINUTE for news in bad_news)]
    return times | {"news_impact": near}


@pytest.mark.parametrize(("calendar", "symbols"), [("24/7", 24), ("24/7", 5), ("XNYS", 24), ("XNYS", 5)])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_label_of_two_sessions_fires(calendar, symbols, seed):
    market = synthetic_market(seed, calendar, symbols, clock=lambda: NOON)
    sessions = [session for session in market.latest_sessions(4)[::-1] if session.close_ms < NOON][-3:]
    assert_labels_fire(market, sessions)


def assert_labels_fire(market: Market, sessions: list) -> None:
    start, end = sessions[0].open_ms, sessions[-1].close_ms
    # The first session is the rules' history.
    labels = [label for label in market.labels(start, end - 1) if label["start_ms"] >= sessions[1].open_ms]
    assert {label["kind"] for label in labels} == KINDS
    firing = {symbol: fired(market, symbol, start, end) for symbol in {label["symbol"] for label in labels}}
    missed = [
        label
        for label in labels
        if not any(label["start_ms"] <= at <= label["end_ms"] for at in firing[label["symbol"]][label["kind"]])
    ]
    assert missed == []


def test_every_kind_of_the_open_market_starts_every_hour_and_something_starts_every_two_minutes():
    market = synthetic_market(1, "24/7", 24, clock=lambda: NOON)
    session = market.latest_sessions(2)[1]
    planned = market.plan.session(session)
    assert len(planned) > 720
    for hour in range(3, 23):
        kinds = Counter(anomaly.kind for anomaly in planned if hour * 60 <= anomaly.minute < hour * 60 + 60)
        assert set(kinds) == KINDS - {"price_gap"}, hour
    assert sum(anomaly.kind == "price_gap" for anomaly in planned) == 2


def test_at_any_time_some_symbol_is_overdue():
    market = synthetic_market(1, "24/7", 24, clock=lambda: NOON)
    silences = [a for a in market.plan.session(market.latest_sessions(1)[0]) if a.kind == "feed_freshness"]
    for minute in range(20, 1400):
        assert any(a.minute + 15 <= minute <= a.minute + a.minutes for a in silences), minute


def test_market_anomalies_on_one_symbol_lie_apart():
    market = synthetic_market(1, "24/7", 24, clock=lambda: NOON)
    planned = market.plan.session(market.latest_sessions(1)[0])
    kinds = {"abnormal_volume", "price_breakout", "news_impact", "volatility_spike"}
    for symbol in market.instruments:
        minutes = [anomaly.minute for anomaly in planned if anomaly.symbol == symbol and anomaly.kind in kinds]
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(minutes))
