"""The state at the committed offsets: from the snapshot, or from the log once more."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from include.surveillance import broker, wire
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.shards import Shards
from include.surveillance.detection.state import State
from include.surveillance.live import detector
from include.surveillance.live import restore as restore_module
from include.surveillance.live.detector import positions_of
from include.surveillance.live.restore import restore_state
from include.surveillance.places import Place
from tests.integration.detecting import LITERAL
from tests.paths import ROOT
from tests.surveillance.live.partition_log import (
    SESSIONS,
    bar,
    detect,
    market,
    read_values,
    snapshot,
)
from tests.surveillance.live.partition_log import partition as partition

ENGINE = Engine(LITERAL, SESSIONS)


def test_a_snapshot_that_does_not_fit_is_rebuilt_from_the_log(kafka, partition, caplog):
    records = market()
    broker.publish(kafka, records[:-3])
    detect(kafka, partition)
    expected = snapshot(kafka, partition)
    with broker.transaction(kafka, "intruder", "other") as transaction:
        transaction.send_raw(broker.DETECTOR_STATE, b"broken", key=str(partition), partition=partition)
    alerts = read_values(kafka, partition, broker.ALERTS)
    broker.publish(kafka, records[-3:])
    with caplog.at_level(logging.WARNING, restore_module.__name__):
        summary = detect(kafka, partition)
    assert summary.rebuilt
    assert "rebuilt from the log" in caplog.text
    assert "unreadable head of 6 bytes of a detector snapshot" in caplog.text
    assert summary.metrics == 3 - 1
    assert read_values(kafka, partition, broker.ALERTS)[: len(alerts)] == alerts
    assert expected is not None
    # The rebuilt state goes on as if nothing had happened.
    after = snapshot(kafka, partition)
    broker.commit(kafka, detector.GROUP, dict.fromkeys(positions_of(partition), Place(0)))
    detect(kafka, partition)
    assert snapshot(kafka, partition) == after


def test_without_anything_committed_there_is_nothing_to_restore(kafka, partition):
    state, _, rebuilt = restore(kafka, partition)
    assert (state.to_bytes(), rebuilt) == (State("sketch").to_bytes(), False)


def test_a_snapshot_at_the_committed_offsets_is_the_state(kafka, partition):
    broker.publish(kafka, market())
    detect(kafka, partition)
    state, _, rebuilt = restore(kafka, partition)
    assert (state.to_bytes(), rebuilt) == (snapshot(kafka, partition), False)


def test_the_snapshot_of_a_group_whose_offsets_kafka_has_forgotten_still_holds(kafka, partition, monkeypatch):
    broker.publish(kafka, market())
    detect(kafka, partition)
    monkeypatch.setattr(detector, "GROUP", f"{detector.GROUP}-anew")
    state, _, rebuilt = restore(kafka, partition)
    assert (offsets_of(state), rebuilt) == ({broker.BARS: 151, broker.NEWS: 1}, False)


@pytest.mark.parametrize("limit", [7, 1_000])
def test_a_state_of_other_percentiles_is_rebuilt_up_to_the_committed_offsets(kafka, partition, limit):
    records = market()
    broker.publish(kafka, records[:100])
    detect(kafka, partition)
    broker.publish(kafka, records[100:])
    state, _, rebuilt = restore(kafka, partition, "exact", limit)
    assert (rebuilt, offsets_of(state)) == (True, broker_offsets(kafka, partition))
    expected = detect_records(ENGINE, State("exact"), [bar(0), *records[:100]]).state
    expected.places, expected.clock_ms = state.places, state.clock_ms
    assert state.to_bytes() == expected.to_bytes()


RULES = "include/surveillance/detection/rules"
NEW_RULE = '''
import numpy as np

from include.surveillance.detection.rules.bar_rule import Fired, LiteralRule, times_limit


class LiteralRoundClose(LiteralRule, frozen=True):
    """A bar closes above 102."""

    name = "round_close"
    version = 1
    threshold = "limit"
    memory = {"round_closes": "int64"}

    limit: float = 102.0

    def measure(self, scan):
        pass

    def judge(self, scan, limits):
        limit = limits("limit")
        index = np.flatnonzero(scan.close > limit)
        value, limit = scan.close[index], limit[index]
        yield Fired(index, value, limit, limit, times_limit(value, limit))

    def sentence(self, firing):
        return f"{firing.symbol} closed at {firing.value}"
'''
VERSION = """
import json, logging, sys
from pathlib import Path
logging.basicConfig(level=logging.WARNING)
from include.surveillance import broker, wire
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.live.detector import Detector
from include.surveillance.sessions import Sessions
kafka = json.loads(sys.argv[1])
broker.ensure_topics(kafka, 1)
broker.publish(kafka, map(wire.decode, Path(sys.argv[2]).read_bytes().splitlines()))
literal = ParameterBook.default().replaced(alerting_form="literal")
with Detector(kafka, 0, sessions=Sessions(), book=literal) as owner:
    rebuilt, _ = owner.rebuilt, owner.step()
with broker.transaction(kafka, "detector-0", "detector"):
    pass  # waits until the one before is visible
alerts = [wire.decode(message.value) for message in broker.read(kafka, {(broker.ALERTS, 0): None}).messages]
print(json.dumps([rebuilt, [(it.rule, it.event_id, it.status, it.firings) for it in alerts]]))
"""


def test_a_rule_that_is_added_as_the_docs_say_finds_its_state_rebuilt(kafka, tmp_path):
    """One version stores a snapshot; the next is the same code with one rule more, between two others."""
    log = [bar(0), *market(), bar(150, close=103.0), *(bar(i, close=100.0) for i in range(151, 160))]
    newer = shutil.copytree(ROOT / "include", tmp_path / "include").parent
    (newer / RULES / "literal" / "round_close.py").write_text(NEW_RULE)
    registry, gap = newer / RULES / "registry.py", "    price_gap: LiteralPriceGap"
    line = "from include.surveillance.detection.rules.literal.round_close import LiteralRoundClose\n"
    text = registry.read_text().replace("\n\n\nclass", f"\n{line}\n\nclass", 1)
    registry.write_text(text.replace(gap, f"    round_close: LiteralRoundClose = LiteralRoundClose()\n{gap}", 1))
    prefix = f"{uuid.uuid4().hex[:8]}."

    (rebuilt, earlier), told = run_version(ROOT, kafka, prefix, log[:120], tmp_path)
    assert earlier
    assert not rebuilt
    (rebuilt, alerts), told = run_version(newer, kafka, prefix, log[120:], tmp_path)
    assert rebuilt
    assert told.count("rebuilt from the log") == 1
    assert "written with other kinds" in told

    whole = detect_records(ENGINE, State("sketch"), log)
    expected = [[it.rule, it.event_id, it.status, it.firings] for it in whole.alerts]
    # Whether an article comes before a bar or tags its alert again, Kafka's milliseconds say.
    told = [alert for alert in alerts if alert[0] != "round_close" and alert[2] != "retagged"]
    assert sorted(told) == sorted(alert for alert in expected if alert[2] != "retagged")
    of_the_new = [alert for alert in alerts if alert[0] == "round_close"]
    assert [alert[2:] for alert in of_the_new] == [["fired", 1]]
    assert str(bar(150).ts_ms) in of_the_new[0][1]


def run_version(tree: Path, kafka, prefix: str, records: list, folder: Path) -> tuple[list, str]:
    """Publish records and detect in the code of a folder; return what came of it, and what was logged."""
    file = folder / "records"
    file.write_bytes(b"\n".join(map(wire.encode, records)))
    done = subprocess.run(
        [sys.executable, "-c", VERSION, json.dumps(kafka), str(file)],
        cwd=tree, env={**os.environ, "KAFKA_PREFIX": prefix}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), done.stderr


def restore(kafka, partition: int, history: str = "sketch", limit: int = 1_000) -> tuple[State, Shards, bool]:
    return restore_state(kafka, detector.GROUP, positions_of(partition), ENGINE, history, limit)


def broker_offsets(kafka, partition: int) -> dict[str, int]:
    committed = broker.committed(kafka, detector.GROUP, positions_of(partition))
    return {topic: place.offset for (topic, _), place in committed.items()}


def offsets_of(state: State) -> dict[str, int]:
    return {topic: place.offset for topic, place in state.places.items()}
