"""Evaluation: recall, precision and delay of alerts, measured against labelled stretches of time."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd

from include.surveillance.alerts.market_events import MARKET
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, NEW_YORK, write_new_york

Z95 = 1.959963984540054
EPISODE = ["symbol", "timespan", "rule", "direction", "episode_start_ms"]


class SymbolDays(NamedTuple):
    """The days on which symbols were watched, counted per symbol, and the source of the count."""

    days: int
    source: str


def evaluate(alerts: pd.DataFrame, labels: pd.DataFrame, symbol_days: SymbolDays) -> pd.DataFrame:
    """Measure each rule that has alerts or labels.

    An alert and a label belong together when the rule is the label's kind, the symbol is the same, and the bar that
    fired starts in [start_ms, end_ms]. Firings of one episode count as one alert.

    Args:
        alerts: one row per firing, as ``side_files.read_alerts`` gives them.
        labels: as ``side_files.read_labels`` gives them.
        symbol_days: the divisor of alerts.

    Returns:
        One row per rule, sorted by it: ``rule, labels, detected, recall, alerts, precision, precision_low,
        precision_high`` (Wilson, 95 %), ``alerts_per_symbol_day, delay_median, delay_p95`` (minutes from a label's
        start to the start of the first bar that fires in it, over the detected labels). NaN where the divisor is 0.

    Raises:
        ConfigurationError: there is neither an alert nor a label.
    """
    rows = []
    for rule in sorted({*alerts["rule"], *labels["kind"]}):
        own_alerts, own_labels = alerts[alerts["rule"] == rule], labels[labels["kind"] == rule]
        inside, delays = _match(own_alerts, own_labels)
        episodes = own_alerts.assign(inside=inside).groupby(EPISODE, sort=False)["inside"].any()
        true, total, detected = int(episodes.sum()), len(episodes), len(delays)
        low, high = wilson(true, total)
        rows.append(
            {
                "rule": rule,
                "labels": len(own_labels),
                "detected": detected,
                "recall": detected / len(own_labels) if len(own_labels) else nan,
                "alerts": total,
                "precision": true / total if total else nan,
                "precision_low": low,
                "precision_high": high,
                "alerts_per_symbol_day": total / symbol_days.days if symbol_days.days else nan,
                "delay_median": float(np.median(delays)) if detected else nan,
                "delay_p95": float(np.percentile(delays, 95)) if detected else nan,
            }
        )
    if not rows:
        raise ConfigurationError("there is neither an alert nor a label; nothing can be evaluated")
    return pd.DataFrame(rows)


def check_comparable(alerts: pd.DataFrame, labels: pd.DataFrame, bars: BarColumns | None) -> None:
    """Raise ConfigurationError when no label can belong to an alert, whatever the rules do.

    Args:
        bars: behind the alerts; None: not given, then alerts say which symbols and times were watched.
    """
    if labels.empty:
        raise ConfigurationError("there is no usable label; write symbol, start, end and kind (a rule's name) of each")
    watched = {symbol for symbol, _ in bars.keys} if bars is not None else {*alerts["symbol"]}
    times = bars.ts if bars is not None else alerts["ts_ms"].to_numpy()
    if not len(times):
        return
    source = "bars" if bars is not None else "alerts"
    if not watched & {*labels["symbol"]}:
        raise ConfigurationError(
            f"no label is of a symbol that has {source}: labels are of {_some(labels['symbol'])}, {source} of "
            f"{_some(watched)}"
        )
    first_ms, last_ms = int(times.min()), int(times.max())
    if not ((labels["start_ms"] <= last_ms) & (labels["end_ms"] >= first_ms)).any():
        spans = ((labels["start_ms"].min(), labels["end_ms"].max()), (first_ms, last_ms))
        of_labels, of_source = (" to ".join(write_new_york(ms) for ms in span) for span in spans)
        raise ConfigurationError(
            f"no label lies in the time of the {source}: labels {of_labels}, {source} {of_source} (New York); look at "
            "the labels' unit and zone" + ("" if bars is not None else ", or give the bars: then their time counts")
        )


def _some(names: Iterable[str], shown: int = 5) -> str:
    every = sorted({*names})
    return ", ".join(every[:shown]) + (f" and {len(every) - shown:,} more" if len(every) > shown else "")


def count_symbol_days(bars: BarColumns, sessions: Sessions) -> SymbolDays:
    """Count the distinct pairs of symbol and session date of bars that are sorted by series and time."""
    ends = np.searchsorted(bars.code, np.arange(len(bars.keys) + 1))
    timespans = [timespan for _, timespan in bars.keys]
    positions = TradingCalendar(sessions).locate_bars(bars.ts, ends[:-1], ends[1:], timespans)
    numbers = {symbol: number for number, (symbol, _) in enumerate(bars.keys)}
    symbol = np.array([numbers[symbol] for symbol, _ in bars.keys], dtype=np.int64)
    days = len(np.unique(symbol[bars.code] << 32 | positions.session.astype(np.int64))) if len(bars) else 0
    return SymbolDays(days, "the bars")


def estimate_symbol_days(alerts: pd.DataFrame, labels: pd.DataFrame) -> SymbolDays:
    """Count every symbol that has an alert or a label on every weekday from the first of them to the last."""
    times_ms = np.concatenate([alerts["ts_ms"], labels["start_ms"], labels["end_ms"]]).astype("int64")
    if not len(times_ms):
        return SymbolDays(0, "alerts and labels, of which there are none")
    first, last = (pd.Timestamp(int(ms), unit="ms", tz=NEW_YORK).date() for ms in (times_ms.min(), times_ms.max()))
    symbols = len({*alerts["symbol"], *labels["symbol"]} - {MARKET})
    weekdays = max(1, int(np.busday_count(first, last + pd.Timedelta(days=1))))
    return SymbolDays(
        symbols * weekdays,
        f"the span of alerts and labels: {symbols} symbols on {weekdays} weekdays, {first} to {last}",
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; NaN without a trial."""
    if not trials:
        return nan, nan
    share, weight = successes / trials, Z95**2 / trials
    middle = (share + weight / 2) / (1 + weight)
    reach = Z95 * sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _match(alerts: pd.DataFrame, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return per firing whether it lies in a label, and per label that holds a firing the minutes to the first."""
    inside, delays = np.zeros(len(alerts), dtype=bool), [np.empty(0)]
    rows_by_symbol = alerts.groupby("symbol").indices
    firing_ms = alerts["ts_ms"].to_numpy()
    for symbol, own_labels in labels.groupby("symbol"):
        rows = rows_by_symbol.get(symbol, np.empty(0, dtype=int))
        times, starts, ends = firing_ms[rows], own_labels["start_ms"].to_numpy(), own_labels["end_ms"].to_numpy()
        begun = np.searchsorted(np.sort(starts), times, side="right")
        over = np.searchsorted(np.sort(ends), times, side="left")
        inside[rows] = begun > over
        ordered = np.append(np.sort(times), np.iinfo(np.int64).max)
        first = ordered[np.searchsorted(ordered, starts, side="left")]
        detected = first <= ends
        delays.append((first[detected] - starts[detected]) / MINUTE_MS)
    return inside, np.concatenate(delays)
