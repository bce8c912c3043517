"""A bar asked for twice is the same bar, whatever was asked before and whoever asks."""

from __future__ import annotations

from include.polygon_simulator.bar_pages import Query, read_page
from include.polygon_simulator.market import synthetic_market
from include.polygon_simulator.newsroom import Newsroom
from tests.polygon_simulator.constants import MINUTE, NOON

RANGE = ("AMD", 1, "minute", NOON - 2880 * MINUTE, NOON - 600 * MINUTE)


def market(seed: int = 11, now: int = NOON, symbols: int = 24):
    return synthetic_market(seed, "24/7", symbols, clock=lambda: now)


def test_a_restart_changes_nothing():
    first, second = market(), market(now=NOON + 300 * MINUTE)
    second.minutes("AAPL", second.latest_sessions(1)[0])
    assert read_page(first, Query(*RANGE)).rows == read_page(second, Query(*RANGE)).rows
    assert first.labels(NOON - 5000 * MINUTE, NOON) == second.labels(NOON - 5000 * MINUTE, NOON)
    news = [Newsroom(one).articles(NOON - 600 * MINUTE, NOON - MINUTE) for one in (first, second)]
    assert news[0]
    assert news[0] == news[1]


def test_another_seed_is_another_market():
    assert read_page(market(), Query(*RANGE)).rows != read_page(market(seed=12), Query(*RANGE)).rows
