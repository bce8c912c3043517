"""The command ``export`` on a real Kafka: what is written is what the other commands read."""

from __future__ import annotations

import random

import pandas as pd
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

from include.surveillance import broker
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.records import Metric
from include.surveillance.studies.export import read_topic
from include.surveillance.studies.listing import list_alerts, read_alert_rows
from tests.integration.detecting import detect_partition
from tests.surveillance.cli.recordings import run
from tests.surveillance.detection.market import profile
from tests.surveillance.live.partition_log import OPEN, SESSIONS, bar
from tests.surveillance.live.partition_log import partition as partition

READ = ("bars", "news", "splits", "dividends", "ticker_changes")


@pytest.fixture
def watched(kafka, partition) -> str:
    """Two hours, detected as they came, with a profile from the middle on; the address of its Kafka."""
    rng = random.Random(11)
    minutes = [bar(k, volume=round(1_000 * rng.uniform(0.5, 1.5)) * (12 if k % 41 > 38 else 1)) for k in range(1, 120)]
    for start in range(0, len(minutes), 20):
        if start == 60:
            broker.publish(kafka, [profile(effective_ms=minutes[start].ts_ms)])
        broker.publish(kafka, minutes[start : start + 20])
        detect_partition(kafka, partition, sessions=SESSIONS, book=ParameterBook.default())
    return kafka["bootstrap.servers"]


def test_yesterdays_bars_raise_offline_what_they_raised_live(kafka, watched, tmp_path):
    result = run("export", kafka=watched, out=tmp_path / "log")
    assert (result.exit_code, "messages of alerts" in result.output) == (0, True), result.output
    files = {name: tmp_path / "log" / f"{name}.parquet" for name in READ}
    profiles, out = tmp_path / "log" / "profiles.jsonl", tmp_path / "out"
    replayed = run("replay", **files, profiles=profiles, out=out)
    assert replayed.exit_code == 0, replayed.output
    then, now = (list_alerts(read_alert_rows(folder)) for folder in (tmp_path / "log", out))
    assert {"robust"} == set(then["form"])
    pd.testing.assert_frame_equal(then, now, check_exact=True)
    listed = run("alerts", "--as", "csv", kafka=watched).stdout
    assert listed == run("alerts", "--as", "csv", alerts=tmp_path / "log").stdout
    live = [metric for batch in read_topic(kafka, broker.METRICS, Metric) for metric in batch]
    written = pq.read_table(tmp_path / "log" / "metrics.parquet").to_pylist()
    assert [(row["event_id"], row["volume_z"]) for row in written] == [(it.event_id, it.volume_z) for it in live]


def test_a_message_that_nobody_can_read_is_left_out_and_named(kafka, watched, tmp_path, caplog):
    producer = Producer(kafka)
    producer.produce(broker.ALERTS, b"\0")
    producer.flush()
    assert run("export", kafka=watched, out=tmp_path).exit_code == 0
    (told,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert told.startswith(f"{broker.ALERTS}, partition 0, offset ")


def test_only_what_was_asked_for_is_exported(watched, tmp_path):
    since = pd.Timestamp(OPEN + 30 * 60_000, unit="ms", tz="UTC").isoformat()
    until = pd.Timestamp(OPEN + 39 * 60_000, unit="ms", tz="UTC").tz_convert("America/New_York")
    options = {"symbol": "nvda", "timespan": "minute", "since": since, "until": f"{until:%Y-%m-%d %H:%M}"}
    assert run("export", kafka=watched, out=tmp_path, **options).exit_code == 0
    starts = pq.read_table(tmp_path / "bars.parquet")["ts_ms"].to_pylist()
    assert starts == [OPEN + minute * 60_000 for minute in range(30, 40)]
    for options, said in (
        ({"symbol": "MOON"}, "no bar of what is asked for"),
        ({"timespan": "week"}, "--timespan week is none; timespans are minute"),
    ):
        nothing = run("export", kafka=watched, out=tmp_path / "none", **options)
        assert (nothing.exit_code, said in nothing.output) == (1, True)
