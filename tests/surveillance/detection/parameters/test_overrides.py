"""One exception to the parameters: what it may set, for whom, and what is refused with which words."""

from __future__ import annotations

import pytest

from include.surveillance.detection.parameters.overrides import Override, changed, parse
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.bar_rule import FORMS, structural_fields
from include.surveillance.detection.rules.registry import RULES, LiteralRules, RobustRules
from include.surveillance.errors import ConfigurationError

STRUCTURAL = [
    (form, name, field)
    for form, rules in zip(FORMS, (LiteralRules(), RobustRules()), strict=True)
    for name in rules.__struct_fields__
    for field in sorted(structural_fields(type(getattr(rules, name))))
]


def override(**changes) -> Override:
    given = {"rule": "abnormal_volume", "form": "literal", "effective": "2026-01-05", "rationale": "because"}
    return Override(**given | {"set": {"multiple": 4.0}} | changes)


@pytest.mark.parametrize(("form", "name", "field"), STRUCTURAL)
def test_a_structural_field_cannot_be_overridden(form, name, field):
    with pytest.raises(ConfigurationError, match=f"{field} shapes the measurement and belongs to the rule's version"):
        override(rule=name, form=form, set={field: 5}).check(Parameters())


def test_the_refusal_of_a_structural_field_names_what_can_be_overridden():
    with pytest.raises(ConfigurationError, match=r"or override one of buffer, minimum_rvol, minimum_z$"):
        override(rule="price_breakout", form="robust", set={"rearm": 1.0}).check(Parameters())


def test_applied_changes_the_form_that_it_names_and_nothing_else():
    base = Parameters()
    literal = override().applied(base)
    robust = override(form="robust", set={"z": 9.0}).applied(base)
    assert (literal.abnormal_volume.multiple, literal.robust) == (4.0, base.robust)
    assert (robust.robust.abnormal_volume.z, robust.abnormal_volume) == (9.0, base.abnormal_volume)
    assert base == Parameters()


def test_a_rule_of_one_form_needs_none():
    lenient = override(rule="data_quality", form=None, set={"allowed": 2})
    lenient.check(Parameters())
    assert lenient.applied(Parameters()).data_quality.allowed == 2
    assert lenient.target == ("global", "", "literal", "data_quality")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rule": "volume"}, f"there is no such rule; there are {', '.join(RULES)}"),
        ({"form": None}, "form is missing; write literal or robust"),
        ({"rule": "feed_freshness", "form": "robust"}, "the rule has no robust form; leave form out"),
        ({"scope": "global", "whom": "X"}, "leave it out, global is for all symbols"),
        ({"scope": "symbol"}, "of is missing; say which symbol"),
        ({"scope": "liquidity", "whom": "deep"}, "the buckets are liquid, mid, thin"),
        ({"effective": "2026-1-5"}, "write a date as YYYY-MM-DD"),
        ({"rationale": " "}, "rationale is empty; say why"),
        ({"set": {}}, "set is empty; name a field and its value, of multiple"),
        ({"set": {"z": 1.0}}, "there is no 'z'; allowed are multiple"),
        ({"set": {"multiple": -1.0}}, "it must be a finite number of 0 or more"),
        ({"set": {"multiple": float("nan")}}, "it must be a finite number of 0 or more"),
        ({"set": {"multiple": "much"}}, "Expected `float`, got `str`"),
    ],
)
def test_what_cannot_be_applied_says_what_can(changes, words):
    with pytest.raises(ConfigurationError) as refused:
        override(**changes).check(Parameters())
    assert words in str(refused.value)


def test_an_entry_is_read_by_the_names_of_the_file():
    entry = {"rule": "price_gap", "form": "robust", "scope": "symbol", "of": "KO", "effective": "2026-01-05",
             "set": {"limit": 2}, "rationale": "why"}  # fmt: skip
    assert parse(entry, "entry 1").whom == "KO"
    with pytest.raises(ConfigurationError, match="entry 1: there is no 'whom'; allowed are rule, form, scope, of,"):
        parse(entry | {"whom": "KO"}, "entry 1")


def test_rules_may_have_a_form_each():
    base = changed(Parameters(), {"rules": {"price_breakout": "literal"}}, "base")
    assert (base.form_of("price_breakout"), base.form_of("price_gap"), base.uses_profiles) == (
        "literal",
        "robust",
        True,
    )
    assert not Parameters(alerting_form={"default": "literal"}).uses_profiles
    assert Parameters(alerting_form={"default": "literal", "price_gap": "robust"}).uses_profiles


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            {"price_gab": "literal"},
            "no rule of bars with two forms is called 'price_gab'; allowed are default, abnormal_volume,",
        ),
        ({"data_quality": "literal"}, "no rule of bars with two forms is called 'data_quality'"),
        ({"price_gap": "loose"}, "Invalid enum value 'loose' - at `$.rules[...]`"),
        ("loose", "Invalid enum value 'loose' - at `$.rules`"),
    ],
)
def test_a_form_that_is_none_or_of_no_rule_is_refused(rules, words):
    with pytest.raises(ConfigurationError) as refused:
        changed(Parameters(), {"rules": rules}, "base")
    assert words in str(refused.value)


def test_the_alerting_form_is_called_rules_in_a_file():
    assert changed(Parameters(), {"rules": "literal"}, "base") == Parameters(alerting_form="literal")
    with pytest.raises(
        ConfigurationError, match=r"base: there is no 'alerting_form'; allowed are .*robust, budget, rules,"
    ):
        changed(Parameters(), {"alerting_form": "literal"}, "base")
