"""Scores alerts, grades their severity, and writes each as one line."""

from __future__ import annotations

import numpy as np

from include.surveillance.alerts.wording import RAREST
from include.surveillance.records import Alert
from include.surveillance.texts import one_line
from include.surveillance.timespans import to_utc

LONGEST_EXPLANATION = 2_000
FLOORS = (60.0, 75.0, 90.0)
"""The scores at which an alert begins to be medium, high, critical."""


def score_exceedance(exceedance: np.ndarray) -> np.ndarray:
    """Turn the degree of exceedance into points from 0 to 100: 100 x (1 - 2^-exceedance), to one decimal.

    50 at the limit, 75 at twice, 87.5 at three times the limit, towards 100.
    """
    points: np.ndarray = np.round(100.0 * (1.0 - np.exp2(-exceedance)), 1)
    return points


def score_firings(exceedance: np.ndarray, rarity: np.ndarray) -> np.ndarray:
    """Turn rarity into points from 0 to 100, so that alerts of different rules, timespans and symbols compare.

    100 x ln(sessions between two such values) / ln(4096), to one decimal: once in 40 sessions is 44.3, once in 150 is
    60.2, once in 500 is 74.7, once in 2,000 is 91.4. Where rarity is not known (NaN), the degree of exceedance counts.
    """
    points = np.round(100.0 * np.log(np.maximum(rarity, 1.0)) / np.log(RAREST), 1)
    return np.where(np.isnan(rarity), score_exceedance(exceedance), points)


def grade_scores(points: np.ndarray) -> np.ndarray:
    """Give the index into ``SEVERITIES``: low below 60, medium below 75, high below 90, else critical."""
    return np.searchsorted(FLOORS, points, side="right")


def format_alert(alert: Alert) -> str:
    """Write an alert as one printable line: time of the bar's close, severity, symbol, rule, tag, explanation."""
    closed = to_utc(alert.bar_close_ms)
    rule = f"{alert.rule} {alert.direction}".rstrip()
    status = "" if alert.status == "fired" else f"[{alert.status}] "
    explanation = one_line(alert.explanation, LONGEST_EXPLANATION)
    tag = f" [{alert.tag}]" if alert.tag else ""
    start = f"{closed:%Y-%m-%d %H:%M:%SZ} {alert.severity.upper():<8} {alert.symbol:<6} {rule}{tag}"
    return f"{start}: {status}{explanation}"
