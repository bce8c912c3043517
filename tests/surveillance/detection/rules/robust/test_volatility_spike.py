"""The robust rule of volatility, held against profiles made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from include.surveillance.records import Bar
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.detection.market import DAY, OPEN, SLOTS, alerts, at, bar, fired, profile, run

NEXT = OPEN + DAY


def firing(bars, rule, start: int = OPEN, **over) -> list[float]:
    """Minutes of the session at which a rule fires under the profile."""
    return [(ts - start) / MINUTE_MS for _, _, ts in fired(bars, rule, profiles=[profile(**over)])]


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
            "day) up to the minute from 10:02 New York (15:02 UTC); it started when 3 bars in a row were "
            "above 0.20 %."
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

    def test_a_profile_without_a_limit_judges_nothing(self):
        bars = self.path(160, (150, 0.01))
        unknown = {"volatility_fire": 0.0, "volatility_clear": 0.0}
        assert fired(bars, "volatility_spike"), "literally it would be one"
        assert firing(bars, "volatility_spike", **unknown) == []
        assert firing(bars, "volatility_spike") == list(range(152, 160))
