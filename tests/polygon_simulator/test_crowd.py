"""A whole market of generated symbols beside the usual one."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from include.polygon_simulator.crowd import Crowd
from include.polygon_simulator.market import synthetic_market
from include.surveillance.sessions import Sessions
from tests.polygon_simulator.constants import CROWD, MINUTE, NOON

SESSION = Sessions("24/7").at_or_before(NOON)


def rows(crowd: Crowd, symbol: str, start_ms: int, end_ms: int) -> list[dict]:
    return crowd.minutes(symbol, SESSION, start_ms, end_ms).rows()


def test_a_seed_is_a_market_and_another_seed_another():
    def hour(seed: int) -> list[dict]:
        return rows(Crowd(seed, CROWD), "C7", NOON - 60 * MINUTE, NOON)

    assert hour(3) == hour(3)
    assert hour(3) != hour(4)


def test_however_it_is_asked_for_a_minute_is_the_same():
    crowd = Crowd(3, CROWD)
    thin = next(symbol for symbol in CROWD if len(rows(crowd, symbol, NOON - 60 * MINUTE, NOON)) < 60)
    for symbol in ("C0", "C399", thin):
        hour = rows(crowd, symbol, NOON - 60 * MINUTE, NOON)
        pieces = [rows(crowd, symbol, at, at + MINUTE) for at in range(NOON - 60 * MINUTE, NOON, MINUTE)]
        assert hour == [row for piece in pieces for row in piece]
        assert len(hour) > 20


def test_the_literal_rules_fire_at_the_labels_and_nowhere_else():
    crowd, minutes, before = Crowd(5, CROWD), 300, 20
    first = NOON // MINUTE - minutes
    opened, high, low, closed, traded, *_ = crowd.columns(np.arange(first, first + minutes))
    assert (low <= np.minimum(opened, closed)).all()
    assert (high >= np.maximum(opened, closed)).all()

    def window(column):
        return sliding_window_view(column, before, axis=1)[:, :-1]

    close, volume = closed[:, before:], traded[:, before:]
    fired = {
        "abnormal_volume": volume > 3 * window(traded).mean(-1),
        "price_breakout": (close > window(high).max(-1)) | (close < window(low).min(-1)),
    }
    labels = list(crowd.labels(SESSION, (first + before) * MINUTE, NOON - 15 * MINUTE))
    assert {label["kind"] for label in labels} == set(fired)
    for label in labels:
        row = CROWD.index(label["symbol"])
        start, end = (label[edge] // MINUTE - first - before for edge in ("start_ms", "end_ms"))
        assert fired[label["kind"]][row, start : end + 1].any()
        fired[label["kind"]][row, start : end + 1] = False
    # Anomalies that began before the first label or after the last are not looked for.
    assert not any(elsewhere[:, 15:-15].any() for elsewhere in fired.values())


def test_the_usual_market_stays_as_it_was(market, clock):
    alone = synthetic_market(7, "24/7", 24, clock=clock)
    assert market.minutes("AAPL", SESSION).rows() == alone.minutes("AAPL", SESSION).rows()
    mine = [label for label in market.labels(NOON - 60 * MINUTE, NOON) if label["symbol"] not in (*CROWD, "NA")]
    assert mine == alone.labels(NOON - 60 * MINUTE, NOON)
    assert len(market.labels(NOON - 60 * MINUTE, NOON)) > len(mine)
    assert list(market.instruments) == [*alone.instruments, *CROWD, "NA"]


def test_splits_and_dividends_leave_the_crowd_out(serve, market, clock):
    client = serve(market, clock).client()
    assert not {split.ticker for split in client.list_splits(limit=1000)} & set(CROWD)
    assert not {dividend.ticker for dividend in client.list_dividends(limit=1000)} & set(CROWD)
