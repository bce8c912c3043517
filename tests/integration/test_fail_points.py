"""A process killed at any step of publishing or detecting does no harm: what follows it does everything once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from include.surveillance import broker, failpoints, wire
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.live import detector, history, intake
from include.surveillance.records import Bar
from tests.failpoints import arm, is_armed
from tests.integration.detecting import detect_partition
from tests.integration.dying import detect, detect_in_rivalry, exit_code, judge, publish, started
from tests.surveillance.live.partition_log import SESSIONS, bar, market, outputs, partition, read_values  # noqa: F401

AFTER_COMMIT = "detect.committed"
# Before these nothing has been sent; `make faults` visits the others too.
DETECTING = ("transaction.sent", "transaction.offsets_sent", AFTER_COMMIT)


def unique() -> str:
    return detector.GROUP.partition("-")[2]


@pytest.mark.parametrize("point", DETECTING)
def test_detection_killed_at_any_step(kafka, partition, tmp_path: Path, point: str):  # noqa: F811
    broker.publish(kafka, market())
    arm(tmp_path, point)
    assert exit_code(detect, kafka, unique(), str(tmp_path)) == -signal.SIGKILL
    assert not is_armed(tmp_path, point)
    # The first batch is wholly there or not at all, whoever looks.
    seen = len(read_values(kafka, partition, broker.METRICS))
    assert seen == (60 if point == AFTER_COMMIT else 0)

    summary = detect_partition(kafka, partition, sessions=SESSIONS, limit=60)
    assert not summary.rebuilt
    assert outputs(kafka, partition) == at_once(kafka)
    assert broker.lag(kafka, detector.GROUP, detector.positions_of(partition)) == 0


@pytest.mark.parametrize("point", ["transaction.sent", "transaction.offsets_sent"])
def test_judging_history_killed_at_any_step_and_repeated_tells_once(kafka, partition, tmp_path: Path, point: str):  # noqa: F811
    broker.publish(kafka, [replace(it, source="backfill") for it in market() if isinstance(it, Bar)])
    arm(tmp_path, point)
    assert exit_code(judge, kafka, unique(), str(tmp_path)) == -signal.SIGKILL
    assert not is_armed(tmp_path, point)
    assert read_values(kafka, partition, broker.ALERTS) == []
    for _ in range(2):
        assert exit_code(judge, kafka, unique(), str(tmp_path)) == 0
    told = [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]
    walk = history.walk_partition(kafka, partition, sessions=SESSIONS, book=ParameterBook.default())
    assert told == walk.alerts
    assert told


def at_once(kafka) -> dict[str, list[bytes]]:
    """What the rules find in the whole log, by one run without Kafka's transactions."""
    with intake.Intake(kafka, dict.fromkeys(detector.positions_of(0))) as log:
        records, _, rejects = intake.decode_messages(log.read(10_000).messages)
    assert len(records) == 152
    detection = detect_records(Engine(ParameterBook.default(), SESSIONS), State(), records)
    by_topic = {broker.METRICS: detection.metrics, broker.ALERTS: detection.alerts, broker.REJECTED: rejects}
    return {topic: sorted(map(wire.encode, records)) for topic, records in by_topic.items()}


@pytest.mark.parametrize("point", ["publish.sent", "publish.stored"])
def test_publishing_killed_and_repeated_has_one_effect(kafka, partition, tmp_path: Path, point: str):  # noqa: F811
    arm(tmp_path, point)
    assert exit_code(publish, kafka, unique(), str(tmp_path), market()) == -signal.SIGKILL
    assert exit_code(publish, kafka, unique(), str(tmp_path), market()) == 0
    summary = detect_partition(kafka, partition, sessions=SESSIONS)
    assert summary.metrics == 150
    if point == "publish.stored":
        assert summary.duplicates + summary.late == 149 + 1 + 1  # bars, the article and the watermark
    bars = {wire.decode(raw).event_id for raw in read_values(kafka, partition, broker.BARS) if b'"kind":"bar"' in raw}
    metrics = [wire.decode(raw).bar_event_id for raw in read_values(kafka, partition, broker.METRICS)]
    assert sorted(metrics) == sorted(bars)


def test_two_detectors_of_one_partition_fence_each_other_and_find_everything_once(kafka, partition, tmp_path):  # noqa: F811
    broker.publish(kafka, market())
    fenced = tmp_path / "fenced"
    rivals = [started(detect_in_rivalry, kafka, unique(), fenced) for _ in range(2)]
    for rival in rivals:
        rival.join(90)
    assert [rival.exitcode for rival in rivals] == [0, 0]
    assert "another process has taken over" in fenced.read_text()
    assert outputs(kafka, partition) == at_once(kafka)


def test_an_unknown_point_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no fail point"):
        arm(tmp_path, "detect.finished")


def test_off_unless_a_folder_is_named(monkeypatch, tmp_path: Path):
    arm(tmp_path, "detect.begun")
    monkeypatch.delenv(failpoints.FOLDER, raising=False)
    failpoints.reach("detect.begun")
    assert is_armed(tmp_path, "detect.begun")


def test_whoever_comes_to_a_point_that_hangs_stays_there(tmp_path: Path, monkeypatch):
    class StillThereError(Exception):
        pass

    def stay(_: float) -> None:
        raise StillThereError

    arm(tmp_path, "publish.sent", failpoints.HANG)
    monkeypatch.setenv(failpoints.FOLDER, str(tmp_path))
    monkeypatch.setattr(failpoints.time, "sleep", stay)
    with pytest.raises(StillThereError):
        failpoints.reach("publish.sent")
    failpoints.reach("publish.sent")
