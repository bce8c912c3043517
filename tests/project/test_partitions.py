"""Kafka says how many partitions a topic has; the setting only creates topics."""

from __future__ import annotations

import re

from tests.paths import ROOT

# A restore creates topics, too, with as many as the copy has.
CREATES = {
    "include/orchestration/backup/manifest.py",
    "include/orchestration/migrate.py",
    "include/surveillance/settings.py",
}


def test_nobody_but_who_creates_topics_asks_the_setting():
    users = {
        str(path.relative_to(ROOT))
        for folder in ("include/surveillance", "include/orchestration", "dags", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"kafka_partitions", path.read_text())
    }
    assert users == CREATES
