from __future__ import annotations

import pytest

from include.surveillance.alerts import join_episode, line, score, severity
from include.surveillance.detection.rules import Firing
from include.surveillance.models import Alert


def firing(ts_ms: int, direction: str = "") -> Firing:
    return Firing(
        rule="abnormal_volume",
        version=1,
        ts_ms=ts_ms,
        close_ms=ts_ms + 60_000,
        polled_ms=0,
        source="live",
        direction=direction,
        value=1.0,
        threshold=1.0,
        window_start_ms=0,
        window_end_ms=ts_ms,
        exceedance=1.0,
        event_ids=(),
        explanation="",
    )


@pytest.mark.parametrize(
    ("exceedance", "points", "name"),
    [
        (1.0, 50.0, "low"),
        (1.5, 64.6, "medium"),
        (2.0, 75.0, "high"),
        (3.0, 87.5, "high"),
        (4.0, 93.8, "critical"),
        (float("inf"), 100.0, "critical"),
    ],
)
def test_score_is_fifty_at_the_limit_and_saturates(exceedance, points, name):
    assert score(exceedance) == points
    assert severity(points) == name


def test_an_episode_lasts_as_long_as_firings_come_within_the_cooldown():
    episodes = {}
    joined = [join_episode(episodes, firing(ts), 100) for ts in (1000, 1100, 1200, 1301)]
    assert joined == [(1000, True), (1000, False), (1000, False), (1301, True)]
    assert episodes["abnormal_volume|"].firings == 1


def test_a_firing_for_a_time_before_the_episode_stands_alone():
    episodes = {}
    join_episode(episodes, firing(1000), 100)
    assert join_episode(episodes, firing(950), 100) == (1000, False)
    assert join_episode(episodes, firing(500), 100) == (500, True)
    assert join_episode(episodes, firing(1050), 100) == (1000, False)


def test_directions_do_not_share_an_episode():
    episodes = {}
    assert [join_episode(episodes, firing(1000, way), 100)[1] for way in ("up", "down", "up")] == [True, True, False]


def test_an_alert_reads_as_one_line():
    alert = Alert(
        rule="price_breakout",
        rule_version=1,
        parameters_version="x",
        symbol="NVDA",
        timespan="minute",
        ts_ms=1_550_154_600_000,
        bar_close_ms=1_550_154_660_000,
        direction="up",
        value=1.0,
        threshold=1.0,
        window_start_ms=0,
        window_end_ms=0,
        score=80.0,
        severity="high",
        episode_start_ms=1_550_154_600_000,
        session_phase="regular",
        session_date="2019-02-14",
        data_age_ms=0,
        event_ids=(),
        explanation="NVDA closed high.",
    )
    assert line(alert) == "2019-02-14 14:31:00Z HIGH     NVDA   price_breakout up: NVDA closed high."
