"""The rules of bars in their robust form, held against profiles made by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from include.surveillance.records import Bar
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.detection.market import DAY, OPEN, SLOTS, alerts, at, bar, calm, fired, profile, run

NEXT = OPEN + DAY


def firing(bars, rule, start: int = OPEN, **over) -> list[float]:
    """Minutes of the session at which a rule fires under the profile."""
    return [(ts - start) / MINUTE_MS for _, _, ts in fired(bars, rule, profiles=[profile(**over)])]


class TestAbnormalVolume:
    def test_what_an_alert_says(self):
        (alert,) = run([*calm(20), bar(20, volume=46_000)], profiles=[profile()]).alerts
        assert (alert.rule, alert.form, alert.rule_version) == ("abnormal_volume", "robust", 1)
        assert alert.profile_version == profile().version
        assert alert.value == 50_000
        assert alert.baseline < 5_000, "so far the day was quieter than usual"
        assert len(alert.event_ids) == 6
        assert alert.explanation.startswith(
            "NVDA traded 50,000 shares in the five minutes to 14:51 UTC, 10.0 times the usual at this time of day; "
        )

    def test_a_burst_to_one_symbol_is_another_ones_every_day(self):
        bars = [*calm(20), bar(20, volume=46_000)]
        assert firing(bars, "abnormal_volume")
        assert not firing(bars, "abnormal_volume", volume_level=[log(50_001)] * SLOTS)
        assert not firing(bars, "abnormal_volume", volume_scale=[0.8] * SLOTS)

    def test_little_money_is_not_reported(self):
        cheap = {"close": 0.2, "high": 0.2, "low": 0.2}
        assert not firing([*calm(20, **cheap), bar(20, volume=45_000, **cheap)], "abnormal_volume")
        assert firing([*calm(20, **cheap), bar(20, volume=47_000, **cheap)], "abnormal_volume")


class TestVolatilitySpike:
    """After one jump of j the deviation of 20 returns is j / sqrt(20), until the jump leaves the window."""

    @staticmethod
    def path(count: int, *jumps: tuple[int, float], start: int = OPEN, first: int = 0) -> list[Bar]:
        """Prices that stand still but for jumps at some minutes, by so much in logs."""
        prices = 100 * np.exp(np.cumsum([dict(jumps).get(minute, 0.0) for minute in range(first, first + count)]))
        level = {"high": 130.0, "low": 70.0, "start": start}
        return [bar(first + i, close=float(price), **level) for i, price in enumerate(prices)]

    def test_a_spell_starts_at_the_third_bar_and_ends_below_the_clearing_level(self):
        # 0.01 / sqrt(20) = 0.0022 > 0.0020
        bars = self.path(70, (30, 0.01))
        assert firing(bars, "volatility_spike") == list(range(32, 50))
        found = alerts(run(bars, profiles=[profile()]), "volatility_spike")
        assert {it.episode_start_ms for it in found} == {at(32)}
        assert found[0].value == pytest.approx(0.01 / 20**0.5)
        assert found[0].threshold == 0.002

    def test_what_an_alert_says(self):
        (alert, *_) = alerts(run(self.path(70, (30, 0.01)), profiles=[profile()]), "volatility_spike")
        assert alert.explanation == (
            "NVDA moved by 0.224 % per bar (standard deviation of the last 20 returns, each relative to its time of "
            "day) up to the minute from 15:02 UTC; it started when 3 bars in a row were above 0.200 %, which almost "
            "none of its usual bars are."
        )

    def test_between_the_levels_it_goes_on_and_does_not_start(self):
        # 0.006 / sqrt(20) = 0.0013, between 0.0010 and 0.0020
        assert firing(self.path(80, (30, 0.01), (45, 0.006)), "volatility_spike") == list(range(32, 65))
        assert not firing(self.path(80, (45, 0.006)), "volatility_spike")

    def test_below_the_clearing_level_it_ends(self):
        # 0.004 / sqrt(20) = 0.0009
        assert firing(self.path(80, (30, 0.01), (45, 0.004)), "volatility_spike") == list(range(32, 50))

    def test_while_it_lasts_it_scores_at_least_the_limit(self):
        found = alerts(run(self.path(80, (30, 0.01), (45, 0.006)), profiles=[profile()]), "volatility_spike")
        assert min(it.score for it in found) == 50.0

    def test_two_bars_above_are_not_enough(self):
        assert not firing(self.path(390, (388, 0.01)), "volatility_spike")
        assert firing(self.path(390, (387, 0.01)), "volatility_spike") == [389]

    def test_it_ends_with_its_session(self):
        bars = [*self.path(390, (380, 0.01)), *self.path(40, (10, 0.006), start=NEXT)]
        assert firing(bars, "volatility_spike") == list(range(382, 390))

    def test_it_needs_twenty_returns_of_the_session(self):
        opening = self.path(40, (3, 0.01))
        assert firing(opening, "volatility_spike") == [22]
        (metric,) = [it for it in run(opening, profiles=[profile()]).metrics if it.ts_ms == at(20)]
        assert metric.volatility_ratio == pytest.approx(0.01 / 20**0.5 / 0.002)
        assert all(it.volatility_ratio is None for it in run(opening, profiles=[profile()]).metrics[:20])

    def test_a_night_is_no_move(self):
        high = [bar(minute, close=110.0, high=130.0, low=70.0, start=NEXT) for minute in range(40)]
        assert not firing([*self.path(390), *high], "volatility_spike")

    def test_a_move_that_is_usual_at_its_time_of_day_is_none(self):
        assert not firing(self.path(70, (30, 0.01)), "volatility_spike", return_factor=[2.0] * SLOTS)

    def test_a_profile_without_a_limit_falls_back_to_the_literal_form(self):
        bars = self.path(160, (150, 0.01))
        unknown = {"volatility_fire": 0.0, "volatility_clear": 0.0}
        assert firing(bars, "volatility_spike", **unknown) == list(range(150, 158)), (
            "until it is the 95th percentile itself"
        )
        found = alerts(run(bars, profiles=[profile(**unknown)]), "volatility_spike")
        assert {(it.form, it.profile_version) for it in found} == {("literal", None)}
        assert firing(bars, "volatility_spike") == list(range(152, 160))


class TestPriceBreakout:
    """Highs at 100.50 and an average true range of 1.00: beyond 101.50, on half as much volume again."""

    @staticmethod
    def lively(minute: int, close: float, **over) -> Bar:
        return bar(minute, **{"close": close, "volume": 5000} | over)

    def test_beyond_the_buffer(self):
        for close, expected in ((101.49, []), (101.51, [20]), (98.51, []), (98.49, [20])):
            assert firing([*calm(), self.lively(20, close)], "price_breakout") == expected

    def test_what_an_alert_says(self):
        (alert,) = alerts(run([*calm(), self.lively(20, 98.0)], profiles=[profile()]), "price_breakout")
        assert (alert.form, alert.direction) == ("robust", "down")
        assert (alert.value, alert.threshold, alert.baseline) == (98.0, 98.5, 99.5)
        assert alert.score == 64.6, "one and a half times the buffer"
        assert alert.explanation == (
            "NVDA closed at 98.00 in the minute from 14:50 UTC, 1.5 average ranges below the lowest low of the 20 "
            "previous bars (99.50), on 1.8 times its usual volume."
        )

    def test_needs_volume(self):
        # Four bars of 1,000 and this one, of 5,000 usual: 1.5 times from 3,500 on, and a share for the logarithm's 1.
        assert not firing([*calm(), self.lively(20, 102, volume=3500)], "price_breakout")
        assert firing([*calm(), self.lively(20, 102, volume=3502)], "price_breakout")

    def test_it_is_an_event(self):
        higher = [self.lively(minute, 102.0 + 2 * (minute - 20)) for minute in range(20, 26)]
        assert firing([*calm(), *higher], "price_breakout") == [20]
        assert len(fired([*calm(), *higher], "price_breakout")) == 6, "literally each of them"

    @pytest.mark.parametrize(("pullback", "again"), [(100.01, []), (100.0, [22])])
    def test_it_is_armed_again_half_a_range_below_what_was_broken(self, pullback, again):
        bars = [*calm(), self.lively(20, 102), self.lively(21, pullback), self.lively(22, 105)]
        assert firing(bars, "price_breakout") == [20, *again]

    def test_the_other_direction_is_armed(self):
        bars = [*calm(), self.lively(20, 102), self.lively(21, 95)]
        assert [way for _, way, _ in fired(bars, "price_breakout", profiles=[profile()])] == ["up", "down"]

    def test_it_is_armed_again_by_the_next_session(self):
        second = [bar(0, start=NEXT, close=105), self.lively(1, 110, start=NEXT, volume=9000)]
        bars = [*calm(), self.lively(20, 102), self.lively(21, 105), *second]
        assert [ts for _, _, ts in fired(bars, "price_breakout", profiles=[profile()])] == [at(20), at(1, NEXT)]

    @pytest.mark.parametrize("cut", [20, 21])
    def test_a_days_first_bar_gaps_and_does_not_break_out(self, cut):
        bars = [*calm(), self.lively(0, 103, start=NEXT, volume=9000), self.lively(1, 106, start=NEXT)]
        before = run(bars[:cut], profiles=[profile()])
        after = run(bars[cut:], before.state, profiles=[profile()])
        found = [(it.rule, it.ts_ms) for it in (*before.alerts, *after.alerts)]
        assert found == [("price_gap", NEXT), ("price_breakout", at(1, NEXT))]

    def test_a_quiet_breakout_does_not_use_the_event_up(self):
        bars = [*calm(), self.lively(20, 102, volume=1000), self.lively(21, 104)]
        assert firing(bars, "price_breakout") == [21]

    def test_outside_the_session_it_is_silent(self):
        bars = [*calm(20, -60), self.lively(-40, 110, volume=10**6)]
        assert not fired(bars, profiles=[profile()])
        assert fired(bars)

    def test_prices_that_stood_still_have_a_range_of_one_in_ten_thousand(self):
        still = calm(high=100.0, low=100.0)
        for close, expected in ((100.009, []), (100.011, [20])):
            last = self.lively(20, close, high=close, low=100.0)
            assert firing([*still, last], "price_breakout") == expected
