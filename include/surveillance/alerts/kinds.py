"""What an alert is about: the market, or the platform and its feed. It is a property of the rule."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["market", "operations"]
KINDS: tuple[Kind, ...] = get_args(Kind)

OPERATIONS = frozenset({"feed_freshness", "data_quality", "log_break"})
"""The rules whose alerts are about the platform or its feed; those of all other rules are about the market."""


def kind_of(rule: str) -> Kind:
    return "operations" if rule in OPERATIONS else "market"
