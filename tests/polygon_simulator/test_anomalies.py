"""Inside every label the rule that is shipped must fire, and an independent reading of the literal one, in pandas."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest

from include.polygon_simulator.anomalies import MOVES, Anomaly, Label
from include.polygon_simulator.bar_pages import Query, read_page
from include.polygon_simulator.market import Market, synthetic_market
from include.polygon_simulator.newsroom import Newsroom
from include.surveillance import normalise
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.detection.rules.registry import rules_at
from include.surveillance.detection.state import State
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, NewsItem
from include.surveillance.sessions import Session
from tests.polygon_simulator.constants import DAY, MINUTE, NOON

KINDS = set(rules_at("minute"))
OF_MARKET = {kind for kind in KINDS if kind_of(kind) == "market"}


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


MARKETS = [("24/7", 24), ("24/7", 5), ("XNYS", 24), ("XNYS", 5)]


def watched_market(seed: int, calendar: str, symbols: int) -> tuple[Market, list[Session]]:
    """A market that is watched in the last three hours of a session, and four sessions up to that one."""
    sessions = synthetic_market(seed, calendar, symbols, clock=lambda: NOON).latest_sessions(6)[::-1]
    sessions = [session for session in sessions if session.close_ms < NOON][-4:]
    return synthetic_market(seed, calendar, symbols, sessions[-1].close_ms - 180 * MINUTE, clock=lambda: NOON), sessions


@pytest.mark.parametrize(("calendar", "symbols"), MARKETS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_label_fires_by_the_literal_reading(calendar, symbols, seed):
    market, sessions = watched_market(seed, calendar, symbols)
    assert find_missed(market, sessions, fired) == []


@pytest.mark.parametrize(("calendar", "symbols", "seed"), [("24/7", 24, 1), ("XNYS", 24, 2), ("XNYS", 5, 1)])
def test_labels_of_the_market_are_raised_by_the_rules_that_are_shipped(calendar, symbols, seed):
    """All but few of some seventy: who had a spike in the sessions of its profile, or is livelier than these, is used
    to spikes."""
    market, sessions = watched_market(seed, calendar, symbols)
    raised = detect(market, sessions[0].open_ms, sessions[-1].close_ms)
    missed = find_missed(market, sessions, lambda market, symbol, *_: raised[symbol], OF_MARKET)
    assert len(missed) <= 5, missed


def detect(market: Market, start_ms: int, end_ms: int) -> dict[str, dict[str, list[int]]]:
    """Symbol -> rule -> times of alerts, by the profiles that would have held."""
    bars: list[Bar] = []
    for symbol in market.instruments:
        rows = read_page(market, Query(symbol, 1, "minute", start_ms, end_ms - 1, limit=50_000)).rows
        asked = {"symbols": (symbol,), "timespan": "minute", "from_ms": start_ms, "to_ms": end_ms}
        answer = Payload(tuple(map(msgspec.json.encode, rows)), end_ms, **asked)
        bars += [it for it in normalise.bars(answer, source="backfill") if isinstance(it, Bar)]
    articles = tuple(map(msgspec.json.encode, Newsroom(market).articles(start_ms, end_ms)))
    companies = {symbol: instrument.name for symbol, instrument in market.instruments.items()}
    news = normalise.news(Payload(articles, end_ms), companies, source="backfill", companies=companies)
    items = [it for it in news if isinstance(it, NewsItem)]
    profiles = walk_forward(BarColumns.from_records(bars), market.sessions)
    engine = Engine(ParameterBook.default(), market.sessions, profiles=profiles)
    # An article is there before the minute is over in which it was published.
    records = sorted([*items, *bars], key=lambda it: it.published_ms if isinstance(it, NewsItem) else it.ts_ms + MINUTE)
    times: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for alert in detect_records(engine, State("sketch"), records).alerts:
        times[alert.symbol][alert.rule].append(alert.ts_ms)
    return times


def find_missed(market: Market, sessions: list[Session], firing: Callable, kinds: set[str] = KINDS) -> list[Label]:
    start, end = sessions[0].open_ms, sessions[-1].close_ms
    # The first session is the rules' history.
    labels = [label for label in market.labels(sessions[1].open_ms, end - 1) if label["kind"] in kinds]
    assert {label["kind"] for label in labels} == kinds
    times = {symbol: firing(market, symbol, start, end) for symbol in {label["symbol"] for label in labels}}
    return [
        label
        for label in labels
        if not any(label["start_ms"] <= at <= label["end_ms"] for at in times[label["symbol"]][label["kind"]])
    ]


def moves(market: Market, session: Session) -> list[Anomaly]:
    return [anomaly for anomaly in market.plan.session(session) if anomaly.kind in MOVES]


def test_in_history_one_of_ten_symbols_has_a_market_anomaly():
    market = synthetic_market(1, "24/7", 24, clock=lambda: NOON)
    liquid = sum(not instrument.thin for instrument in market.instruments.values())
    sessions = market.latest_sessions(200)
    planned = [it for session in sessions for it in market.plan.session(session) if it.kind in OF_MARKET]
    assert {anomaly.kind for anomaly in planned} == OF_MARKET
    assert 0.06 < len(planned) / (200 * liquid) < 0.11
    assert all(len({it.symbol for it in moves(market, session)}) == len(moves(market, session)) for session in sessions)


@pytest.mark.parametrize(
    ("calendar", "symbols", "cycle", "apart"),
    [("24/7", 24, 10, 3), ("XNYS", 24, 10, 3), ("24/7", 5, 22, 7), ("XNYS", 5, 22, 7)],
)
def test_while_it_is_watched_every_kind_of_move_comes_soon_and_far_apart_on_one_symbol(calendar, symbols, cycle, apart):
    market, sessions = watched_market(1, calendar, symbols)
    planned = moves(market, sessions[-1])
    minutes = [anomaly.minute for anomaly in planned]
    first, last = minutes[0], minutes[-1]
    assert sessions[-1].open_ms + first * MINUTE == sessions[-1].close_ms - 180 * MINUTE
    assert max(later - earlier for earlier, later in itertools.pairwise(minutes)) <= apart
    assert {it.kind for it in planned if it.minute < first + 6} == set(MOVES)
    for at in range(first, last - cycle):
        assert {it.kind for it in planned if at <= it.minute < at + cycle} == set(MOVES), at
    for symbol in market.instruments:
        for kind in MOVES:
            own = [it for it in planned if (it.symbol, it.kind) == (symbol, kind)]
            assert all(later.minute - earlier.minute >= 50 for earlier, later in itertools.pairwise(own))
            if kind == "price_breakout":
                assert all(later.sign == -earlier.sign for earlier, later in itertools.pairwise(own))


@pytest.mark.parametrize(
    ("calendar", "before", "first"),
    [("24/7", 12 * 60 + 90, 1350), ("24/7", 12 * 60 - 90, 90), ("24/7", 12 * 60, 25), ("XNYS", 12 * 60, 25)],
)
def test_it_is_watched_until_the_session_ends_or_in_the_next_one(calendar, before, first):
    """``before`` noon UTC, where New York sleeps."""
    market = synthetic_market(1, calendar, 24, NOON - before * MINUTE, clock=lambda: NOON + DAY)
    watched, *others = sorted(market.latest_sessions(4), key=lambda session: -len(moves(market, session)))
    minutes = [it.minute for it in moves(market, watched)]
    assert watched.open_ms + first * MINUTE >= NOON - before * MINUTE
    assert minutes[0] == first
    assert minutes[-1] * MINUTE >= watched.close_ms - watched.open_ms - 20 * MINUTE
    assert sum(it.kind == "price_gap" for it in market.plan.session(watched)) == 2
    assert all(len(moves(market, session)) < 10 for session in others)


def test_operations_are_as_frequent_as_ever():
    market = synthetic_market(1, "24/7", 24, clock=lambda: NOON)
    session = market.latest_sessions(2)[1]
    planned = market.plan.session(session)
    for hour in range(1, 23):
        kinds = {anomaly.kind for anomaly in planned if hour * 60 <= anomaly.minute < hour * 60 + 60}
        assert kinds >= KINDS - OF_MARKET, hour


def test_at_any_time_some_symbol_is_overdue():
    market = synthetic_market(1, "24/7", 24, clock=lambda: NOON)
    silences = [a for a in market.plan.session(market.latest_sessions(1)[0]) if a.kind == "feed_freshness"]
    for minute in range(20, 1400):
        assert any(a.minute + 15 <= minute <= a.minute + a.minutes for a in silences), minute
