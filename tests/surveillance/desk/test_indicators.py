"""Indicators: the rules' rows add up to that of all, delays are those of numpy, and ages are by the clock given."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.desk.indicators import AGES, ALL, OLDEST, Delay, make_indicators, measure_delay
from tests.surveillance.desk.facts import BEGIN, SESSION, VERDICTS, closed, facts, lists

NOW = BEGIN + timedelta(days=1)


def make(given_facts, kind="market"):
    return make_indicators(SESSION, SESSION, kind, given_facts, VERDICTS, NOW)


@given(lists(), st.sampled_from(["market", "operations"]))
def test_the_rules_add_up(given_facts, kind):
    made = make(given_facts, kind)
    whole, *rules = made.rules
    own = [one for one in given_facts if one.kind == kind and not one.is_folded]
    assert (whole.rule, whole.alerts) == (ALL, len(own))
    for count in (
        lambda it: it.alerts, lambda it: it.closed.part, lambda it: it.precision.part, lambda it: it.precision.n,
        lambda it: it.no_verdict, lambda it: it.escalated.part, lambda it: it.decision.n, lambda it: it.closure.n,
    ):  # fmt: skip
        assert count(whole) == sum(map(count, rules))
    assert sum(age.alerts for age in made.ages) == whole.alerts - whole.closed.part
    assert all(age.alerts == age.critical + age.high + age.medium + age.low for age in made.ages)


@given(lists())
def test_volumes_are_of_both_kinds_whatever_is_asked_for(given_facts):
    made = make(given_facts)
    assert made.volumes == make(given_facts, "operations").volumes
    assert sum(it.market + it.operations for it in made.volumes) == sum(not one.is_folded for one in given_facts)


@given(st.lists(st.integers(-100, 1_000_000), min_size=1, max_size=50))
def test_delays_are_interpolated_as_numpy_does(seconds):
    measured = measure_delay(timedelta(seconds=it) for it in seconds)
    wanted = np.percentile(np.maximum(seconds, 0), [50, 90])
    assert (measured.n, measured.median_seconds, measured.p90_seconds) == (len(seconds), *map(pytest.approx, wanted))


def test_no_delay_is_known_of_nothing():
    assert measure_delay([]) == Delay(0, None, None)


def test_a_decision_is_the_first_and_a_closure_the_last():
    at = BEGIN + timedelta(minutes=1)
    one = closed(0, decided_at=at + timedelta(minutes=5), changed_at=at + timedelta(minutes=30))
    proposed = facts(0, state="to sign", reason="usual", decided_at=at + timedelta(minutes=7), changed_at=at)
    whole = make([one, proposed._replace(alert_id="other")]).rules[0]
    assert (whole.decision.n, whole.decision.median_seconds) == (2, 360.0)
    assert (whole.closure.n, whole.closure.median_seconds) == (1, 1_800.0)


@pytest.mark.parametrize(("name", "longest"), AGES)
def test_an_age_ends_with_its_longest(name, longest):
    second = timedelta(seconds=1)
    names = [*(it for it, _ in AGES), OLDEST]
    given_facts = [facts(0, known_at=NOW - longest), facts(1, known_at=NOW - longest - second)]
    ages = {it.age: it.alerts for it in make(given_facts).ages}
    assert list(ages) == names
    assert (ages[name], ages[names[names.index(name) + 1]]) == (1, 1)
