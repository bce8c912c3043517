"""How an alert is scored, how severe it is, and how it reads as one line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import numpy as np

from include.surveillance.records import Alert

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
FLOORS = (60.0, 75.0, 90.0)
"""Scores from which on an alert is medium, high, critical."""


def scores(exceedance: np.ndarray) -> np.ndarray:
    """0-100 from the degree of exceedance: 100 x (1 - 2^-exceedance), to one decimal.

    50 at the limit, 75 at twice, 87.5 at three times the limit, towards 100.
    """
    return np.round(100.0 * (1.0 - np.exp2(-exceedance)), 1)


def severities(points: np.ndarray) -> np.ndarray:
    """Index into SEVERITIES: low below 60, medium below 75, high below 90, else critical."""
    return np.searchsorted(FLOORS, points, side="right")


def line(alert: Alert) -> str:
    """One readable line: time of the bar's close, severity, symbol, rule, explanation."""
    closed = datetime.fromtimestamp(alert.bar_close_ms / 1000, UTC)
    rule = f"{alert.rule} {alert.direction}".rstrip()
    status = "" if alert.status == "fired" else f"[{alert.status}] "
    return (
        f"{closed:%Y-%m-%d %H:%M:%SZ} {alert.severity.upper():<8} {alert.symbol:<6} {rule}: {status}{alert.explanation}"
    )
