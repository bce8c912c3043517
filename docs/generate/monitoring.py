"""The metrics that the exporter shows, as the code declares them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from docs.generate.markdown import table
from include.monitoring.catalogue import Catalogue
from include.monitoring.stats import STATS

HEAD = ("metric", "kind", "labels", "meaning")
KINDS = {"c": "counter", "g": "gauge", "ms": "histogram"}


def metric_table() -> str:
    """One row per metric of the platform's own."""
    rows = [
        (_name(f"{it._name}_total" if it._type == "counter" else it._name), it._type, _labels(it._labelnames), text)
        for it in Catalogue(CollectorRegistry()).all
        if (text := it._documentation)
    ]
    return table(HEAD, [*rows, *_statistics(ours=True)])


def airflow_table() -> str:
    """One row per statistic of Airflow's that is kept."""
    return table(HEAD, _statistics(ours=False))


def _statistics(*, ours: bool) -> list[tuple[str, ...]]:
    return [
        (_name(stat.metric), KINDS[stat.kind], _labels(stat.labels), stat.text)
        for stat in STATS
        if stat.name.startswith("surveillance.") == ours
    ]


def _name(name: str) -> str:
    return f"`{name}`"


def _labels(names: tuple[str, ...]) -> str:
    return ", ".join(names)
