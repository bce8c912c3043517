"""The values of all parameters: one number for each name, whoever it is for."""

from __future__ import annotations

from functools import cached_property
from math import inf, nan

import msgspec

from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.rules.registry import TAILED, LiteralRules, RobustRules, bar_rules
from include.surveillance.records import digest

SHARES = {"abnormal_volume": 0.3, "volatility_spike": 0.15, "price_breakout": 0.2, "price_gap": 0.15}
"""What is left is for rules to come."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts are worth reading; the robust rules' thresholds follow from it.

    Attributes:
        alerts_per_symbol_session: of all rules together, per symbol, session and timespan; 0 for no budget: then the
            thresholds in the rules' own units count.
        shares: of it that each rule has.
    """

    alerts_per_symbol_session: float = 0.1
    shares: dict[str, float] = msgspec.field(default_factory=lambda: dict(SHARES))

    def period(self, rule: str) -> float:
        """Return once in how many sessions a rule may alert; infinite for never, NaN for no budget."""
        if not self.alerts_per_symbol_session:
            return nan
        alerts = self.alerts_per_symbol_session * self.shares.get(rule, 0.0)
        return 1.0 / alerts if alerts > 0 else inf


NO_BUDGET = Budget(alerts_per_symbol_session=0.0)


class Parameters(LiteralRules, frozen=True, kw_only=True, dict=True):
    """The rules with their parameters, and what all rules share.

    Attributes:
        robust: the rules that have a robust form, in that form. A threshold that is set is a floor: the budget may
            raise it. One that is not set counts where a profile of an earlier version knows no tail.
        budget: of alerts.
        alerting_form: the form in which rules of bars raise alerts, of all or by rule, where ``default`` stands for
            those that are not named and is robust unless it is given; ``news_impact`` has that of ``abnormal_volume``;
            ``rules`` in a parameters file.
        cooldown_bars: a firing at most so many bars' time, and half a day, after the last one continues its episode.
        session_reset: restart windows (not the percentile's history) each New York date.
        market_breadth: share of the watched symbols above which alerts of one minute are one event of the market.
        market_minimum: symbols that such an event needs at least.
    """

    robust: RobustRules = RobustRules()
    budget: Budget = Budget()
    alerting_form: RuleForm | dict[str, RuleForm] = msgspec.field(default="robust", name="rules")
    cooldown_bars: int = 15
    session_reset: bool = False
    market_breadth: float = 0.05
    market_minimum: int = 5

    def __post_init__(self) -> None:
        allowed = ("default", *TAILED)
        for name in self.alerting_form if isinstance(self.alerting_form, dict) else ():
            if name not in allowed:
                raise ValueError(
                    f"rules: no rule of bars with two forms is called {name!r}; allowed are {', '.join(allowed)}"
                )

    @property
    def default_form(self) -> RuleForm:
        """The form of the rules that ``alerting_form`` does not name."""
        given = self.alerting_form
        return given.get("default", "robust") if isinstance(given, dict) else given

    def form_of(self, rule: str) -> RuleForm:
        """Return the form in which a rule of bars raises alerts; one that has no robust form is literal."""
        given = self.alerting_form
        if rule not in TAILED:
            return "literal"
        return given.get(rule, self.default_form) if isinstance(given, dict) else given

    @cached_property
    def uses_profiles(self) -> bool:
        """Whether any rule raises alerts in its robust form."""
        return any(self.form_of(rule) == "robust" for rule in TAILED)

    def in_form(self, form: RuleForm | None) -> LiteralRules | RobustRules:
        """Return the rules in a form; None stands for the rules of the feed, which have one."""
        return self.robust if form == "robust" else self

    @cached_property
    def version(self) -> str:
        """Eight hex digits over all values."""
        return digest(encode_value(self))

    @cached_property
    def context(self) -> int:
        """Bars before the current one that the longest window needs."""
        return max(rule.context for rules in (self, self.robust) for rule in bar_rules(rules).values())


def encode_value(value: object) -> str:
    """Write a value as JSON; equal values give equal text."""
    return msgspec.json.encode(value, order="deterministic").decode()
