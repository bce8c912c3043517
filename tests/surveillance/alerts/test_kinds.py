"""Every alert is about the market or about operations."""

from __future__ import annotations

import pytest

from include.surveillance.alerts.kinds import KINDS, kind_of


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("price_gap", "market"),
        ("market_event", "market"),
        ("feed_freshness", "operations"),
        ("log_break", "operations"),
    ],
)
def test_the_kind_is_a_property_of_the_rule(rule, kind):
    assert kind_of(rule) == kind
    assert kind in KINDS
