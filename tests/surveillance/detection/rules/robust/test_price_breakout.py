"""The robust rule of breakouts, held against profiles made by hand."""

from __future__ import annotations

import pytest

from include.surveillance.records import Bar
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.detection.market import DAY, OPEN, alerts, at, bar, calm, fired, profile, run

NEXT = OPEN + DAY


def firing(bars, rule, start: int = OPEN, **over) -> list[float]:
    """Minutes of the session at which a rule fires under the profile."""
    return [(ts - start) / MINUTE_MS for _, _, ts in fired(bars, rule, profiles=[profile(**over)])]


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
            "NVDA closed at 98.00 in the minute from 09:50 New York (14:50 UTC), more than 1 times the average range "
            "below the lowest low of the 20 previous bars (99.50; the limit is 98.50), on at least 1.5 times its usual "
            "volume."
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
