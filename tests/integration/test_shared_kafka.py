"""Two platforms on one Kafka, each with a KAFKA_PREFIX of its own: neither sees or disturbs the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from confluent_kafka.admin import AdminClient

from tests.paths import ROOT

PREFIXES = ("first.", "second-")
# Both own partition 0 at the same time; each publishes bars of its own number.
PLATFORM = """
import json, sys
from include.surveillance import broker
from include.surveillance.live import detector
from include.surveillance.sessions import Sessions
from tests.surveillance.live.partition_log import bar

kafka, bars = {"bootstrap.servers": sys.argv[1]}, int(sys.argv[2])
broker.ensure_topics(kafka, 1)
broker.publish(kafka, [bar(minute) for minute in range(bars)])
with detector.Detector(kafka, 0, sessions=Sessions()) as owner:
    print("open", flush=True)
    input()
    counts = owner.step(10)
behind = broker.lag(kafka, detector.GROUP, detector.positions_of(0))
landed = broker.read(kafka, {(broker.METRICS, 0): None}).messages
print(json.dumps({"bars": counts["bars"], "behind": behind, "metrics": len(landed)}), flush=True)
"""


def start(kafka: dict[str, str], prefix: str, bars: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PLATFORM, kafka["bootstrap.servers"], str(bars)],
        env={**os.environ, "KAFKA_PREFIX": prefix, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture
def results(kafka) -> list[dict[str, int]]:
    platforms = [start(kafka, prefix, bars) for prefix, bars in zip(PREFIXES, (7, 11), strict=True)]
    for platform in platforms:
        opened = platform.stdout.readline()
        assert opened == "open\n", opened + platform.stderr.read()
    answers = []
    for platform in platforms:
        output, errors = platform.communicate("\n", timeout=120)
        assert platform.returncode == 0, errors
        answers.append(json.loads(output))
    return answers


def test_each_detects_its_own_bars_while_the_other_holds_the_same_partition(kafka, results):
    assert results == [{"bars": bars, "behind": 0, "metrics": bars} for bars in (7, 11)]
    admin = AdminClient(kafka)
    for prefix in PREFIXES:
        ours = {name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)}
        assert len(ours) == 10, ours
    groups = {group.group_id for group in admin.list_consumer_groups().result().valid}
    assert groups >= {f"{prefix}detector" for prefix in PREFIXES}


def test_a_prefix_that_kafka_would_refuse_is_one_clear_error():
    run = subprocess.run(
        [sys.executable, "-c", "from include.surveillance import broker"],
        env={**os.environ, "KAFKA_PREFIX": "no spaces", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.stderr.splitlines()[-1].endswith(
        "KAFKA_PREFIX='no spaces' must be at most 63 letters, digits, dots, dashes and underscores, a letter or digit "
        "first; write e.g. staging."
    )
