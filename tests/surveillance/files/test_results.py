"""Alerts, metrics and rejected rows as files hold them."""

from __future__ import annotations

from decimal import Decimal
from math import isnan, nan

import numpy as np
import pyarrow.parquet as pq

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.metric_records import divide
from include.surveillance.files.results import make_schema, write_alerts, write_metrics, write_rejects
from include.surveillance.files.side_files import read_alerts
from include.surveillance.records import Alert, Bar, Metric
from tests.surveillance.files.rows import OPEN


def test_metrics_are_written_as_records_would_be(tmp_path):
    bars = [
        Bar(symbol="A", timespan="minute", ts_ms=OPEN + at * 60_000, open=1, high=1, low=1, close=1, volume=Decimal(6))
        for at in range(3)
    ]
    columns, mean = BarColumns.from_records(bars), np.array([nan, 2.0, 0.0])
    write_metrics(
        tmp_path / "metrics.parquet",
        columns,
        {"volume_mean": mean, "volume_ratio": divide(columns.volume, mean)},
        phase=np.array([0, 1, 1], dtype=np.uint8),
        session=np.array([17941, 17941, 17942], dtype=np.int32),
        profile=np.array([-1, 0, 0]),
        profile_versions=("2019-02-13|aa",),
    )
    rows = pq.read_table(tmp_path / "metrics.parquet")
    assert rows.schema.equals(make_schema(Metric))
    first, second, third = rows.to_pylist()
    assert (first["volume_mean"], first["volume_ratio"], first["profile_version"]) == (None, None, None)
    assert (second["volume_ratio"], second["profile_version"], third["volume_ratio"]) == (3.0, "2019-02-13|aa", None)
    assert [row["session_date"] for row in (first, third)] == ["2019-02-14", "2019-02-15"]
    assert [row["bar_event_id"] for row in (first, second, third)] == [bar.event_id for bar in bars]
    metric = Metric(symbol="A", timespan="minute", ts_ms=OPEN, bar_event_id="", close=1, volume=6)
    assert (first["event_id"], first["source"], first["session_phase"]) == (metric.event_id, "live", "pre")


def test_nothing_found_is_an_empty_table_with_its_columns(tmp_path):
    write_alerts(tmp_path / "alerts.parquet", [])
    write_rejects(tmp_path / "rejected.parquet", [])
    assert pq.read_table(tmp_path / "alerts.parquet").column_names == list(Alert.__struct_fields__)
    alerts, _ = read_alerts(tmp_path / "alerts.parquet")
    assert len(alerts) == 0
    assert not isnan(pq.read_table(tmp_path / "rejected.parquet").num_rows)
