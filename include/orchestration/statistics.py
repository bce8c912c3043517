"""What tasks tell the exporter that only they know, by way of Airflow's own statistics: a packet, lost without it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from airflow.sdk.observability import stats

ARRIVALS = ("bars", "late", "corrected", "stale")


def tell_batch(seconds: float, arrivals: Mapping[str, int]) -> None:
    """Tell how long detection took for one batch, and what its bars were to it.

    Args:
        arrivals: as ``Detector.arrivals``.
    """
    stats.timing("surveillance.detect.step", timedelta(seconds=seconds))
    for arrival in ARRIVALS:
        if count := arrivals.get(arrival):
            stats.incr("surveillance.detect.bars", count, tags={"arrival": arrival})
