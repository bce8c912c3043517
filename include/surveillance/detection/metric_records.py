"""Arrays -> metrics: one record per evaluated bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.rules.registry import MEASURES
from include.surveillance.records import Metric
from include.surveillance.sessions import PHASES

if TYPE_CHECKING:
    from include.surveillance.detection.findings import Evaluation


OF_BARS = ("volume_ratio", "trade_size", "vwap_distance")
"""The measures that no rule makes, but the bar itself."""


def report_measures(evaluation: Evaluation, index: np.ndarray) -> dict[str, np.ndarray]:
    """Return the measures that metrics report, one float64 for each bar at ``index``; NaN is not applicable."""
    scan = evaluation.scan
    measures = {name: scan.measured(name, index) for name in MEASURES if name in scan.measures}
    bars, volume = scan.bars, scan.bars.volume[index]
    measures["volume_ratio"] = divide(volume, measures["volume_mean"])
    measures["trade_size"] = divide(volume, bars.trades[index])
    measures["vwap_distance"] = divide(bars.close[index], bars.vwap[index]) - 1
    return measures


def divide(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Divide where there is something to divide by; NaN elsewhere."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(by > 0, value / by, np.nan)


def build_metrics(evaluation: Evaluation, index: np.ndarray) -> list[Metric]:
    """Build one metric for each bar of the scan at ``index``, in its order; a measure that is NaN becomes None."""
    scan, bars = evaluation.scan, evaluation.scan.bars
    measures = report_measures(evaluation, index)
    absent = np.full(len(index), np.nan)  # robust measures, where no profile is known to the engine
    keys = [bars.keys[code] for code in bars.code[index].tolist()]
    starts, session = bars.ts[index].tolist(), scan.positions.session[index]
    dates = {day: iso_date(day) for day in np.unique(session).tolist()}
    versions = {number: evaluation.profile_version(number) for number in np.unique(scan.profile[index]).tolist()}
    columns = zip(
        keys, starts, bars.event_ids(index), bars.close[index].tolist(), bars.volume[index].tolist(),
        *(_plain(measures.get(name, absent)) for name in (*MEASURES, *OF_BARS)),
        [versions[number] for number in scan.profile[index].tolist()],
        [PHASES[phase] for phase in scan.positions.phase[index].tolist()],
        [dates[day] for day in session.tolist()],
        ["live" if live else "backfill" for live in bars.live[index].tolist()],
        strict=True,
    )  # fmt: skip
    return [
        Metric(
            event_id=f"metric|{symbol}|{timespan}|{ts}",
            symbol=symbol,
            timespan=timespan,
            ts_ms=ts,
            bar_event_id=bar,
            close=close,
            volume=volume,
            volume_mean=volume_mean,
            volume_ratio=volume_ratio,
            log_return=log_return,
            return_std=return_std,
            return_std_p95=return_std_p95,
            highest_high=highest_high,
            lowest_low=lowest_low,
            gap=gap,
            rvol=rvol,
            volume_z=volume_z,
            volatility_ratio=volatility_ratio,
            breakout_atr=breakout_atr,
            gap_range=gap_range,
            trade_size=trade_size,
            vwap_distance=vwap_distance,
            profile_version=version,
            session_phase=phase,
            session_date=date,
            source=source,
        )
        for (symbol, timespan), ts, bar, close, volume, volume_mean, log_return, return_std, return_std_p95,
            highest_high, lowest_low, gap, rvol, volume_z, volatility_ratio, breakout_atr, gap_range,
            volume_ratio, trade_size, vwap_distance, version, phase, date, source in columns
    ]  # fmt: skip


def _plain(values: np.ndarray) -> list[float | None]:
    if np.isnan(values).all():
        return [None] * len(values)
    return [None if value != value else value for value in values.tolist()]
