"""Ranks alerts: what nothing explains comes first."""

from __future__ import annotations

from include.surveillance.records import Alert, Tag

UNEXPLAINED: Tag = "unexplained"


def rank(alert: Alert) -> tuple[bool, float]:
    """Return what sorts alerts by rank: the unexplained first, then the highest score."""
    return alert.tag != UNEXPLAINED, -alert.score
