"""Who gets which parameters from when; every change is seen in the version; an unusable file says why."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance import wire
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.overrides import SCOPES, Override
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.literal.abnormal_volume import LiteralAbnormalVolume
from include.surveillance.detection.rules.literal.volatility_spike import LiteralVolatilitySpike
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import ParametersVersion

DATES = ("2026-01-05", "2026-02-02", "2026-03-02")
WHO = {"symbol": "ACME", "asset_class": "CS", "liquidity": "thin"}
ENTRY = """
overrides:
  - rule: abnormal_volume
    form: literal
    scope: symbol
    of: ACME
    effective: 2026-01-05
    set: {multiple: 4}
    rationale: because
"""


def override(multiple=4.0, scope="global", effective=DATES[0], whom=None, **changes):
    about = {"rule": "abnormal_volume", "form": "literal", "rationale": "because", "set": {"multiple": multiple}}
    whom = WHO.get(scope, "") if whom is None else whom
    return Override(scope=scope, effective=effective, whom=whom, **about | changes)


def multiple(book, date, **who):
    return book.resolve_for(date, **{"symbol": "", "asset_class": "", "liquidity": ""} | who).abnormal_volume.multiple


@st.composite
def overrides(draw):
    """Any overrides of one field that do not contradict; each has a value of its own."""
    places = draw(st.lists(st.tuples(st.sampled_from(SCOPES), st.booleans(), st.sampled_from(DATES)), unique=True))
    others = {"symbol": "OTHER", "asset_class": "ETF", "liquidity": "mid"}
    return [
        override(10.0 + number, scope, date, whom=None if ours else others.get(scope))
        for number, (scope, ours, date) in enumerate(places)
        if ours or scope != "global"
    ]


@given(overrides(), st.sampled_from(["2026-01-04", *DATES, "2026-02-03"]), st.randoms(use_true_random=False))
def test_narrowest_scope_then_latest_date_holds_in_any_order(given_overrides, date, rng):
    ours = [one for one in given_overrides if one.effective <= date and one.whom in ("", *WHO.values())]
    expected = max(ours, key=lambda one: (SCOPES.index(one.scope), one.effective), default=None)
    shuffled = rng.sample(given_overrides, len(given_overrides))
    for book in (ParameterBook(overrides=given_overrides), ParameterBook(overrides=shuffled)):
        assert multiple(book, date, **WHO) == (expected.set["multiple"] if expected else 3.0)


@given(overrides(), st.randoms(use_true_random=False))
def test_between_the_dates_of_two_regimes_nothing_changes(given_overrides, rng):
    book = ParameterBook(overrides=given_overrides)
    shuffled = ParameterBook(overrides=rng.sample(given_overrides, len(given_overrides)))
    assert book.regimes == ("", *sorted({one.effective for one in given_overrides}))
    for date in ("2020-01-01", *DATES, "2026-01-20", "2026-12-31"):
        since = max(regime for regime in book.regimes if regime <= date)
        assert book.resolve_for(date, **WHO) == book.resolve_for(since, **WHO)
        assert book.version(date) == book.version(since) == shuffled.version(date)


@given(overrides())
def test_version_changes_with_whatever_changes_for_anyone(given_overrides):
    book = ParameterBook(overrides=given_overrides)
    versions = [book.version(regime) for regime in book.regimes]
    assert len(set(versions)) == len(versions)
    assert versions[0] == Parameters().version == book.version("2026-01-04")
    assert all(len(version) == 8 for version in versions)


def test_version_is_over_values_and_not_over_reasons():
    version = ParameterBook(overrides=[override()]).version(DATES[0])
    same = override(rationale="said better", author="somebody")
    assert ParameterBook(overrides=[same]).version(DATES[0]) == version
    assert ParameterBook(overrides=[override(4.5)]).version(DATES[0]) != version
    assert ParameterBook(overrides=[override(scope="symbol")]).version(DATES[0]) != version
    assert ParameterBook(Parameters(cooldown_bars=14), [override()]).version(DATES[0]) != version


def test_both_forms_of_a_rule_have_parameters_of_their_own():
    (field,) = Parameters().robust.abnormal_volume.__struct_fields__[:1]
    robust = override(form="robust", set={field: 9.5})
    resolved = ParameterBook(overrides=[robust]).resolve(DATES[0])
    assert getattr(resolved.robust.abnormal_volume, field) == 9.5
    assert resolved.abnormal_volume == LiteralAbnormalVolume()
    assert resolved.robust.price_gap == Parameters().robust.price_gap


def test_fields_of_wider_scopes_stay_where_a_narrower_sets_others():
    minutes = {"rule": "feed_freshness", "form": None}
    wide = override(set={"allowed_minutes": {"minute": 40, "hour": 300}}, **minutes)
    narrow = override(scope="symbol", set={"allowed_minutes": {"minute": 90}}, **minutes)
    allowed = ParameterBook(overrides=[narrow, wide]).resolve_for(DATES[0], **WHO).feed_freshness.allowed_minutes
    assert (allowed["minute"], allowed["hour"], allowed["day"]) == (90, 300, 780)


def test_a_book_wraps_parameters_and_can_change_its_base():
    parameters = Parameters(volatility_spike=LiteralVolatilitySpike(minimum_history=5), session_reset=True)
    book = ParameterBook(parameters)
    assert book.resolve("2026-01-05") == parameters
    assert book.version("2026-01-05") == parameters.version
    changed = ParameterBook(parameters, [override()]).replaced(session_reset=False, alerting_form="literal")
    resolved = changed.resolve(DATES[0])
    assert (resolved.session_reset, resolved.alerting_form, resolved.abnormal_volume.multiple) == (
        False,
        "literal",
        4.0,
    )
    assert resolved.volatility_spike.minimum_history == 5


def test_file_says_the_same_as_code(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text("base: {cooldown_bars: 30, abnormal_volume: {window: 30}}" + ENTRY)
    base = Parameters(cooldown_bars=30, abnormal_volume=LiteralAbnormalVolume(window=30))
    book, same = ParameterBook.load(path), ParameterBook(base, [override(4, scope="symbol")])
    assert book.resolve_for(DATES[0], **WHO) == same.resolve_for(DATES[0], **WHO)
    assert book.version(DATES[0]) == same.version(DATES[0])


def test_an_empty_file_is_the_defaults(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text("# nothing\n")
    assert ParameterBook.load(path).resolve("2026-01-05") == Parameters()


def test_what_is_shipped_differs_from_the_defaults_only_by_its_overrides():
    book = ParameterBook.default()
    assert book.base == Parameters()
    assert book.resolve("2026-01-05") == Parameters()
    assert book.overrides
    thin, mid = (book.resolve_for("2026-01-05", "X", "CS", bucket) for bucket in ("thin", "mid"))
    assert thin.robust.abnormal_volume.z > mid.robust.abnormal_volume.z
    assert mid == Parameters()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("abnormal_volume", "volume"),
            r"of literal volume .*no such rule.*abnormal_volume, volatility_spike",
        ),
        (("multiple: 4", "multiplier: 4"), r"abnormal_volume.*no 'multiplier'; allowed are multiple"),
        (("multiple: 4", "window: 30"), "window shapes the measurement and belongs to the rule's version"),
        (("multiple: 4", "multiple: four"), r"Expected `float`, got `str` - at `\$.multiple`"),
        (("multiple: 4", "multiple: -1"), "multiple is -1; it must be a finite number of 0 or more"),
        (("multiple: 4", "multiple: .nan"), "multiple is nan"),
        (("set: {multiple: 4}", "set: {}"), "set is empty; name a field and its value, of multiple"),
        (("    set: {multiple: 4}\n", ""), "entry 1.*missing required field `set`"),
        (("    rationale: because\n", ""), "missing required field `rationale`"),
        (("because", '"  "'), "rationale is empty"),
        (("    form: literal\n", ""), "form is missing; write literal or robust"),
        (("form: literal", "form: fuzzy"), "Invalid enum value 'fuzzy'"),
        (("scope: symbol", "scope: sector"), "Invalid enum value 'sector'"),
        (("scope: symbol", "scope: global"), "of is 'ACME'; leave it out"),
        (("    of: ACME\n", ""), "of is missing; say which symbol"),
        (("of: ACME", "of: ON"), "quote the ticker"),
        (("scope: symbol\n    of: ACME", "scope: liquidity\n    of: huge"), "the buckets are liquid, mid, thin"),
        (("2026-01-05", "5 January"), "effective is '5 January'; write a date as YYYY-MM-DD"),
        (("2026-01-05", "2026-01-05T10:00:00"), "write a date as YYYY-MM-DD"),
        (("    rationale", "    reason: x\n    rationale"), "entry 1: there is no 'reason'; allowed are rule, form"),
        (("overrides:", "override:"), "the file: there is no 'override'; allowed are base, overrides"),
        (("overrides:", "base: {cooldown: 3}\noverrides:"), "base: there is no 'cooldown'; allowed are"),
        (("overrides:", "base: {abnormal_volume: {window: 1}}\noverrides:"), "window is 1; it must be"),
        (("overrides:", "base: {rules: both}\noverrides:"), "base: Invalid enum value 'both'"),
        (("overrides:", "base: 3\noverrides:"), "base is a int"),
        ((ENTRY, "overrides: 3"), "overrides is no list"),
        ((ENTRY, "overrides: [3]"), "entry 1 is a int"),
        ((ENTRY, "- 1"), "the file is a list"),
        ((ENTRY, "overrides: ["), "cannot be read"),
        (("abnormal_volume\n    form: literal", "data_quality\n    form: robust"), "has no robust form"),
    ],
)
def test_unusable_file_says_where_and_what_is_allowed(tmp_path, change, message):
    path = tmp_path / "parameters.yaml"
    path.write_text(ENTRY.replace(*change))
    with pytest.raises(ConfigurationError, match=message) as caught:
        ParameterBook.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "form", "field"),
    [
        ("volatility_spike", "literal", "percentile"),
        ("volatility_spike", "literal", "minimum_history"),
        ("volatility_spike", "robust", "persistence"),
        ("price_breakout", "robust", "rearm"),
        ("price_breakout", "robust", "window"),
    ],
)
def test_what_shapes_a_measurement_is_not_overridden(rule, form, field):
    with pytest.raises(ConfigurationError, match=f"{field} shapes the measurement"):
        ParameterBook(overrides=[override(rule=rule, form=form, set={field: 7})])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read"):
        ParameterBook.load(tmp_path / "none.yaml")


def test_two_entries_that_contradict_are_refused():
    with pytest.raises(ConfigurationError, match=r"symbol ACME, effective 2026-01-05.* sets multiple twice"):
        ParameterBook(overrides=[override(4.0, "symbol"), override(5.0, "symbol")])


def test_resolving_many_symbols_shares_what_is_equal():
    book = ParameterBook(overrides=[override(scope="liquidity"), override(5.0, "symbol", whom="S7")])
    symbols = [f"S{number}" for number in range(100)]
    random.Random(1).shuffle(symbols)
    resolved = {symbol: book.resolve_for(DATES[0], symbol, "CS", "thin") for symbol in symbols}
    assert len({id(parameters) for parameters in resolved.values()}) == 2
    assert resolved["S7"].abnormal_volume.multiple == 5.0


@given(overrides())
def test_a_version_that_was_described_is_the_same_book_again(given_overrides):
    book = ParameterBook(Parameters(cooldown_bars=7), given_overrides)
    described = [wire.decode(wire.encode(it)) for it in book.describe()]
    assert [it.version for it in described] == [book.version(date) for date in book.regimes]
    for said, date in zip(described, book.regimes, strict=True):
        again = ParameterBook.of_version(said)
        assert again.version(date) == said.version
        assert again.base == book.base
        assert [it.rationale for it in again.overrides] == ["because" for it in said.overrides]
        for who in ({}, WHO):
            assert multiple(again, date, **who) == multiple(book, date, **who)


def test_what_is_shipped_can_be_described():
    book = ParameterBook.default()
    *_, newest = book.describe()
    assert ParameterBook.of_version(newest).overrides == book.overrides


def test_a_version_that_the_rules_do_not_know_any_more_is_told():
    (said,) = ParameterBook().describe()
    with pytest.raises(ConfigurationError, match=f"parameters {said.version} read back are"):
        ParameterBook.of_version(msgspec.structs.replace(said, base='{"cooldown_bars":3}'))
    with pytest.raises(ConfigurationError, match="use the code that knew them"):
        ParameterBook.of_version(ParametersVersion(version="x", effective="", base='{"cooldown_bars":"three"}'))
