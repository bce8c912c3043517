"""What every rule of bars shares: fields that are structural, what fired, and limits that are zero."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from msgspec import Struct

from include.surveillance.detection.rules.bar_rule import (
    Fired,
    LiteralRule,
    RobustRule,
    Structural,
    structural_fields,
    times_limit,
)
from include.surveillance.detection.rules.registry import LiteralRules, RobustRules

SHAPES = {
    "abnormal_volume": ({"window"}, set()),
    "volatility_spike": ({"window", "percentile", "minimum_history"}, {"window", "persistence"}),
    "price_breakout": ({"window"}, {"window", "rearm"}),
    "price_gap": (set(), set()),
    "news_impact": (set(), set()),
    "pump_and_dump": ({"lookback", "usual", "within"}, None),
}


class Example(LiteralRule, frozen=True):
    name = "example"
    version = 1
    length: Structural[int] = 3
    limit: float = 1.0


def test_a_field_is_structural_where_it_says_so():
    assert structural_fields(Example) == {"length"}
    assert issubclass(Example, Struct)
    assert Example().__struct_fields__ == ("length", "limit")


@pytest.mark.parametrize("name", SHAPES)
def test_what_shapes_a_measurement_is_structural(name):
    literal, robust = SHAPES[name]
    assert structural_fields(type(getattr(LiteralRules(), name))) == literal
    if robust is not None:
        assert structural_fields(type(getattr(RobustRules(), name))) == robust


def test_a_form_is_named_by_the_base():
    assert (LiteralRule.form, RobustRule.form, Example().form) == ("literal", "robust", "literal")


def test_a_rule_without_a_window_looks_at_its_own_bar():
    assert Example().context == 0
    assert RobustRules().price_breakout.context == RobustRules().price_breakout.window + 1


def test_take_keeps_what_belongs_together():
    numbers = np.arange(4.0)
    fired = Fired(np.array([3, 5, 8, 9]), numbers, numbers + 10, numbers + 20, numbers + 30, "down")
    taken = fired.take(np.array([True, False, False, True]))
    assert taken.index.tolist() == [3, 9]
    assert [taken.value[1], taken.threshold[1], taken.baseline[1], taken.exceedance[1]] == [3, 13, 23, 33]
    assert taken.direction == "down"


def test_a_limit_of_zero_is_exceeded_infinitely():
    assert times_limit(np.array([2.0, 3.0]), np.array([0.0, 2.0])).tolist() == [inf, 1.5]
