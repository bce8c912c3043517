"""The robust gap, and nights over which shares change."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from include.surveillance.records import Bar, Dividend, Split
from tests.surveillance.detection.market import DAY, OPEN, SLOTS, alerts, at, bar, calm, minutes, profile, run

NEXT = OPEN + DAY


class TestPriceGap:
    """Held against a usual day of 2 %."""

    @staticmethod
    def overnight(opening: float, minute: int = 0, **over) -> list[Bar]:
        return [bar(389), bar(minute, open=opening, start=NEXT, **over)]

    def alert(self, *bars: Bar, usual: dict | None = None, **given):
        """The alert of a gap, None if there is none."""
        found = alerts(run(bars, profiles=[profile(**usual or {})], **given), "price_gap")
        assert len(found) <= 1
        return found[0] if found else None

    @pytest.mark.parametrize(
        ("opening", "direction"), [(102.03, "up"), (102.01, None), (98.01, "down"), (98.03, None), (100.0, None)]
    )
    def test_more_than_a_usual_day(self, opening, direction):
        alert = self.alert(*self.overnight(opening))
        assert (alert and alert.direction) == direction

    def test_what_an_alert_says(self):
        alert = self.alert(*self.overnight(97.0))
        assert alert.form == "robust"
        assert (alert.value, alert.threshold, alert.baseline) == (pytest.approx(-log(0.97) / 0.02), 1.0, 100.0)
        assert (alert.window_start_ms, alert.window_end_ms) == (at(389), at(1, NEXT))
        assert alert.explanation == (
            "NVDA opened at 97.00 on 2019-02-15, 3.00 % below the last regular close before it (100.00 on 2019-02-14, "
            "after splits and dividends): 1.523 of its usual daily ranges; the limit is 1."
        )

    def test_a_small_gap_is_none_however_calm_the_symbol(self):
        calm_symbol = {"range_percent": 0.001}
        assert self.alert(*self.overnight(100.49), usual=calm_symbol) is None
        assert self.alert(*self.overnight(100.51), usual=calm_symbol)

    def test_a_lively_symbol_may_open_further_away(self):
        assert self.alert(*self.overnight(104.0), usual={"range_percent": 0.05}) is None

    def test_a_dividend_is_no_gap(self):
        dividend = Dividend(symbol="NVDA", ex_date="2019-02-15", cash_amount=5.0)
        assert self.alert(*self.overnight(95.0))
        assert self.alert(*self.overnight(95.0), dividends=[dividend]) is None
        alert = self.alert(*self.overnight(100.0), dividends=[dividend])
        assert (alert.direction, alert.baseline) == ("up", 95.0)

    @pytest.mark.parametrize("ex_date", ["2019-02-14", "2019-02-19"])
    def test_a_dividend_of_another_day_changes_nothing(self, ex_date):
        dividend = Dividend(symbol="NVDA", ex_date=ex_date, cash_amount=5.0)
        assert self.alert(*self.overnight(95.0), dividends=[dividend]).baseline == 100.0

    def test_dividends_are_found_though_the_close_came_in_a_batch_before(self):
        dividend = Dividend(symbol="NVDA", ex_date="2019-02-15", cash_amount=5.0)
        given = {"profiles": [profile()], "dividends": [dividend]}
        before = run(calm(390), **given).state
        assert not alerts(run([bar(0, open=95.0, start=NEXT)], before, **given), "price_gap")
        after_hours = calm(60, 390)
        before = run([*calm(390), *after_hours], **given).state
        assert not alerts(run([bar(0, open=95.0, start=NEXT)], before, **given), "price_gap")

    @pytest.mark.parametrize(("old", "new"), [(1, 4), (10, 1)])
    def test_a_split_is_no_gap(self, old, new):
        split = Split(symbol="NVDA", execution_date="2019-02-15", split_from=old, split_to=new)
        opening = 100 * old / new
        bars = self.overnight(opening, close=opening, high=opening, low=opening)
        assert self.alert(*bars)
        assert self.alert(*bars, splits=[split]) is None

    def test_a_split_and_a_dividend_at_once(self):
        split = Split(symbol="NVDA", execution_date="2019-02-15", split_from=1, split_to=2)
        dividend = Dividend(symbol="NVDA", ex_date="2019-02-15", cash_amount=2.5)
        given = {"splits": [split], "dividends": [dividend]}
        assert self.alert(*self.overnight(47.5, close=47.5), **given) is None
        assert self.alert(*self.overnight(50.0, close=50.0), **given).baseline == pytest.approx(47.5)

    def test_a_half_day_closes_when_it_closes(self):
        half_day, after = 1_562_160_600_000, 1_562_333_400_000  # 2019-07-03, 13:00 in New York, and 2019-07-05
        bars = [bar(209, start=half_day), bar(300, start=half_day, close=90.0), bar(0, start=after)]
        assert self.alert(*bars) is None
        assert not alerts(run(bars), "price_gap"), "the literal form knows the 13:00 close too"

    def test_a_late_first_print_opens_the_session(self):
        assert self.alert(*self.overnight(103.0, minute=45))
        pre_market = bar(-30, start=NEXT, close=103.0)
        bars = [bar(389), pre_market, bar(45, open=103.0, start=NEXT), bar(46, open=110.0, start=NEXT)]
        assert minutes([self.alert(*bars)], NEXT) == [45]

    def test_extended_hours_are_neither_the_close_nor_the_open(self):
        bars = [bar(389), bar(400, close=90), bar(-60, close=90, start=NEXT), bar(0, start=NEXT)]
        assert self.alert(*bars) is None

    def test_a_usual_range_of_zero_judges_nothing(self):
        assert self.alert(*self.overnight(103.0), usual={"range_percent": 0.0}) is None


class TestSplitOverNight:
    """A split changes prices and shares, not what happens: no alert of any kind."""

    @pytest.mark.parametrize(("old", "new"), [(10, 1), (3, 2), (1, 10)])
    def test_with_the_profile_in_new_shares(self, old, new):
        bars, given = self.night(old, new)
        level = float(np.log1p(5000 * new / old))
        given["profiles"].append(profile(effective_ms=NEXT, volume_level=[level] * SLOTS))
        assert run(bars, profiles=given["profiles"]).alerts
        assert not run(bars, **given).alerts

    def test_a_reverse_split_with_the_profile_in_old_shares(self):
        bars, given = self.night(10, 1)
        assert not run(bars, **given).alerts

    def test_a_split_with_the_profile_in_old_shares(self):
        bars, given = self.night(1, 10)
        assert not run(bars, **given).alerts

    def night(self, old: int, new: int):
        """Two sessions around a split, and what is known of it."""
        rng, factor = np.random.default_rng(7), old / new
        prices = 100 + np.cumsum(rng.normal(0, 0.01, 780))
        bars = []
        for i, price in enumerate(prices):
            times, start = (factor, NEXT) if i >= 390 else (1.0, OPEN)
            price = round(float(price), 2) * times
            room = {"high": price + 0.05 * times, "low": price - 0.05 * times}
            bars.append(bar(i % 390, close=price, volume=1000 / times, start=start, **room))
        split = Split(symbol="NVDA", execution_date="2019-02-15", split_from=old, split_to=new)
        return bars, {"splits": [split], "profiles": [profile()]}
