"""The report of what the watchdog tells."""

from __future__ import annotations

import json
from dataclasses import asdict

from tests.faults.watch import Row, keep_others, write_report

ABOUT = {"cores": 2, "cpu": "a processor", "load_at_start": 0.1}


def test_what_is_inflicted_again_replaces_its_row_and_the_others_stay(tmp_path):
    before = [Row("a disk is full", "disk-full", 10.0), Row("Kafka is gone", "kafka", 80.0)]
    (tmp_path / "watchdog.json").write_text(json.dumps({"rows": [asdict(row) for row in before]}))
    assert keep_others(tmp_path / "watchdog.json", [Row("a disk is full", "disk-full", 12.0)]) == before[1:]
    assert keep_others(tmp_path / "none.json", before) == []


def test_a_row_says_what_was_wrong_or_that_it_was_as_promised():
    rows = [Row("Kafka is gone", "kafka", 80.0, 9.5, ["a|b", "over"]), Row("a disk is full", "disk", wrong=["nothing"])]
    *_, sound, broken = write_report(rows, ABOUT).splitlines()
    assert sound == r"| Kafka is gone | 80.0 s | 9.5 s | a\|b<br>over | as promised |"
    assert broken == "| a disk is full |  |  | none | nothing |"
