"""What a backtest found: outcomes of groups of alerts, each beside those of calm bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.studies.evaluation import wilson
from include.surveillance.studies.outcomes import HORIZONS

RESAMPLES = 1_000
SMALL_SAMPLE, FEW_SESSIONS = 30, 5
"""Fewer outcomes, or outcomes of fewer sessions, are said to be few."""
DECILES = 10
UNKNOWN = "unknown"


class Tried(NamedTuple):
    """One set of parameters and what came of it.

    Attributes:
        name: as the report calls it.
        versions: of the parameters, of all dates of the bars.
        alerts: one row per alert, with ``backtest.OF_ALERT``, ``retracted``, and ``known_ms``: when it could be known.
        left_out: alerts that rest on no bar of a symbol: of operations, and events of the market.
        outcomes: one row per alert and horizon: the alert's columns and those of ``outcomes.Outcomes``.
        matched: the same of the bars that each alert, ``event_id``, is compared with.
        summary: one row per ``by``, ``group``, timespan and horizon, see ``summarise``.
    """

    name: str
    book: ParameterBook
    versions: tuple[str, ...]
    alerts: pd.DataFrame
    left_out: int
    outcomes: pd.DataFrame
    matched: pd.DataFrame
    summary: pd.DataFrame


@dataclass(frozen=True)
class Backtest:
    """Sets of parameters over the same bars.

    Attributes:
        tried: one or two of them.
        symbols: that have bars, sorted.
        period: dates of the first and the last session.
        bars: how many there are, per timespan.
        benchmarks: against which returns are held, per timespan; empty: against nothing.
        matches: bars that each alert is compared with, at most.
        seed: of what is drawn.
    """

    tried: list[Tried]
    symbols: list[str]
    period: tuple[str, str]
    bars: dict[str, int]
    benchmarks: dict[str, str]
    matches: int
    seed: int


def summarise(outcomes: pd.DataFrame, matched: pd.DataFrame, groups: pd.Series, seed: int) -> pd.DataFrame:
    """Summarise the outcomes of groups of alerts, each beside those of the bars that were drawn for its alerts.

    Args:
        outcomes, matched: as ``Tried`` has them.
        groups: of each alert, its index the alert's id.

    Returns:
        One row per group, timespan and horizon, in the order of ``groups``' categories and of time: ``alerts,
        retracted, outcomes`` (known abnormal returns), ``sessions`` (of these), ``median, mean`` (of the absolute
        abnormal return, each with ``_low`` and ``_high``), ``matched, matched_median, matched_mean``, ``limit`` (the
        95th percentile of the matched), ``beyond`` (share of outcomes above it, with the same), ``signed, signed_mean``
        (of alerts with a direction: positive is on), ``volume, matched_volume`` (medians). Intervals hold 95 %; those
        of medians and means are bootstrapped by whole sessions, as alerts of one session are not independent, and
        unknown for a single one; those of shares are Wilson's.
    """
    keys = ["group", "timespan", "horizon"]
    outcomes = outcomes.assign(group=outcomes["event_id"].map(groups))
    matched = matched.assign(group=matched["event_id"].map(groups))
    of_matched = matched.groupby(keys, observed=True).indices
    rows = []
    for key, index in outcomes.groupby(keys, observed=True).indices.items():
        own, other = outcomes.iloc[index], matched.iloc[of_matched.get(key, [])]
        rows.append(dict(zip(keys, key, strict=True)) | _summarise_group(own, other, seed))
    if not rows:
        return pd.DataFrame()
    order = {name: number for number, name in enumerate(HORIZONS)}
    places = {name: number for number, name in enumerate(groups.cat.categories)}
    rows.sort(key=lambda row: (places[row["group"]], row["timespan"], order[row["horizon"]]))
    return pd.DataFrame(rows)


def group_alerts(alerts: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yield each way to group the alerts: what by, and the group of each id, categories in the order of the report."""
    ids = pd.Index(alerts["event_id"])
    yield "all", pd.Series(pd.Categorical(["all"] * len(ids)), index=ids)
    yield "rule", pd.Series(pd.Categorical(alerts["rule"]), index=ids)
    yield "tag", pd.Series(pd.Categorical(alerts["tag"].fillna("none")), index=ids)
    yield "rarity", pd.Series(_cut_deciles(alerts["rarity_sessions"].to_numpy()), index=ids)


def _cut_deciles(rarity: np.ndarray) -> pd.Categorical:
    """Name the tenth of the alerts that each belongs to by its rarity, in sessions; equal ones are never parted."""
    known = rarity[~np.isnan(rarity)]
    edges = np.unique(np.quantile(known, np.arange(1, DECILES) / DECILES)) if len(known) else np.empty(0)
    place = np.searchsorted(edges, rarity, side="left")
    names, labels = np.full(len(rarity), UNKNOWN, dtype=object), []
    for number in range(len(edges) + 1):
        own = (place == number) & ~np.isnan(rarity)
        if own.any():
            low, high = rarity[own].min(), rarity[own].max()
            labels.append(f"{low:,.4g}" if low == high else f"{low:,.4g} to {high:,.4g}")
            names[own] = labels[-1]
    return pd.Categorical(names, categories=[*dict.fromkeys(labels), UNKNOWN])


def _summarise_group(own: pd.DataFrame, other: pd.DataFrame, seed: int) -> dict[str, Any]:
    known = own[own["abnormal"].notna()]
    size = known["abnormal"].abs().to_numpy(dtype=float)
    sessions, cluster = np.unique(known["session_date"].to_numpy(dtype=str), return_inverse=True)
    compared = other["abnormal"].abs().dropna().to_numpy(dtype=float)
    limit = float(np.quantile(compared, 0.95)) if len(compared) else nan
    beyond = int((size > limit).sum())
    share = wilson(beyond, len(size) if len(compared) else 0)
    signed = known["signed"].notna().to_numpy()
    row = {
        "alerts": len(own),
        "retracted": int(own["retracted"].sum()),
        "outcomes": len(size),
        "sessions": len(sessions),
        "matched": len(compared),
        "matched_median": _of(np.median, compared),
        "matched_mean": _of(np.mean, compared),
        "limit": limit,
        "beyond": beyond / len(size) if len(size) and len(compared) else nan,
        "beyond_low": share[0],
        "beyond_high": share[1],
        "signed": int(signed.sum()),
        "volume": _of(np.median, own["volume"].dropna().to_numpy(dtype=float)),
        "matched_volume": _of(np.median, other["volume"].dropna().to_numpy(dtype=float)),
        "few": len(size) < SMALL_SAMPLE or len(sessions) < FEW_SESSIONS,
    }
    weights = _draw_weights(len(sessions), seed)
    for name, values, of, resample in (
        ("median", size, cluster, _resample_median),
        ("mean", size, cluster, _resample_mean),
        ("signed_mean", known["signed"].to_numpy(dtype=float)[signed], cluster[signed], _resample_mean),
    ):
        row[name] = _of(np.median if name == "median" else np.mean, values)
        row[f"{name}_low"], row[f"{name}_high"] = _find_interval(values, of, weights, resample)
    return row


def _of(statistic: Callable[[np.ndarray], np.floating], values: np.ndarray) -> float:
    return float(statistic(values)) if len(values) else nan


def _draw_weights(sessions: int, seed: int) -> np.ndarray:
    """Return how often each session is drawn, one row per resample of as many sessions as there are."""
    if not sessions:
        return np.empty((RESAMPLES, 0), dtype=np.int64)
    random = np.random.default_rng(seed)
    return random.multinomial(sessions, np.full(sessions, 1 / sessions), size=RESAMPLES)


def _find_interval(
    values: np.ndarray,
    cluster: np.ndarray,
    weights: np.ndarray,
    resample: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic by the percentiles of its resamples."""
    if len(np.unique(cluster)) < 2:
        return nan, nan
    low, high = np.nanquantile(resample(values, cluster, weights), [0.025, 0.975])
    return float(low), float(high)


def _resample_mean(values: np.ndarray, cluster: np.ndarray, weights: np.ndarray) -> np.ndarray:
    size = weights.shape[1]
    sums, counts = np.bincount(cluster, values, minlength=size), np.bincount(cluster, minlength=size)
    with np.errstate(invalid="ignore"):
        return (weights @ sums) / (weights @ counts)


def _resample_median(values: np.ndarray, cluster: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    values, cluster = values[order], cluster[order]
    medians = np.empty(len(weights))
    for number, drawn in enumerate(weights):
        # Sessions without one of these values may be all that is drawn.
        above = np.cumsum(drawn[cluster])
        medians[number] = values[np.searchsorted(above, above[-1] / 2)] if above[-1] else nan
    return medians
