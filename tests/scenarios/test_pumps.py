"""The trial of pump_and_dump counts what it says it counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.surveillance.detection.rules.literal.pump_and_dump import LiteralPumpAndDump as Rule
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import NEW_YORK
from tests.scenarios import pumps
from tests.scenarios.page import Judged, PumpTrial, write_pumps

SESSIONS = Sessions()
DATES = [one.date for one in SESSIONS.between("2024-01-02", "2024-06-28")]


def calm(symbols: tuple[str, ...] = ("A",), count: int = 60) -> pd.DataFrame:
    ts = [int(pd.Timestamp(date, tz=NEW_YORK).timestamp() * 1000) for date in DATES[:count]]
    return pd.concat(
        [
            pd.DataFrame({"symbol": symbol, "timespan": "day", "ts_ms": ts, "volume": 100_000.0})
            .assign(open=2.0, high=2.0, low=2.0, close=2.0)
            for symbol in symbols
        ],
        ignore_index=True,
    )  # fmt: skip


def pumped(at: int, count: int = 60) -> pd.DataFrame:
    bars = calm(count=count)
    bars.loc[at, ["high", "close", "volume"]] = [3.0, 3.0, 900_000.0]
    return bars


def test_an_alert_is_at_its_own_bar_whatever_stands_before_it():
    bars = pd.concat([calm(("0",), 45), pumped(30)], ignore_index=True)
    fired = pumps.fire(bars, Rule(), SESSIONS)
    assert np.flatnonzero(fired.up).tolist() == [45 + 30]
    assert np.flatnonzero(fired.down).tolist() == [45 + 31]
    assert pumps.count_alerts(bars, fired, Rule()) == (1, 1, 25 + 40)


def test_runs_are_of_several_signals_near_each_other():
    signals = pd.DataFrame([("A", DATES[at]) for at in (3, 8, 14, 30, 40, 41)], columns=["symbol", "signal_date"])
    assert pumps.find_runs(calm(), signals) == [("A", 3, 8), ("A", 40, 41)]


def test_a_run_is_met_beside_it_and_chance_is_the_share_of_windows():
    bars = calm(count=60)
    up = np.zeros(60, bool)
    up[35] = True
    fired = pumps.Pumps(up, ~up)
    near, far = ("A", 40, 41), ("A", 41, 42)
    # 12 sessions of a window of 12 can hold the alert, of 49 windows.
    assert pumps.meet_runs(bars, fired, [near, far]) == (1, 2, pytest.approx(12 / 49))


def test_an_injected_pump_rises_in_equal_steps_and_loses_its_share():
    (host,) = pumps.draw_hosts(calm(), 1, 3, seed=1)
    injected = pumps.inject_pump(host, 0.5, 3, 5.0)
    top = pumps.BEFORE + 2
    assert injected["close"].iloc[top] == pytest.approx(3.0)
    assert injected["close"].iloc[top - 1] / injected["close"].iloc[top - 2] == pytest.approx(1.5 ** (1 / 3))
    assert injected["close"].iloc[top + 1 : top + 4].tolist() == pytest.approx([2.65, 2.3, 2.3])
    busy = np.flatnonzero(injected["volume"] == 500_000.0)
    assert busy.tolist() == list(range(pumps.BEFORE, pumps.BEFORE + 3 + pumps.FALL))


@pytest.mark.parametrize(("rise", "multiple", "found"), [(0.5, 5.0, 5), (0.1, 5.0, 0), (0.5, 2.0, 0)])
def test_a_pump_in_calm_bars_is_found_where_it_is_beyond_both_limits(rise, multiple, found):
    hosts = pumps.draw_hosts(calm(count=90), 5, 3, seed=1)
    assert pumps.measure_power(hosts, rise, 3, multiple, Rule(), SESSIONS) == (5, found, found, 0)


def test_thin_bars_are_worth_a_million_dollars_and_keep_their_ups_and_downs():
    bars = pumped(30)
    thin = pumps.make_thin(bars)
    assert (thin["close"] * thin["volume"]).median() == pytest.approx(1e6)
    assert thin["volume"].iloc[30] / thin["volume"].iloc[0] == pytest.approx(9.0)


def candidate(met: int, alerts: int, members: int = 0, **limits) -> pumps.Candidate:
    return pumps.Candidate(
        Rule(**limits), pumps.Rate(members, 0, 252 * 100), pumps.Rate(alerts, 0, 252), pumps.Met(met, 10, 0.3)
    )


def test_the_fewest_alerts_of_those_that_hold_are_chosen():
    too_few, too_many = candidate(7, 1), candidate(9, 1, members=2)
    holds, noisier = candidate(8, 5, rise=0.2), candidate(10, 6)
    assert pumps.choose([too_few, too_many, noisier, holds]) is holds
    assert pumps.choose([too_few, too_many]) is None


def test_the_page_says_where_another_limit_would_be_chosen():
    one = candidate(8, 5, rise=0.25)
    half = Judged(8, one.members, one.microcaps, one.met)
    power = {
        (rise, length, 5.0): pumps.Power(10, 9, 8, 1) for rise in (0.1, 0.5) for length in (1, 3)
    }  # fmt: skip
    text = write_pumps(PumpTrial([one], one, [half, half], {"members": one.members}, power))
    assert "a rise of 25%" in text
    assert "not what is shipped" in text
    assert "90% (60% to 98%); 80% (49% to 94%)" in text
