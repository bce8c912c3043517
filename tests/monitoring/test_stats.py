"""An upgrade of Airflow that renames a statistic of ours fails here, not in a panel that stays empty."""

from __future__ import annotations

from pathlib import Path

import airflow._shared.observability.metrics as of_airflow
import yaml

from include.monitoring.stats import STATS

KINDS = {"counter": "c", "gauge": "g", "timer": "ms"}


def test_airflow_has_every_statistic_that_is_kept_and_of_that_kind():
    template = yaml.safe_load((Path(of_airflow.__file__).parent / "metrics_template.yaml").read_text())
    known = {it["name"]: KINDS[it["type"]] for it in template["metrics"]}
    wanted = {stat.name: stat.kind for stat in STATS if not stat.name.startswith("surveillance.")}
    assert wanted.items() <= known.items()


def test_names_are_as_prometheus_has_them():
    names = {stat.name: stat.metric for stat in STATS}
    assert names["ti.finish"] == "airflow_ti_finish_total"
    assert names["surveillance.detect.step"] == "surveillance_detect_step_seconds"
    assert len(set(names.values())) == len(STATS)


def test_no_label_has_as_many_values_as_runs_hosts_or_symbols():
    labels = {label for stat in STATS for label in stat.labels}
    assert labels.isdisjoint({"run_id", "job_id", "hostname", "host", "symbol", "file_path", "kwargs", "map_index"})
