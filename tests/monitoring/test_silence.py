"""How likely a rule's silence is: by another formula, over ten simulated sessions, and of rules that have broken."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.monitoring.silence import HALF_HOUR_SECONDS, day_of, probability_of_silence, time_of_day
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import new_york_midnight

LIMIT = 0.001
HISTORY, SESSIONS, RUNS = 20, 10, 40
HALF_HOURS = 13
# Two fifths of a session's alerts are of its first hour, as of recorded bars.
SHAPE = np.array([4, 2, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 2])


def session_half_hours() -> list[list[int]]:
    """The half-hours of thirty sessions, in which summer time ends."""
    sessions = Sessions("XNYS").recent(HISTORY + SESSIONS, new_york_midnight("2025-11-26"))
    return [
        [session.open_ms // 1_000 // HALF_HOUR_SECONDS + number for number in range(HALF_HOURS)] for session in sessions
    ]


def simulate(random: np.random.Generator, rate: float) -> list[tuple[int, bool]]:
    """Half-hours, and whether the rule alerts in them: at its time of day, on busy days more."""
    seen = []
    for half_hours in session_half_hours():
        expected = rate * random.gamma(4.0, 0.25) * SHAPE / SHAPE.sum()
        alerts = random.random(HALF_HOURS) < 1 - np.exp(-expected)
        seen += [(half_hour, bool(alert)) for half_hour, alert in zip(half_hours, alerts, strict=True)]
    return seen


def false_alarms(seen: list[tuple[int, bool]]) -> int:
    """How often somebody is told of a rule that works, over the last ten of the sessions."""
    alarms, was = 0, False
    for at in range(HISTORY * HALF_HOURS, len(seen)):
        alerted = [half_hour for half_hour, alert in seen[: at + 1] if alert]
        now = probability_of_silence(alerted, [half_hour for half_hour, _ in seen[: at + 1]]) < LIMIT
        alarms, was = alarms + (now and not was), now
    return alarms


@pytest.mark.parametrize("rate", [0.2, 1.0, 4.0])
def test_ten_sessions_of_a_rule_that_works_have_hardly_a_false_alarm(rate):
    random = np.random.default_rng(7)
    alarms = [false_alarms(simulate(random, rate)) for _ in range(RUNS)]
    # One in a thousand silences: of the 2 to 30 of ten sessions, in 40 runs, 1.2 at most.
    assert sum(alarms) <= 4


def test_a_rule_that_breaks_is_told_within_sessions_that_its_rate_says():
    """One that alerts in three half-hours of a session is missed in its fourth session without any."""
    random = np.random.default_rng(7)
    for _ in range(RUNS):
        seen = simulate(random, 3.0)
        alerted = [half_hour for half_hour, alert in seen[: HISTORY * HALF_HOURS] if alert]
        watched = [half_hour for half_hour, _ in seen[: (HISTORY + 6) * HALF_HOURS]]
        assert probability_of_silence(alerted, watched) < LIMIT


@given(st.integers(1, 30), st.integers(0, 60))
@settings(max_examples=20)
def test_it_is_a_poisson_process_of_an_uncertain_rate(days, silent):
    """With the same rate at all times of day, over days of 48 half-hours."""
    first = datetime(2025, 1, 6, 5).astimezone().timestamp() // HALF_HOUR_SECONDS
    begin = int(first) - time_of_day(int(first))
    alerted = [begin + number for number in range(48 * days)]
    watched = [*alerted, *(begin + 48 * days + number for number in range(silent))]
    shape = len({day_of(half_hour) for half_hour in alerted}) + 0.5
    # Poisson's probability of none, over all that the rate may be.
    rates = np.linspace(0, 60, 600_001)
    weights = rates ** (shape - 1) * np.exp(-shape * rates)
    expected = np.trapezoid(weights * np.exp(-silent * rates)) / np.trapezoid(weights)
    assert probability_of_silence(alerted, watched) == pytest.approx(expected, rel=1e-3)


def test_a_time_of_day_without_alerts_says_little():
    """A rule of the open is not missed in the afternoon, and is at the open."""
    days = session_half_hours()
    opens = [day[0] for day in days[:HISTORY]]
    until = [half_hour for day in days[:HISTORY] for half_hour in day]
    afternoon = probability_of_silence(opens, until)
    next_opens = probability_of_silence(opens, [*until, *(day[0] for day in days[HISTORY : HISTORY + 8])])
    assert afternoon > 0.05
    assert next_opens < 0.01


def test_nothing_is_known_of_a_rule_that_never_alerted_and_nothing_is_watched_without_polls():
    days = session_half_hours()
    watched = [half_hour for day in days for half_hour in day]
    assert probability_of_silence([], watched) == 1.0
    assert probability_of_silence(watched[:50], watched[:50]) == 1.0


@given(st.sets(st.integers(1_000_000, 1_000_200), min_size=1), st.sets(st.integers(1_000_000, 1_000_400)))
def test_the_longer_the_silence_the_less_likely(alerted, watched):
    likely = probability_of_silence(alerted, watched)
    assert 0.0 < likely <= 1.0
    assert probability_of_silence(alerted, watched | {1_000_500}) < likely
