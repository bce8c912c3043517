"""A whole market of generated symbols beside the usual one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from starlette.testclient import TestClient

from include.polygon_simulator.crowd import Crowd
from include.polygon_simulator.market import Market, crowded, synthetic_market
from include.polygon_simulator.server import create_app
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions

MINUTE, NOON = 60_000, 1_790_078_400_000
SYMBOLS = tuple(f"C{number}" for number in range(400))
SESSION = Sessions("24/7").at_or_before(NOON)


@pytest.fixture
def listed(tmp_path):
    file = tmp_path / "universe.csv"
    file.write_text("name,ticker\n" + "".join(f"Company {symbol},{symbol}\n" for symbol in (*SYMBOLS, "NA", "AAPL")))
    return file


@pytest.fixture
def market(listed, clock) -> Market:
    return crowded(synthetic_market(7, "24/7", 24, clock=clock), listed)


def rows(crowd: Crowd, symbol: str, start_ms: int, end_ms: int) -> list[dict]:
    return crowd.minutes(symbol, SESSION, start_ms, end_ms).rows()


def test_a_seed_is_a_market_and_another_seed_another():
    def hour(seed: int) -> list[dict]:
        return rows(Crowd(seed, SYMBOLS), "C7", NOON - 60 * MINUTE, NOON)

    assert hour(3) == hour(3)
    assert hour(3) != hour(4)


def test_however_it_is_asked_for_a_minute_is_the_same():
    crowd = Crowd(3, SYMBOLS)
    thin = next(symbol for symbol in SYMBOLS if len(rows(crowd, symbol, NOON - 60 * MINUTE, NOON)) < 60)
    for symbol in ("C0", "C399", thin):
        hour = rows(crowd, symbol, NOON - 60 * MINUTE, NOON)
        pieces = [rows(crowd, symbol, at, at + MINUTE) for at in range(NOON - 60 * MINUTE, NOON, MINUTE)]
        assert hour == [row for piece in pieces for row in piece]
        assert len(hour) > 20


def test_the_literal_rules_fire_at_the_labels_and_nowhere_else():
    crowd, minutes, before = Crowd(5, SYMBOLS), 300, 20
    first = NOON // MINUTE - minutes
    bars = crowd.columns(np.arange(first, first + minutes))
    assert (bars.l <= np.minimum(bars.o, bars.c)).all()
    assert (bars.h >= np.maximum(bars.o, bars.c)).all()

    def window(column):
        return sliding_window_view(column, before, axis=1)[:, :-1]

    close, volume = bars.c[:, before:], bars.v[:, before:]
    fired = {
        "abnormal_volume": volume > 3 * window(bars.v).mean(-1),
        "price_breakout": (close > window(bars.h).max(-1)) | (close < window(bars.l).min(-1)),
    }
    labels = list(crowd.labels(SESSION, (first + before) * MINUTE, NOON - 15 * MINUTE))
    assert {label["kind"] for label in labels} == set(fired)
    for label in labels:
        row = SYMBOLS.index(label["symbol"])
        start, end = (label[edge] // MINUTE - first - before for edge in ("start_ms", "end_ms"))
        assert fired[label["kind"]][row, start : end + 1].any()
        fired[label["kind"]][row, start : end + 1] = False
    # Anomalies that began before the first label or after the last are not looked for.
    assert not any(elsewhere[:, 15:-15].any() for elsewhere in fired.values())


def test_the_usual_market_stays_as_it_was(market, clock):
    alone = synthetic_market(7, "24/7", 24, clock=clock)
    assert market.minutes("AAPL", SESSION).rows() == alone.minutes("AAPL", SESSION).rows()
    mine = [label for label in market.labels(NOON - 60 * MINUTE, NOON) if label["symbol"] not in (*SYMBOLS, "NA")]
    assert mine == alone.labels(NOON - 60 * MINUTE, NOON)
    assert len(market.labels(NOON - 60 * MINUTE, NOON)) > len(mine)
    assert list(market.instruments) == [*alone.instruments, *SYMBOLS, "NA"]


def test_a_snapshot_shows_the_newest_bar_of_every_ticker(serve, market, clock):
    client = serve(market, clock).client()
    snapshots = {snapshot.ticker: snapshot for snapshot in client.get_snapshot_all("stocks")}
    assert list(snapshots) == list(market.instruments)
    for symbol in ("C0", "C9", "NA", "KO"):
        newest = list(client.list_aggs(symbol, 1, "minute", NOON - 9 * MINUTE, NOON))[-1]
        minute, day = snapshots[symbol].min, snapshots[symbol].day
        assert (minute.timestamp, minute.open, minute.close) == (newest.timestamp, newest.open, newest.close)
        assert (minute.high, minute.low, minute.volume) == (newest.high, newest.low, newest.volume)
        assert minute.accumulated_volume == day.volume >= minute.volume
        assert day.low <= minute.low < minute.high <= day.high
        assert snapshots[symbol].prev_day.volume > 0
    clock.now_ms += MINUTE
    later = {snapshot.ticker: snapshot for snapshot in client.get_snapshot_all("stocks")}
    assert later["C0"].min.timestamp == snapshots["C0"].min.timestamp + MINUTE


def test_at_midnight_the_last_minute_of_the_day_before_is_the_newest(serve, market, clock):
    clock.now_ms = SESSION.open_ms + 2_000
    snapshots = {snapshot.ticker: snapshot for snapshot in serve(market, clock).client().get_snapshot_all("stocks")}
    assert {snapshots[symbol].min.timestamp for symbol in ("C0", "AAPL")} == {SESSION.open_ms - MINUTE}


def test_splits_and_dividends_leave_the_crowd_out(serve, market, clock):
    client = serve(market, clock).client()
    assert not {split.ticker for split in client.list_splits(limit=1000)} & set(SYMBOLS)
    assert not {dividend.ticker for dividend in client.list_dividends(limit=1000)} & set(SYMBOLS)


@pytest.mark.parametrize(
    ("text", "said"), [("a,b\n1,2\n", "no column symbol"), ("symbol\n", "no row"), (None, "cannot")]
)
def test_a_file_without_symbols_is_refused(tmp_path, clock, text, said):
    file = tmp_path / "universe.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        crowded(synthetic_market(7, "24/7", 24, clock=clock), file)


def test_answers_of_the_vendor_are_held_back_and_the_controls_not(monkeypatch, market):
    held = []

    def uniform(*bounds: float) -> float:
        held.append(bounds)
        return 0.0

    monkeypatch.setattr("include.polygon_simulator.misbehaviour.uniform", uniform)
    with TestClient(create_app(market, "key", answer_ms=(20, 80))) as client:
        for path in ("/health", "/simulator/market", "/v1/marketstatus/now"):
            assert client.get(path, params={"apiKey": "key"}).status_code == 200
    assert held == [(20, 80)]
