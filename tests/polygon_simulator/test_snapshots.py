"""Snapshots agree with the bars of the same ticker."""

from __future__ import annotations

import pytest

from include.surveillance.sessions import Sessions
from tests.polygon_simulator.constants import MINUTE, NOON

SESSION = Sessions("24/7").at_or_before(NOON)


def test_snapshot_of_the_market_and_of_chosen_tickers(client):
    everything = client.get_snapshot_all("stocks")
    assert len(everything) == 24
    chosen = client.get_snapshot_all("stocks", tickers=["AAPL", "KO", "NONE"])
    assert [snapshot.ticker for snapshot in chosen] == ["AAPL", "KO"]
    assert chosen[0].min.accumulated_volume == chosen[0].day.volume > 0
    assert chosen[0].todays_change == pytest.approx(chosen[0].day.close - chosen[0].prev_day.close, abs=1e-3)


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
