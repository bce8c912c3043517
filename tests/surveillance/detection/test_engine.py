"""Which form of a rule, which profile and which parameters hold at a bar."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.overrides import Override
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.literal.abnormal_volume import LiteralAbnormalVolume
from include.surveillance.detection.rules.registry import RobustRules
from include.surveillance.detection.rules.robust.price_breakout import RobustPriceBreakout
from include.surveillance.detection.rules.robust.price_gap import RobustPriceGap
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from tests.surveillance.detection.market import (
    DAY,
    OPEN,
    SLOTS,
    alerts,
    at,
    bar,
    calm,
    engine,
    evaluate,
    fired,
    news,
    profile,
    run,
    watermark,
)

BURST = [*calm(), bar(20, volume=46_000)]
"""Five minutes of 50,000 shares: ten times the usual, z of 5.8 where 4 are allowed."""


def override(form: str | None = "robust", rule: str = "abnormal_volume", **over) -> Override:
    given = {"effective": "2019-01-01", "set": {"z": 9.0}, "rationale": "too many"}
    return Override(rule=rule, form=form, **given | over)


class TestForm:
    def test_with_a_profile_the_robust_form_alerts_and_both_are_measured(self):
        detection = run(BURST, profiles=[profile()])
        (alert,) = detection.alerts
        assert (alert.form, alert.profile_version) == ("robust", profile().version)
        metric = detection.metrics[-1]
        assert (metric.volume_mean, metric.volume_ratio) == (1000, 46)
        assert metric.rvol == pytest.approx(50_001 / 5_001)
        assert metric.volume_z > 4
        assert metric.profile_version == profile().version

    def test_without_one_nothing_alerts_and_the_literal_measures_are_there(self):
        detection = run(BURST, alerting_form="robust")
        assert detection.alerts == []
        metric = detection.metrics[-1]
        assert (metric.volume_ratio, metric.rvol, metric.profile_version) == (46, None, None)

    def test_another_symbols_or_timespans_profile_is_not_its_own(self):
        for other in ({"symbol": "AMD"}, {"timespan": "5minute"}):
            assert run(BURST, profiles=[profile(**other)]).alerts == []

    @pytest.mark.parametrize(
        ("rules", "form"),
        [
            ({"abnormal_volume": "literal"}, "literal"),
            ({"price_gap": "literal"}, "robust"),
            ({"default": "literal", "abnormal_volume": "robust"}, "robust"),
            ({"default": "literal", "price_gap": "robust"}, "literal"),
        ],
    )
    def test_each_rule_has_its_form(self, rules, form):
        (alert,) = run(BURST, profiles=[profile()], alerting_form=rules).alerts
        (same,) = run(BURST, profiles=[profile()], alerting_form=form).alerts
        assert alert == replace(same, parameters_version=alert.parameters_version, event_id=alert.event_id)
        assert alert.form == form

    def test_literal_rules_can_be_asked_for(self):
        detection = run(BURST, profiles=[profile()], alerting_form="literal")
        (alert,) = detection.alerts
        assert (alert.form, alert.value) == ("literal", 46_000)
        assert detection.metrics[-1].rvol is not None

    def test_what_is_literally_abnormal_and_usual_for_the_symbol_is_silent(self):
        bars = [*calm(), bar(20, volume=5000)]
        assert fired(bars, "abnormal_volume")
        assert not fired(bars, profiles=[profile()])

    def test_one_pass_serves_series_with_and_without(self):
        records = [*BURST, *calm(symbol="AMD"), bar(20, volume=46_000, symbol="AMD")]
        found = run(records, profiles=[profile()]).alerts
        assert {it.symbol: it.form for it in found} == {"NVDA": "robust"}


class TestProfileInForce:
    def test_the_newest_that_was_in_force_at_the_bar(self):
        first, second = profile(last_date="2019-02-12"), profile(effective_ms=at(10))
        metrics = run(BURST, profiles=[second, first, profile(effective_ms=at(21))]).metrics
        assert [it.profile_version for it in metrics] == [first.version] * 10 + [second.version] * 11

    def test_before_the_first_there_is_none(self):
        metrics = run(BURST, profiles=[profile(effective_ms=at(20))]).metrics
        assert [it.profile_version is not None for it in metrics] == [False] * 20 + [True]

    def test_it_is_held_against_that_one(self):
        usual = float(np.log1p(50_000))
        busy = profile(effective_ms=at(20), volume_level=[usual] * SLOTS)
        assert run(BURST, profiles=[profile()]).alerts
        assert not run(BURST, profiles=[profile(), busy]).alerts

    def test_a_profile_that_comes_into_force_later_does_not_rewrite_the_past(self):
        before = run(BURST, profiles=[profile()])
        again = run([bar(21)], before.state, profiles=[profile(), profile(effective_ms=at(21), sessions=21)])
        assert [it.ts_ms for it in again.metrics] == [at(21)]
        assert [(it.status, it.ts_ms) for it in again.alerts] == [("refired", at(21))]


class TestOverrides:
    @pytest.mark.parametrize(
        ("over", "alerting"),
        [
            ({"scope": "global"}, []),
            ({"scope": "liquidity", "whom": "liquid"}, ["AMD"]),
            ({"scope": "liquidity", "whom": "mid"}, ["NVDA", "AMD"]),
            ({"scope": "asset_class", "whom": "ETF"}, ["NVDA"]),
            ({"scope": "symbol", "whom": "NVDA"}, ["AMD"]),
            ({"scope": "global", "effective": "2019-02-15"}, ["NVDA", "AMD"]),
            ({"scope": "global", "effective": "2019-02-14"}, []),
            ({"scope": "global", "form": "literal", "set": {"multiple": 99.0}}, ["NVDA", "AMD"]),
        ],
    )
    def test_they_change_who_alerts(self, over, alerting):
        profiles = [profile(), profile(symbol="AMD", liquidity="thin", asset_class="ETF")]
        records = [*BURST, *calm(symbol="AMD"), bar(20, volume=46_000, symbol="AMD")]
        found = run(records, profiles=profiles, overrides=[override(**over)]).alerts
        assert [it.symbol for it in found] == alerting

    def test_the_narrower_holds(self):
        both = [override(), override(scope="symbol", whom="NVDA", set={"z": 5.0})]
        assert run(BURST, profiles=[profile()], overrides=both).alerts

    def test_they_change_the_threshold_that_is_told(self):
        (plain,) = run(BURST, profiles=[profile()]).alerts
        (strict,) = run(BURST, profiles=[profile()], overrides=[override(set={"z": 5.0})]).alerts
        assert strict.threshold > plain.threshold
        assert strict.score < plain.score
        assert (strict.value, strict.baseline) == (plain.value, plain.baseline)

    def test_without_a_profile_nothing_is_known_of_a_symbols_liquidity(self):
        literal = override(form="literal", set={"multiple": 99.0}, scope="liquidity", whom="liquid")
        assert run(BURST, overrides=[literal]).alerts
        literal = override(form="literal", set={"multiple": 99.0}, scope="symbol", whom="NVDA")
        assert not run(BURST, overrides=[literal]).alerts

    def test_they_hold_from_their_date_on_in_one_series(self):
        gap = override(rule="price_gap", form="literal", set={"limit": 0.2}, effective="2019-02-15")
        days = [bar(0, start=OPEN - DAY, close=90.0), bar(0, close=100.0), bar(0, start=OPEN + DAY, close=110.0)]
        assert [ts for _, _, ts in fired(days, "price_gap")] == [OPEN, OPEN + DAY]
        assert [ts for _, _, ts in fired(days, "price_gap", overrides=[gap])] == [OPEN]

    def test_rules_of_single_records_are_overridden_too(self):
        patient = override(rule="feed_freshness", form=None, set={"allowed_minutes": {"minute": 60.0}})
        assert alerts(run([bar(0), watermark(40)]), "feed_freshness")
        assert not run([bar(0), watermark(40)], overrides=[patient]).alerts
        lenient = override(rule="news_impact", set={"minimum": 2.0}, scope="symbol", whom="NVDA")
        records = [news(20), *BURST]
        assert alerts(run(records, profiles=[profile()]), "news_impact")
        assert not alerts(run(records, profiles=[profile()], overrides=[lenient]), "news_impact")

    def test_the_version_on_an_alert_is_of_all_that_was_in_force_on_its_date(self):
        days = [*BURST, *calm(start=OPEN + DAY), bar(20, volume=46_000, start=OPEN + DAY)]
        later = override(scope="symbol", whom="AMD", effective="2019-02-15")
        plain = [it.parameters_version for it in run(days, profiles=[profile()]).alerts]
        found = [it.parameters_version for it in run(days, profiles=[profile()], overrides=[later]).alerts]
        assert plain == [Parameters().version] * 2
        assert found[0] == plain[0]
        assert found[1] == ParameterBook(overrides=[later]).version("2019-02-15") != plain[1]


def test_the_parameters_version_changes_with_any_value():
    assert Parameters().version == Parameters().version
    assert Parameters(cooldown_bars=14).version != Parameters().version
    tuned = Parameters().robust
    assert Parameters(robust=type(tuned)(price_gap=RobustPriceGap(limit=2.0))).version != Parameters().version


def test_columns_find_what_records_find():
    given = {"profiles": [profile()]}
    bars = [*BURST, bar(21, close=103, volume=9000)]
    found = evaluate(engine(**given), State("exact"), bars)
    metrics = run(bars, **given).metrics
    for name in ("volume_mean", "highest_high", "rvol", "volume_z", "breakout_atr", "log_return"):
        expected = [np.nan if getattr(it, name) is None else getattr(it, name) for it in metrics]
        assert np.array_equal(found.measures[name], expected, equal_nan=True), name
    assert found.bars.ts.tolist() == [it.ts_ms for it in bars]


def test_evaluation_tells_the_fresh_bars_from_those_looked_back_on():
    state, machine = State("exact"), engine()
    evaluate(machine, state, BURST)
    found = evaluate(machine, state, [bar(21), bar(22, close=200.0)])
    assert found.bars.ts.tolist() == [at(21), at(22)]
    assert {len(values) for values in found.measures.values()} == {2}
    assert found.scan.bars.ts[found.fresh_firings.index].tolist() == [at(22)]


def test_an_empty_batch_changes_nothing():
    before = run(BURST).state
    detection = run([], before)
    assert (detection.metrics, detection.alerts, sum(detection.counts.values())) == ([], [], 0)
    assert detection.state.to_bytes() == before.to_bytes()


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(abnormal_volume=LiteralAbnormalVolume(window=21)),
        Parameters(robust=RobustRules(price_breakout=RobustPriceBreakout(window=20))),
    ],
)
def test_a_window_longer_than_what_is_kept_is_refused(parameters):
    with pytest.raises(ConfigurationError, match="21 bars before the current one, and 20 are kept"):
        Engine(ParameterBook(parameters), Sessions())
