"""One exception to the parameters: which rule, for whom, from when, what instead, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from math import isfinite
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.profile_columns import LIQUIDITY
from include.surveillance.detection.rules.bar_rule import RuleForm, structural_fields
from include.surveillance.detection.rules.registry import RULES, RobustRules
from include.surveillance.errors import ConfigurationError

# From the widest to the narrowest: the narrower holds.
SCOPES = ("global", "asset_class", "liquidity", "symbol")

S = TypeVar("S", bound=Struct)


class Override(Struct, frozen=True, kw_only=True):
    """Gives fields of one rule other values, for some of the symbols and from a day on, and says why.

    Attributes:
        rule: a rule's name, e.g. ``abnormal_volume``.
        form: of the rule; None for the rules of the feed, which have one form.
        scope: what ``whom`` names.
        whom: the asset class (the vendor's type, e.g. ETF), the liquidity bucket or the ticker; empty for ``global``; a
            parameters file calls it ``of``.
        effective: from the start of this New York date, YYYY-MM-DD.
        set: field -> value; a mapping changes the keys that it names.
        rationale: why, for whoever asks later.
        author: who decided.
    """

    rule: str
    form: RuleForm | None = None
    scope: Literal["global", "asset_class", "liquidity", "symbol"] = "global"
    whom: str = msgspec.field(default="", name="of")
    effective: str
    set: dict[str, Any]
    rationale: str
    author: str | None = None

    @property
    def name(self) -> str:
        rule, target = f"{self.form or ''} {self.rule}".lstrip(), f"{self.scope} {self.whom}".rstrip()
        return f"override of {rule} ({target}, effective {self.effective})"

    @property
    def target(self) -> tuple[str, str, str, str]:
        """Two overrides of one target, day and field contradict each other."""
        return self.scope, self.whom, self.form or "literal", self.rule

    def check(self, base: Parameters) -> None:
        """Refuse what cannot be applied to ``base``.

        Raises:
            ConfigurationError: the message says what is allowed.
        """
        self._check_rule()
        self._check_scope()
        if not _is_date(self.effective):
            raise ConfigurationError(f"{self.name}: effective is {self.effective!r}; write a date as YYYY-MM-DD")
        if not self.rationale.strip():
            raise ConfigurationError(f"{self.name}: rationale is empty; say why, for whoever asks later")
        self._check_fields(getattr(base.in_form(self.form), self.rule))

    def applied(self, parameters: Parameters) -> Parameters:
        """Return ``parameters`` with this override's values."""
        rules = parameters.in_form(self.form)
        given = {self.rule: changed(getattr(rules, self.rule), self.set, self.name)}
        if self.form == "robust":
            return replace(parameters, robust=replace(rules, **given))
        return replace(parameters, **given)

    def _check_rule(self) -> None:
        if self.rule not in RULES:
            raise ConfigurationError(f"{self.name}: there is no such rule; there are {', '.join(RULES)}")
        has_forms = self.rule in RobustRules.__struct_fields__
        if has_forms and self.form is None:
            raise ConfigurationError(f"{self.name}: form is missing; write literal or robust")
        if not has_forms and self.form == "robust":
            raise ConfigurationError(f"{self.name}: the rule has no robust form; leave form out")

    def _check_scope(self) -> None:
        if self.scope not in SCOPES:
            raise ConfigurationError(f"{self.name}: there is no such scope; there are {', '.join(SCOPES)}")
        if self.scope == "global" and self.whom:
            raise ConfigurationError(f"{self.name}: of is {self.whom!r}; leave it out, global is for all symbols")
        if self.scope != "global" and not self.whom:
            raise ConfigurationError(f"{self.name}: of is missing; say which {self.scope}")
        if self.scope == "liquidity" and self.whom not in LIQUIDITY:
            raise ConfigurationError(f"{self.name}: of is {self.whom!r}; the buckets are {', '.join(LIQUIDITY)}")

    def _check_fields(self, rule: Struct) -> None:
        fixed = structural_fields(type(rule))
        free = [field for field in rule.__struct_fields__ if field not in fixed]
        if not self.set:
            raise ConfigurationError(f"{self.name}: set is empty; name a field and its value, of {', '.join(free)}")
        for field in self.set:
            if field in fixed:
                raise ConfigurationError(
                    f"{self.name}: {field} shapes the measurement and belongs to the rule's version, so it cannot be "
                    f"overridden; change it for everybody in base, or override one of {', '.join(free)}"
                )
        known(self.set, free, f"{self.name}, set")
        changed(rule, self.set, self.name)


def parse(entry: Any, where: str) -> Override:
    """Make an override of what YAML made of one entry; ``where`` names it in errors.

    Raises:
        ConfigurationError: a field is unknown, missing or of another type.
    """
    known(entry, Override.__struct_encode_fields__, where)
    # YAML reads an unquoted date as one.
    dated = {"effective": entry["effective"].isoformat()} if isinstance(entry.get("effective"), date) else {}
    try:
        return msgspec.convert(entry | dated, Override)
    except msgspec.ValidationError as error:
        hint = "; YAML reads ON, NO and TRUE as yes or no, so quote the ticker" if type(entry.get("of")) is bool else ""
        raise ConfigurationError(f"{where}: {error}{hint}") from None


def known(given: Any, allowed: Iterable[str], where: str) -> None:
    """Raise ConfigurationError unless ``given`` is a mapping with no other keys than those allowed."""
    if not isinstance(given, dict):
        raise ConfigurationError(f"{where} is a {type(given).__name__}; write key: value lines")
    for name in given:
        if name not in allowed:
            raise ConfigurationError(f"{where}: there is no {name!r}; allowed are {', '.join(allowed)}")


def changed(current: S, given: Mapping[str, Any], where: str) -> S:
    """Return ``current`` with other values, nested ones as well, checked against the types of its fields.

    Raises:
        ConfigurationError: an unknown field, another type, or a number that is negative or not finite.
    """
    known(given, current.__struct_encode_fields__, where)
    names = zip(current.__struct_encode_fields__, current.__struct_fields__, strict=True)
    merged = {written: getattr(current, name) for written, name in names}
    for name, value in given.items():
        if isinstance(merged[name], Struct):
            merged[name] = changed(merged[name], value, f"{where}, {name}")
        elif isinstance(merged[name], dict) and isinstance(value, dict):
            known(value, merged[name], f"{where}, {name}")
            merged[name] = merged[name] | value
        else:
            merged[name] = value
        least = 2 if name == "window" else 0
        for number in value.values() if isinstance(value, dict) else (value,):
            if isinstance(number, (int, float)) and not (isfinite(number) and number >= least):
                raise ConfigurationError(f"{where}: {name} is {number}; it must be a finite number of {least} or more")
    try:
        return msgspec.convert(merged, type(current))
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
