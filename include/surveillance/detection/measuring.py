"""Measure: a bar's metric from the window before it, each measure as its rule defines it."""

from __future__ import annotations

from collections.abc import Iterable
from math import log

from ..models import Bar, Metric, Split
from .parameters import Parameters
from .placing import Place
from .rules import BarView
from .series import Series


def measure(series: Series, bar: Bar, place: Place, rules: Parameters, splits: Iterable[Split]) -> BarView:
    """What the rules look at; ``series`` ends before the bar and is not changed."""
    volume, history = float(bar.volume), series.history
    mean = rules.abnormal_volume.baseline(series.volume)
    one_return = log(bar.close / series.close[-1]) if series.close else None
    deviation = limit = None
    if one_return is not None:
        deviation = rules.volatility_spike.deviation([*series.returns, one_return])
    if deviation is not None and history.count >= rules.volatility_spike.minimum_history:
        limit = history.percentile(rules.volatility_spike.percentile)
    highest, lowest = rules.price_breakout.extremes(series.high, series.low)
    previous = None
    if place.regular and series.regular_date and place.opens_after(series.regular_date, bar.timespan):
        previous = rules.price_gap.adjusted(series.regular_close, splits, series.regular_date, place.session_date)
    metric = Metric(
        symbol=bar.symbol,
        timespan=bar.timespan,
        ts_ms=bar.ts_ms,
        bar_event_id=bar.event_id,
        close=bar.close,
        volume=volume,
        volume_mean=mean,
        volume_ratio=volume / mean if mean else None,
        log_return=one_return,
        return_std=deviation,
        return_std_p95=limit,
        highest_high=highest,
        lowest_low=lowest,
        gap=bar.open / previous - 1 if previous is not None else None,
        session_phase=place.phase,
        session_date=place.session_date,
        source=bar.source,
    )
    return BarView(bar, metric, series, history.count, previous)
