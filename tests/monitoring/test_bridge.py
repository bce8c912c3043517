"""What StatsD's own client sends, as Airflow uses it, is what Prometheus gets."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import statsd
from airflow._shared.observability.metrics.statsd_logger import get_statsd_logger
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from include.monitoring import bridge as module
from include.monitoring.bridge import Bridge, listen
from tests.conftest import free_port


class Bridged:
    """A bridge with a registry of its own."""

    def __init__(self):
        self.registry = CollectorRegistry()
        dropped = Counter("dropped", "", ("reason",), registry=self.registry)
        self.bridge = Bridge(self.registry, dropped)

    def value(self, name, **labels):
        return self.registry.get_sample_value(name, labels)

    def dropped(self):
        return {
            s.labels["reason"]: s.value for m in self.registry.collect() for s in m.samples if s.name == "dropped_total"
        }


@pytest.fixture
def bridged():
    return Bridged()


def test_airflows_own_client_is_understood(bridged):
    port = free_port()
    server = listen(bridged.bridge, "127.0.0.1", port)
    logger = get_statsd_logger(
        stats_class=statsd.StatsClient,
        host="127.0.0.1",
        port=port,
        prefix="airflow",
        influxdb_tags_enabled=True,
        statsd_influxdb_enabled=True,
        statsd_disabled_tags="job_id,run_id,kwargs",
    )
    tags = {
        "dag_id": "build_marts",
        "task_id": "fact_bars.run",
        "state": "success",
        "run_id": "manual__1",
        "queue": "x",
    }
    for _ in range(3):
        logger.incr("ti.finish", tags=tags)
    logger.timing("task.duration", timedelta(seconds=1.5), tags=tags)
    logger.gauge("pool.open_slots", 7, tags={"pool_name": "warehouse"})
    logger.gauge("executor.open_slots", 12)
    logger.incr("surveillance.detect.bars", 40, tags={"arrival": "late"})
    logger.incr("dag_processing.processes", tags={"file_path": "/dags/one.py"})  # nobody wants it
    task = {"dag_id": "build_marts", "task_id": "fact_bars.run", "state": "success"}
    deadline = time.monotonic() + 20
    while bridged.value("surveillance_detect_bars_total", arrival="late") is None and time.monotonic() < deadline:
        time.sleep(0.02)
    server.shutdown()
    server.server_close()
    assert bridged.value("airflow_ti_finish_total", **task) == 3
    assert bridged.value("airflow_task_duration_seconds_sum", dag_id="build_marts") == 1.5
    assert bridged.value("airflow_task_duration_seconds_bucket", dag_id="build_marts", le="2.5") == 1
    assert bridged.value("airflow_task_duration_seconds_bucket", dag_id="build_marts", le="1.0") == 0
    assert bridged.value("airflow_pool_open_slots", pool_name="warehouse") == 7
    assert bridged.value("airflow_executor_open_slots") == 12
    assert bridged.value("surveillance_detect_bars_total", arrival="late") == 40
    assert bridged.dropped() == {}


def test_a_gauge_of_which_nobody_has_spoken_is_not_zero(bridged):
    assert bridged.value("airflow_executor_open_slots") is None
    bridged.bridge.take("airflow.executor.open_slots:0|g")
    assert bridged.value("airflow_executor_open_slots") == 0
    bridged.bridge.take("airflow.executor.open_slots:+3|g\nairflow.executor.open_slots:-1|g")
    assert bridged.value("airflow_executor_open_slots") == 2


def test_what_makes_no_sense_is_counted_and_harms_nothing(bridged):
    bridged.bridge.take(
        "nonsense\nairflow.ti.finish:x|c\nairflow.executor.open_slots:1|ms\nairflow.triggerer_heartbeat:1|c"
    )
    assert bridged.dropped() == {"not understood": 2, "another kind": 1}
    assert bridged.value("airflow_triggerer_heartbeat_total") == 1


def test_labels_are_bounded(bridged, monkeypatch):
    monkeypatch.setattr(module, "MOST_SERIES", 5)
    for number in range(9):
        bridged.bridge.take(f"airflow.pool.open_slots,pool_name=p{number}:1|g")
    bridged.bridge.take("airflow.pool.open_slots,pool_name=p1:3|g")
    series = [s for m in bridged.registry.collect() if m.name == "airflow_pool_open_slots" for s in m.samples]
    assert {s.labels["pool_name"]: s.value for s in series} == {"p0": 1, "p1": 3, "p2": 1, "p3": 1, "p4": 1}
    assert bridged.dropped() == {"too many labels": 4}


@given(st.text() | st.builds("airflow.{}:{}|{}".format, st.text(), st.text(), st.sampled_from(["c", "g", "ms", "s"])))
def test_no_packet_stops_it(packet):
    bridged = Bridged()
    bridged.bridge.take(packet)
    bridged.bridge.take("airflow.triggerer_heartbeat:1|c")
    assert bridged.value("airflow_triggerer_heartbeat_total") == 1
