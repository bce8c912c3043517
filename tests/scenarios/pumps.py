"""Pump and dump on real day bars: alerts a year, labelled runs met, and pumps of known strength found."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.literal.pump_and_dump import LiteralPumpAndDump as Rule
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.detection.state import State
from include.surveillance.sessions import Sessions
from include.surveillance.studies.evaluation import wilson
from include.surveillance.timespans import NEW_YORK
from tests.benchmarks.market import columns

YEAR = 252
APART, BESIDE = 5, 5
"""Sessions between two signals of one run at most, and around a run in which an alert meets it."""
RISES, MULTIPLES, TURNOVERS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4), (2.0, 3.0, 4.0, 5.0), (5e6, 20e6, 100e6)
MOST_A_YEAR, LEAST_MET = 0.01, 0.75
PRICES = ["open", "high", "low", "close"]
THIN = 1e6
"""Dollars a day that a host of injected pumps is made to trade."""
FALL, GIVEN_BACK = 2, 0.7
"""Sessions over which an injected pump falls, and the share of its rise that it loses."""
BEFORE, AFTER = 25, 14
"""Sessions of a host before a pump, and from its last rise on."""


class Pumps(NamedTuple):
    """Where the rule fired: one bool per bar of a table that is sorted by symbol and time."""

    up: np.ndarray
    down: np.ndarray


class Rate(NamedTuple):
    """Alerts up and down on judged symbol-days: those with enough bars before them."""

    pumps: int
    dumps: int
    days: int

    def a_year(self) -> tuple[float, float, float]:
        """Return pumps per symbol-year and the bounds of its 95 % interval."""
        low, high = wilson(self.pumps, self.days)
        return self.pumps / self.days * YEAR, low * YEAR, high * YEAR


class Met(NamedTuple):
    """Labelled runs that an alert up meets; ``chance`` would be met by windows as long anywhere in the same symbols."""

    met: int
    runs: int
    chance: float


def half_of(symbol: str) -> int:
    """Return 0 for a symbol on which limits are chosen, 1 for one on which they are judged."""
    return crc32(symbol.encode()) % 2


def take_half(bars: pd.DataFrame, half: int) -> pd.DataFrame:
    return bars[bars["symbol"].map(half_of) == half].reset_index(drop=True)


def fire(bars: pd.DataFrame, rule: Rule, sessions: Sessions) -> Pumps:
    """Run the rule over day bars that are sorted by symbol and time."""
    given, state = columns(bars), State("sketch")
    engine = Engine(ParameterBook(Parameters(pump_and_dump=rule)), sessions)
    found = engine.evaluate(state, given, state.rows_for(given.keys)).firings
    fired = {}
    for direction in rule.directions:
        fired[direction] = np.zeros(len(bars), bool)
        fired[direction][found.index[found.kind == KINDS.index((rule.name, direction))]] = True
    return Pumps(**fired)


def number_sessions(bars: pd.DataFrame) -> np.ndarray:
    """Number each symbol's bars from 0."""
    return bars.groupby("symbol", sort=False).cumcount().to_numpy()


def count_alerts(bars: pd.DataFrame, pumps: Pumps, rule: Rule) -> Rate:
    judged = number_sessions(bars) >= rule.context
    return Rate(int(pumps.up[judged].sum()), int(pumps.down[judged].sum()), int(judged.sum()))


def find_runs(bars: pd.DataFrame, signals: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Return symbol and the numbers of the first and last session of each run of several signals."""
    dates = pd.to_datetime(bars["ts_ms"], unit="ms", utc=True).dt.tz_convert(NEW_YORK).dt.strftime("%Y-%m-%d")
    numbers = dict(zip(zip(bars["symbol"], dates, strict=True), number_sessions(bars).tolist(), strict=True))
    runs: list[list] = []
    given = sorted({pair for pair in zip(signals["symbol"], signals["signal_date"], strict=True) if pair in numbers})
    for symbol, date in given:
        at = numbers[symbol, date]
        if runs and runs[-1][0] == symbol and at - runs[-1][2] <= APART:
            runs[-1][2:] = [at, runs[-1][3] + 1]
        else:
            runs.append([symbol, at, at, 1])
    return [(symbol, first, last) for symbol, first, last, count in runs if count > 1]


def meet_runs(bars: pd.DataFrame, pumps: Pumps, runs: list[tuple[str, int, int]]) -> Met:
    """Count the runs with an alert up in them or so near, and how many windows as long would be met by chance."""
    up_of = {symbol: pumps.up[rows] for symbol, rows in bars.groupby("symbol").indices.items()}
    met, chance = 0, 0.0
    for symbol, first, last in runs:
        up = up_of[symbol]
        met += bool(up[max(0, first - BESIDE) : last + BESIDE + 1].any())
        width = last - first + 1 + 2 * BESIDE
        windows = np.lib.stride_tricks.sliding_window_view(up, min(width, len(up)))
        chance += windows.any(axis=1).mean()
    return Met(met, len(runs), chance / len(runs) if runs else 0.0)


class Candidate(NamedTuple):
    """Limits that were tried on the symbols on which they are chosen."""

    rule: Rule
    members: Rate
    microcaps: Rate
    met: Met

    def holds(self) -> bool:
        return self.members.a_year()[0] <= MOST_A_YEAR and self.met.met >= LEAST_MET * self.met.runs


def try_limits(
    members: pd.DataFrame, microcaps: pd.DataFrame, signals: pd.DataFrame, sessions: Sessions
) -> Iterator[Candidate]:
    """Try every combination of the limits of a pump."""
    runs = find_runs(microcaps, signals)
    for rise, multiple, turnover in product(RISES, MULTIPLES, TURNOVERS):
        rule = Rule(rise=rise, multiple=multiple, turnover=turnover)
        of_members, of_microcaps = fire(members, rule, sessions), fire(microcaps, rule, sessions)
        yield Candidate(
            rule, count_alerts(members, of_members, rule), count_alerts(microcaps, of_microcaps, rule),
            meet_runs(microcaps, of_microcaps, runs),
        )  # fmt: skip


def choose(candidates: list[Candidate]) -> Candidate | None:
    """Choose, of those that hold, the one that raises fewest alerts on micro-caps; of equal ones the stricter."""
    holding = [one for one in candidates if one.holds()]
    return min(
        holding,
        key=lambda one: (one.microcaps.pumps, -one.rule.rise, -one.rule.multiple, one.rule.turnover),
        default=None,
    )


def make_thin(bars: pd.DataFrame) -> pd.DataFrame:
    """Scale each symbol's volume so that its median day is worth a million dollars; its ups and downs stay."""
    usual = (bars["close"] * bars["volume"]).groupby(bars["symbol"]).transform("median")
    return bars.assign(volume=bars["volume"] * THIN / usual)


def draw_hosts(bars: pd.DataFrame, count: int, length: int, seed: int) -> list[pd.DataFrame]:
    """Draw stretches of real bars into which a pump of so many sessions goes; each begins ``BEFORE`` sessions early."""
    size = BEFORE + length + AFTER
    number, total = number_sessions(bars), bars.groupby("symbol")["symbol"].transform("size").to_numpy()
    starts = np.flatnonzero(number + size <= total)
    drawn = np.random.default_rng([seed, length]).choice(starts, count, replace=False)
    return [bars.iloc[start : start + size] for start in sorted(drawn.tolist())]


def inject_pump(host: pd.DataFrame, rise: float, length: int, multiple: float) -> pd.DataFrame:
    """Multiply prices and volume of a host: a pump in equal steps, and a fall that gives 70 % of it back."""
    steps = np.concatenate(
        [
            np.zeros(BEFORE),
            np.arange(1, length + 1) / length,
            1 - GIVEN_BACK * np.minimum(np.arange(1, AFTER + 1) / FALL, 1.0),
        ]
    )
    factor = np.where(np.arange(len(host)) < BEFORE + length, (1 + rise) ** steps, 1 + rise * steps)
    busy = np.ones(len(host))
    busy[BEFORE : BEFORE + length + FALL] = multiple
    return host.assign(
        **{name: host[name].to_numpy() * factor for name in PRICES}, volume=host["volume"].to_numpy() * busy
    )


class Power(NamedTuple):
    """Of so many hosts, those in which the pump, and after it the dump, raised an alert; as they were: without one."""

    hosts: int
    pumps: int
    dumps: int
    as_they_were: int


def measure_power(
    hosts: list[pd.DataFrame], rise: float, length: int, multiple: float, rule: Rule, sessions: Sessions
) -> Power:
    """Count in how many hosts an injected pump and its dump are found in their own sessions."""
    end = BEFORE + length
    injected = _raise([inject_pump(host, rise, length, multiple) for host in hosts], rule, sessions)
    plain = _raise(hosts, rule, sessions)
    pumped = injected.up[:, BEFORE:end].any(axis=1)
    dumped = injected.down[:, end : end + rule.within].any(axis=1)
    return Power(
        len(hosts), int(pumped.sum()), int((pumped & dumped).sum()), int(plain.up[:, BEFORE:end].any(axis=1).sum())
    )


def _raise(hosts: list[pd.DataFrame], rule: Rule, sessions: Sessions) -> Pumps:
    """Run the rule over hosts as symbols of their own; one row each."""
    named = pd.concat([host.assign(symbol=f"HOST{number:05d}") for number, host in enumerate(hosts)])
    return Pumps(*(one.reshape(len(hosts), -1) for one in fire(named, rule, sessions)))
