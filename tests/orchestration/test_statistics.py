"""What a task tells goes out as a packet that the exporter understands."""

from __future__ import annotations

import time

import pytest
import statsd
from airflow.sdk._shared.observability.metrics.statsd_logger import get_statsd_logger
from airflow.sdk.observability import stats
from prometheus_client import CollectorRegistry, Counter

from include.monitoring.bridge import Bridge, listen
from include.orchestration.statistics import tell_batch
from tests.conftest import free_port


@pytest.fixture
def registry():
    """What a bridge keeps that Airflow's statistics of this process are sent to."""
    registry, port = CollectorRegistry(), free_port()
    server = listen(Bridge(registry, Counter("dropped", "", ("reason",), registry=registry)), "127.0.0.1", port)
    options = {"host": "127.0.0.1", "port": port, "prefix": "airflow"}
    stats.initialize(
        factory=lambda: get_statsd_logger(
            stats_class=statsd.StatsClient, **options, influxdb_tags_enabled=True, statsd_influxdb_enabled=True
        ),
        export_legacy_names=False,
    )
    yield registry
    server.shutdown()
    server.server_close()


def test_a_batch_is_told_and_what_it_had_none_of_is_not(registry):
    tell_batch(0.25, {"bars": 40, "late": 3, "stale": 0, "news": 2})
    deadline = time.monotonic() + 20
    while registry.get_sample_value("surveillance_detect_bars_total", {"arrival": "late"}) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert registry.get_sample_value("surveillance_detect_step_seconds_sum") == 0.25
    told = [it for metric in registry.collect() for it in metric.samples if it.name == "surveillance_detect_bars_total"]
    assert {it.labels["arrival"]: it.value for it in told} == {"bars": 40, "late": 3}
