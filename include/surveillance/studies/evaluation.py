"""How good alerts are, held against stretches of time that somebody has labelled: recall, precision, delay."""

from __future__ import annotations

from math import nan, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd

from include.surveillance.alerts.market_events import MARKET
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import MINUTE_MS, Sessions
from include.surveillance.timespans import NEW_YORK

Z95 = 1.959963984540054
EPISODE = ["symbol", "timespan", "rule", "direction", "episode_start_ms"]


class SymbolDays(NamedTuple):
    """How many days of how many symbols were watched, and where that is known from."""

    count: int
    source: str


def evaluate(alerts: pd.DataFrame, labels: pd.DataFrame, symbol_days: SymbolDays) -> pd.DataFrame:
    """One row per rule that has alerts or labels, sorted by it.

    An alert and a label belong together when the rule is the label's kind, the symbol is the same, and the bar that
    fired starts in [start_ms, end_ms]. Firings of one episode count as one alert.

    Args:
        alerts: one row per firing, as ``side_files.read_alerts`` gives them.
        labels: as ``side_files.read_labels`` gives them.
        symbol_days: what alerts are divided by.

    Returns:
        ``rule, labels, found, recall, alerts, precision, precision_low, precision_high`` (Wilson, 95 %),
        ``alerts_per_symbol_day, delay_median, delay_p95`` (minutes from a label's start to the start of the first bar
        that fires in it, over the labels found). NaN where there is nothing to divide by.
    """
    rows = []
    for rule in sorted({*alerts["rule"], *labels["kind"]}):
        of_rule, of_kind = alerts[alerts["rule"] == rule], labels[labels["kind"] == rule]
        inside, delays = _match(of_rule, of_kind)
        episodes = of_rule.assign(inside=inside).groupby(EPISODE, sort=False)["inside"].any()
        true, total, found = int(episodes.sum()), len(episodes), len(delays)
        low, high = wilson(true, total)
        rows.append(
            {
                "rule": rule,
                "labels": len(of_kind),
                "found": found,
                "recall": found / len(of_kind) if len(of_kind) else nan,
                "alerts": total,
                "precision": true / total if total else nan,
                "precision_low": low,
                "precision_high": high,
                "alerts_per_symbol_day": total / symbol_days.count if symbol_days.count else nan,
                "delay_median": float(np.median(delays)) if found else nan,
                "delay_p95": float(np.percentile(delays, 95)) if found else nan,
            }
        )
    if not rows:
        raise ConfigurationError("there is neither an alert nor a label; nothing can be evaluated")
    return pd.DataFrame(rows)


def symbol_days_of(bars: BarColumns, sessions: Sessions) -> SymbolDays:
    """Distinct (symbol, session date) of bars sorted by series and time."""
    ends = np.searchsorted(bars.code, np.arange(len(bars.keys) + 1))
    positions = TradingCalendar(sessions).locate_bars(
        bars.ts, ends[:-1], ends[1:], [timespan for _, timespan in bars.keys]
    )
    symbols = {symbol: place for place, (symbol, _) in enumerate(bars.keys)}
    number = np.array([symbols[symbol] for symbol, _ in bars.keys], dtype=np.int64)
    days = np.unique(number[bars.code] << 32 | positions.session.astype(np.int64)) if len(bars) else []
    return SymbolDays(len(days), "the bars")


def symbol_days_spanned(alerts: pd.DataFrame, labels: pd.DataFrame) -> SymbolDays:
    """Every symbol that is named, on every weekday from the first to the last moment that is named."""
    moments = np.concatenate([alerts["ts_ms"], labels["start_ms"], labels["end_ms"]]).astype("int64")
    if not len(moments):
        return SymbolDays(0, "alerts and labels, of which there are none")
    first, last = (pd.Timestamp(int(at), unit="ms", tz=NEW_YORK).date() for at in (moments.min(), moments.max()))
    symbols = len({*alerts["symbol"], *labels["symbol"]} - {MARKET})
    weekdays = max(1, int(np.busday_count(first, last + pd.Timedelta(days=1))))
    return SymbolDays(
        symbols * weekdays,
        f"the span of alerts and labels: {symbols} symbols on {weekdays} weekdays, {first} to {last}",
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not trials:
        return nan, nan
    share, weight = successes / trials, Z95**2 / trials
    middle = (share + weight / 2) / (1 + weight)
    reach = Z95 * sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _match(alerts: pd.DataFrame, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Per firing whether it lies in a label, and per label that holds one the minutes to the first."""
    inside, delays = np.zeros(len(alerts), dtype=bool), [np.empty(0)]
    at_of = alerts.groupby("symbol").indices
    firing_ms = alerts["ts_ms"].to_numpy()
    for symbol, of_symbol in labels.groupby("symbol"):
        at = at_of.get(symbol, np.empty(0, dtype=int))
        times, starts, ends = firing_ms[at], of_symbol["start_ms"].to_numpy(), of_symbol["end_ms"].to_numpy()
        begun = np.searchsorted(np.sort(starts), times, side="right")
        over = np.searchsorted(np.sort(ends), times, side="left")
        inside[at] = begun > over
        ordered = np.append(np.sort(times), np.iinfo(np.int64).max)
        first = ordered[np.searchsorted(ordered, starts, side="left")]
        held = first <= ends
        delays.append((first[held] - starts[held]) / MINUTE_MS)
    return inside, np.concatenate(delays)
