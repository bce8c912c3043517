"""The metrics keep to Prometheus' conventions, and none grows with the watchlist."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from include.monitoring.catalogue import STEPS, Catalogue
from include.surveillance.detection.rules.registry import RULES
from include.surveillance.records import TAGS
from include.surveillance.severities import SEVERITIES

BOUNDED = {
    *("timespan", "source", "stage", "reason", "rule", "tag", "severity", "status", "step"),
    *("group", "outcome", "channel", "target", "component", "part"),
}


@pytest.fixture
def catalogue():
    return Catalogue(CollectorRegistry())


def test_labels_are_bounded(catalogue):
    for metric in catalogue.all:
        assert set(metric._labelnames) <= BOUNDED, metric._name


def test_units_are_in_names(catalogue):
    for metric in catalogue.all:
        if isinstance(metric, Histogram):
            assert metric._name.endswith("_seconds"), metric._name
        if metric._name.endswith("timestamp"):
            pytest.fail(f"{metric._name} lacks its unit")
        assert isinstance(metric, Counter) or not metric._name.endswith("_total")


def test_promtool_has_nothing_against_them(catalogue):
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is not installed: python -m include.local_stack install")
    for metric in catalogue.all:
        if metric._labelnames:
            metric.labels(*metric._labelnames)
    text = generate_latest(catalogue.registry)
    run = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert (run.returncode, run.stdout.decode() + run.stderr.decode()) == (0, "")


def test_the_worst_case_is_a_few_thousand_series(catalogue):
    alerts = len(RULES) * (len(TAGS) + 1) * len(SEVERITIES) * 2
    latency = len(STEPS) * (len(catalogue.latency._upper_bounds) + 2)
    assert alerts + latency < 3_000
