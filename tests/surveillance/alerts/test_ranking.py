"""What nothing explains comes first."""

from __future__ import annotations

from include.surveillance.alerts.ranking import rank
from tests.surveillance.alerts.test_market_events import alert


def test_unexplained_alerts_come_first_and_of_these_the_highest_score():
    tags = [("news", 99.0), ("unexplained", 50.0), (None, 80.0), ("unexplained", 70.0)]
    ranked = sorted((alert(tag=tag, score=score) for tag, score in tags), key=rank)
    assert [(it.tag, it.score) for it in ranked] == [
        ("unexplained", 70.0), ("unexplained", 50.0), ("news", 99.0), (None, 80.0),
    ]  # fmt: skip
