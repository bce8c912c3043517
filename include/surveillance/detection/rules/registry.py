"""All rules: a line for each form of each rule.

A field's name is the rule's name, its value the rule with its parameters. The rest of the program takes the names, the
kinds, the memory, the reported measures and who can fire where from here.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from include.surveillance.detection.rules.bar_rule import FORMS, BarRule, RobustRule, RuleForm
from include.surveillance.detection.rules.data_quality import DataQuality
from include.surveillance.detection.rules.feed_freshness import FeedFreshness
from include.surveillance.detection.rules.literal.abnormal_volume import LiteralAbnormalVolume
from include.surveillance.detection.rules.literal.news_impact import LiteralNewsImpact
from include.surveillance.detection.rules.literal.price_breakout import LiteralPriceBreakout
from include.surveillance.detection.rules.literal.price_gap import LiteralPriceGap
from include.surveillance.detection.rules.literal.pump_and_dump import LiteralPumpAndDump
from include.surveillance.detection.rules.literal.volatility_spike import LiteralVolatilitySpike
from include.surveillance.detection.rules.robust.abnormal_volume import RobustAbnormalVolume
from include.surveillance.detection.rules.robust.news_impact import RobustNewsImpact
from include.surveillance.detection.rules.robust.price_breakout import RobustPriceBreakout
from include.surveillance.detection.rules.robust.price_gap import RobustPriceGap
from include.surveillance.detection.rules.robust.volatility_spike import RobustVolatilitySpike
from include.surveillance.timespans import Timespan


class LiteralRules(Struct, frozen=True, kw_only=True):
    """Every rule in its literal form, and those of the feed, which have one form.

    Bars are measured in this order: later rules use what earlier ones measured.
    """

    abnormal_volume: LiteralAbnormalVolume = LiteralAbnormalVolume()
    volatility_spike: LiteralVolatilitySpike = LiteralVolatilitySpike()
    price_breakout: LiteralPriceBreakout = LiteralPriceBreakout()
    price_gap: LiteralPriceGap = LiteralPriceGap()
    news_impact: LiteralNewsImpact = LiteralNewsImpact()
    pump_and_dump: LiteralPumpAndDump = LiteralPumpAndDump()
    feed_freshness: FeedFreshness = FeedFreshness()
    data_quality: DataQuality = DataQuality()


class RobustRules(Struct, frozen=True, kw_only=True):
    """Every rule that has a robust form, in that form. A rule of bars has a literal form as well."""

    abnormal_volume: RobustAbnormalVolume = RobustAbnormalVolume()
    volatility_spike: RobustVolatilitySpike = RobustVolatilitySpike()
    price_breakout: RobustPriceBreakout = RobustPriceBreakout()
    price_gap: RobustPriceGap = RobustPriceGap()
    news_impact: RobustNewsImpact = RobustNewsImpact()


def bar_rules(rules: LiteralRules | RobustRules) -> dict[str, BarRule]:
    """Return the rules of bars by name, in the order in which they are measured."""
    every = ((name, getattr(rules, name)) for name in rules.__struct_fields__)
    return {name: rule for name, rule in every if isinstance(rule, BarRule)}


RULES = LiteralRules.__struct_fields__
"""The names of all rules."""
BAR_RULES: dict[RuleForm, dict[str, BarRule]] = {
    "literal": bar_rules(LiteralRules()),
    "robust": bar_rules(RobustRules()),
}
"""The rules of bars with the parameters that they have by default."""
TAILED = tuple(BAR_RULES["robust"])
"""The rules whose scores profiles know the tails of, in the order of these."""
PRIORS = np.array([rule.prior for rule in BAR_RULES["robust"].values() if isinstance(rule, RobustRule)]).T
"""What each of them holds for rare while nothing is known, [within the day or of day bars, rule]."""
_BAR_RULES = [rule for form in FORMS for rule in BAR_RULES[form].values()]
KINDS = tuple((name, direction) for name, rule in BAR_RULES["literal"].items() for direction in rule.directions)
"""Rule and direction of what can fire at a bar; a kind is an index here."""
VOLUME = KINDS.index(("abnormal_volume", ""))
VERSIONS = {
    (form, name): getattr(rules, name).version
    for form, rules in (("literal", LiteralRules()), ("robust", RobustRules()))
    for name in rules.__struct_fields__
}
"""(form, name) of each rule -> its version."""
MEMORY = {name: dtype for rule in _BAR_RULES for name, dtype in rule.memory.items()}
"""Name -> dtype of what rules remember of a series."""
MEASURES = tuple(name for rule in _BAR_RULES for name in rule.reported)
"""The measures that a metric reports, by the same name."""


def rules_at(*timespans: Timespan) -> tuple[str, ...]:
    """Return the names of the rules that can fire at bars of one of these timespans, in either form.

    Those of the feed and of news say nothing of timespans, and can at all.
    """
    bars = BAR_RULES["literal"]
    return tuple(name for name in RULES if name not in bars or not set(timespans).isdisjoint(bars[name].timespans))
