from __future__ import annotations

import numpy as np
import pytest

from include.surveillance.alerts.severity import format_alert, grade_scores, score_exceedance
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES


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
    (score,) = score_exceedance(np.array([exceedance]))
    assert score == points
    assert SEVERITIES[grade_scores(np.array([score]))[0]] == name


def test_a_severity_begins_at_its_floor():
    points = np.array([0.0, 59.9, 60.0, 74.9, 75.0, 89.9, 90.0, 100.0])
    names = [SEVERITIES[index] for index in grade_scores(points)]
    assert names == ["low", "low", "medium", "medium", "high", "high", "critical", "critical"]


def test_nothing_scores_nothing():
    assert len(grade_scores(score_exceedance(np.empty(0)))) == 0


def alert(**over) -> Alert:
    return Alert(
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
        **{"explanation": "NVDA closed high."} | over,
    )


def test_an_alert_reads_as_one_line():
    assert format_alert(alert()) == "2019-02-14 14:31:00Z HIGH     NVDA   price_breakout up: NVDA closed high."


def test_an_alert_is_one_line_whatever_a_message_of_the_topic_holds():
    text = "said:\n[critical] GOOD\u2028closed\x1b[31m up" + "x" * 100_000
    line = format_alert(alert(explanation=text))
    assert line.isprintable()
    assert len(line) < 2_200


@pytest.mark.parametrize("status", ["refired", "confirmed", "retracted"])
def test_what_is_told_again_says_why(status):
    assert format_alert(alert(status=status)).endswith(f"price_breakout up: [{status}] NVDA closed high.")
