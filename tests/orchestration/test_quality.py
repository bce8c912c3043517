"""Rejects are counted against the limit once each, and only those of live polls."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.orchestration import quality
from include.surveillance import broker
from include.surveillance.records import Reject

SINCE = datetime(2040, 1, 30, 14, 30, tzinfo=UTC)  # later than what other tests reject
NOW_MS = int(SINCE.timestamp() * 1_000) + 60_000


def reject(raw: str, source: str = "live", polled_ms: int = NOW_MS) -> Reject:
    return Reject(stage="normalise", reason="high below low", detail="", raw=raw, source=source, polled_ms=polled_ms)


@pytest.fixture
def count(topics):
    """What one check counts more than the check before it."""
    before = quality.rejects(SINCE, limit=10_000)

    def count(*records: Reject, limit: int = 10_000) -> int:
        broker.publish(topics, records)
        return quality.rejects(SINCE, limit=limit) - before

    return count


@pytest.fixture(autouse=True)
def connection(kafka, monkeypatch):
    monkeypatch.setattr(quality.connections, "kafka", lambda: kafka)


def test_a_bar_rejected_by_every_overlap_counts_once(count):
    assert count(*[reject("once")] * 5) == 1


def test_a_backfill_and_older_rejects_do_not_count(count):
    assert count(reject("past", source="backfill"), reject("old", polled_ms=NOW_MS - 3_600_000)) == 0


def test_too_many_name_the_reason(count):
    with pytest.raises(quality.QualityError, match="for 'high below low'"):
        count(*(reject(f"many {number}") for number in range(3)), limit=2)
