"""The registry is consistent, and whatever else lists rules lists the same ones."""

from __future__ import annotations

import re

import pytest
import yaml

from include.polygon_simulator import anomalies
from include.surveillance.alerts import log_breaks, market_events
from include.surveillance.alerts.kinds import OPERATIONS, kind_of
from include.surveillance.detection.metric_records import OF_BARS
from include.surveillance.detection.rules.bar_rule import FORMS, structural_fields
from include.surveillance.detection.rules.record_rule import FeedRule
from include.surveillance.detection.rules.registry import (
    BAR_RULES,
    MEASURES,
    MEMORY,
    RULES,
    LiteralRules,
    RobustRules,
    rules_at,
)
from include.surveillance.records import Metric
from include.surveillance.timespans import SPAN_MS
from tests.paths import ROOT
from tests.surveillance.detection.market import bar, fired

EVERY = [(form, name, rule) for form in FORMS for name, rule in BAR_RULES[form].items()]
every_bar_rule = pytest.mark.parametrize(("form", "name", "rule"), EVERY, ids=[f"{f} {n}" for f, n, _ in EVERY])


def vars_of(rules: LiteralRules) -> dict[str, object]:
    return {name: getattr(rules, name) for name in rules.__struct_fields__}


def test_a_field_is_named_as_its_rule():
    for rules in (LiteralRules(), RobustRules()):
        for name in rules.__struct_fields__:
            assert getattr(rules, name).name == name


@every_bar_rule
def test_a_rule_of_bars_says_what_the_registry_needs(form, name, rule):
    assert rule.form == form
    assert rule.version >= 1
    assert rule.threshold in set(rule.__struct_fields__) - structural_fields(type(rule))
    assert rule.context >= getattr(rule, "window", 0)
    assert rule.directions == BAR_RULES["literal"][name].directions, "a kind is the same in both forms"
    assert rule.timespans == BAR_RULES["literal"][name].timespans, "who can fire where is said once"
    assert rule.timespans
    assert set(rule.timespans) <= set(SPAN_MS)


def test_a_robust_form_has_a_literal_one_of_its_name():
    assert set(RobustRules.__struct_fields__) <= set(RULES)
    assert set(BAR_RULES["robust"]) <= set(BAR_RULES["literal"])


def test_both_forms_of_a_rule_raise_alerts_of_one_id():
    for name in RobustRules.__struct_fields__:
        assert getattr(RobustRules(), name).version == getattr(LiteralRules(), name).version


def test_who_can_fire_at_which_bars():
    assert rules_at(*SPAN_MS) == rules_at("day") == RULES
    assert set(RULES) - set(rules_at("minute", "hour")) == {"pump_and_dump"}


@pytest.mark.parametrize("timespan", SPAN_MS)
def test_no_rule_fires_at_bars_of_other_timespans(timespan):
    """Bars that go on quietly, rise on volume and fall back."""
    moves = [(1.0, 1000)] * 20 + [(1.4, 5000), (1.6, 5000), (1.1, 3000)]
    bars = [
        bar(number, open=price, high=price, low=price, close=price, volume=volume, timespan=timespan)
        for number, (price, volume) in enumerate(moves)
    ]
    found = {rule for rule, _, _ in fired(bars)}
    assert "abnormal_volume" in found
    assert found <= set(rules_at(timespan))
    assert ("pump_and_dump" in found) == (timespan == "day")


def test_no_two_rules_write_the_same_memory_or_measure():
    rules = [rule for _, _, rule in EVERY]
    assert len(MEMORY) == sum(len(rule.memory) for rule in rules)
    assert len(MEASURES) == len(set(MEASURES)) == sum(len(rule.reported) for rule in rules)


def test_a_metric_has_a_field_for_every_measure_that_is_reported():
    numbers = {name for name, kind in Metric.__annotations__.items() if kind == "float | None"}
    assert set(MEASURES) == numbers - set(OF_BARS)


class TestWhoeverListsRules:
    def test_the_desk(self):
        words = (ROOT / "include/orchestration/page/web/words.js").read_text()
        listed = re.findall(r'"(\w+)"', words.partition("RULES")[2].partition("TIMESPANS")[0])
        assert set(listed) == {*RULES, market_events.RULE, log_breaks.RULE}

    def test_the_accepted_values_of_dbt(self):
        models = yaml.safe_load((ROOT / "dbt_project/models/marts/_marts.yml").read_text())["models"]
        (columns,) = [one["columns"] for one in models if one["name"] == "fact_alert_events"]
        (tests,) = [column["data_tests"] for column in columns if column["name"] == "rule"]
        (values,) = [one["accepted_values"] for one in tests if "accepted_values" in one]
        assert tuple(values.get("arguments", values)["values"]) == (*RULES, market_events.RULE, log_breaks.RULE)

    def test_the_report_of_risk(self):
        sql = (ROOT / "dbt_project/models/reporting/rpt_symbol_risk_day.sql").read_text()
        assert re.findall(r"'(\w+)'", sql.partition("]")[0]) == [name for name in RULES if kind_of(name) == "market"]

    def test_the_coverage_of_minutes(self):
        sql = (ROOT / "dbt_project/models/reporting/rpt_coverage.sql").read_text()
        listed = set(re.findall(r"\('(\w+)', '(\w+)', '\w+'\)", sql.partition("]")[0]))
        assert listed == {(name, form) for form, name, rule in EVERY if "minute" in rule.timespans}

    def test_the_kinds_of_alerts(self):
        of_feed = {name for name, rule in vars_of(LiteralRules()).items() if isinstance(rule, FeedRule)}
        assert of_feed | {log_breaks.RULE} == OPERATIONS
        assert {kind_of(rule) for rule in (*set(RULES) - of_feed, market_events.RULE)} == {"market"}

    def test_the_kinds_in_the_warehouse(self):
        macro = (ROOT / "dbt_project/macros/alert_kind.sql").read_text()
        assert set(re.search(r" in \(([^)]*)\)", macro)[1].replace("'", "").split(", ")) == OPERATIONS

    def test_the_kinds_of_alerts_that_were_stored_before(self):
        folder = ROOT / "include/orchestration/application/sql/migrations"
        (file,) = folder.glob("*_operations.sql")
        assert set(re.search(r" in \(([^)]*)\)", file.read_text())[1].replace("'", "").split(", ")) == OPERATIONS

    def test_the_simulator(self):
        assert set(anomalies.MOVES) <= set(RULES)
        assert set(anomalies.LENGTH) == set(anomalies.MOVES)

    def test_the_comment_of_the_parameters_file(self):
        text = (ROOT / "include/surveillance/parameters.yaml").read_text().replace(f",\n#{' ' * 15}", ", ")
        assert f"#   rule        {', '.join(RULES)}\n" in text

    def test_the_pages_of_the_rules(self):
        assert {page.stem for page in (ROOT / "docs/rules").glob("*.md")} - {"index"} == set(RULES)
