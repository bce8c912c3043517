"""The search for thresholds within a budget, against an engine that is invented."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.studies.thresholds import Subject, calibrate, list_thresholds


def search(count, values: dict[str, list[float]], budget: float, field: str = "multiple"):
    """Calibrate subjects of one symbol-day; ``count`` is what the engine would say."""
    given = [
        Subject(
            name, "all", field, list_thresholds(np.array(own), budget), symbol_days=1, current=3.0, current_alerts=7
        )
        for name, own in values.items()
    ]
    trials = []

    def count_alerts(thresholds):
        trials.append(dict(thresholds))
        return {(name, "all"): count(name, thresholds.get((name, "all"), nan), thresholds) for name in values}

    return {choice.subject.rule: choice for choice in calibrate(given, count_alerts, budget=budget)}, trials


def above(values):
    return lambda name, threshold, _: sum(value > threshold for value in values)


def test_the_smallest_threshold_that_the_budget_affords():
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    choices, trials = search(above(values), {"volume": values}, budget=2)
    choice = choices["volume"]
    assert (choice.chosen, choice.chosen_alerts) == (4.0, 2)
    assert (
        choice.subject.field,
        choice.subject.current,
        choice.subject.current_alerts,
        choice.subject.symbol_days,
    ) == ("multiple", 3.0, 7, 1)
    assert choice.curve["threshold"].is_monotonic_increasing
    counts = dict(zip(choice.curve["threshold"], choice.curve["alerts"], strict=True))
    assert (counts[2.0], counts[4.0]) == (3, 2)
    assert trials[-1] == {("volume", "all"): 4.0}


def test_a_small_threshold_that_merges_everything_into_one_alert_is_not_chosen():
    choice = search(
        lambda name, threshold, _: 0 if threshold >= 2 else 2 if threshold >= 1.5 else 1,
        {"volume": [1.0, 1.2, 1.4, 1.6, 2.0, 2.0]},
        budget=1,
    )[0]["volume"]
    assert (choice.chosen, choice.chosen_alerts) == (2.0, 0)


def test_the_way_down_ends_soon_after_too_much_is_raised():
    values = np.geomspace(1, 1e100, 10_000)
    choices, _ = search(above(values), {"volume": values}, budget=10)
    assert choices["volume"].curve["alerts"].max() < 1000
    assert choices["volume"].chosen_alerts == 10


def test_what_cannot_be_judged_or_always_fires_gets_no_proposal():
    choices, trials = search(lambda *_: 5, {"gap": [nan, 0.0, inf], "volume": [1.0, 2.0, inf]}, budget=1)
    assert isnan(choices["gap"].chosen)
    assert choices["gap"].curve.empty
    assert isnan(choices["volume"].chosen)
    assert trials[-1] == {}


@pytest.mark.parametrize(("field", "chosen"), [("multiple", nan), ("buffer", 0.0)])
def test_when_every_threshold_is_affordable_only_a_buffer_becomes_0(field, chosen):
    choices, _ = search(lambda *_: 1, {"rule": [1.0, 2.0]}, budget=1, field=field)
    assert choices["rule"].chosen == pytest.approx(chosen, nan_ok=True)


def test_what_exceeds_the_budget_only_with_all_proposals_at_once_is_raised():
    a, b = list(range(1, 11)), np.geomspace(1e-3, 1e3, 2000)

    def count(name, threshold, thresholds):
        # The first is settled long before the second comes down far enough to add to it.
        added = 2 * (thresholds[("b", "all")] < 1)
        return sum(value > threshold for value in a) + added if name == "a" else 10 * (threshold < 0.02)

    choices, trials = search(count, {"a": a, "b": b}, budget=5)
    assert (choices["a"].chosen, choices["a"].chosen_alerts) == (7.0, 5)
    assert (choices["b"].chosen, choices["b"].chosen_alerts) == (0.02, 0)
    assert trials[-1] == {("a", "all"): 7.0, ("b", "all"): 0.02}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60),
    st.lists(st.integers(0, 9), min_size=7, max_size=7),
    st.floats(0.1, 8),
)
def test_whatever_the_engine_says_the_choice_keeps_within_the_budget(values, wobbles, budget):
    def count(name, threshold, _):
        return wobbles[hash(threshold) % 7]

    choice = search(count, {"rule": values}, budget)[0]["rule"]
    curve = choice.curve.set_index("threshold")["alerts"]
    if isnan(choice.chosen):
        assert curve.iloc[-1] > budget or (curve <= budget).all()
        return
    assert (curve[curve.index >= choice.chosen] <= budget).all()
    assert curve[curve.index < choice.chosen].iloc[-1] > budget
    assert choice.chosen_alerts == curve[choice.chosen]
