"""The rules of bars in their literal form: their edges, and what their alerts say."""

from __future__ import annotations

import pytest

from include.surveillance.records import Bar, Split
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.detection.market import DAY, OPEN, alerts, at, bar, calm, fired, run


class TestAbnormalVolume:
    def test_above_three_times_the_mean_of_the_twenty_before(self):
        detection = run([*calm(), bar(20, volume=3001)])
        (alert,) = detection.alerts
        assert (alert.rule, alert.value, alert.baseline, alert.threshold) == ("abnormal_volume", 3001, 1000, 3000)
        assert alert.explanation == (
            "NVDA traded 3,001 shares in the minute from 14:50 UTC, 3.0 times the mean of the 20 previous bars "
            "(1,000); the limit is 3 times."
        )
        assert len(alert.event_ids) == 21
        assert (alert.window_start_ms, alert.window_end_ms, alert.bar_close_ms) == (OPEN, at(21), at(21))
        assert (alert.session_phase, alert.session_date, alert.data_age_ms) == ("regular", "2019-02-14", 2_000)
        assert (alert.form, alert.status, alert.firings, alert.profile_version) == ("literal", "fired", 1, None)

    def test_exactly_three_times_does_not_fire(self):
        assert not fired([*calm(), bar(20, volume=3000)])

    def test_nineteen_bars_before_are_too_few(self):
        detection = run([*calm(19), bar(19, volume=10**9)])
        assert not detection.alerts
        assert detection.metrics[-1].volume_mean is None

    def test_absent_minutes_are_no_zeros(self):
        sparse = [bar(3 * minute) for minute in range(20)]
        assert not fired([*sparse, bar(60, volume=2999)], "abnormal_volume")
        assert fired([*sparse, bar(60, volume=3001)], "abnormal_volume")

    def test_a_mean_of_zero_fires_and_the_ratio_is_not_applicable(self):
        detection = run([*calm(volume=0), bar(20, volume=1)])
        (alert,) = detection.alerts
        assert (alert.score, alert.severity) == (100.0, "critical")
        assert (
            "1 shares in the minute from 14:50 UTC, against the mean of the 20 previous bars (0)" in alert.explanation
        )
        assert detection.metrics[-1].volume_ratio is None

    def test_the_bar_itself_is_not_in_its_mean_and_the_next_bars_mean_has_it(self):
        metrics = run([*calm(), bar(20, volume=9000), bar(21)]).metrics
        assert [metric.volume_mean for metric in metrics[-2:]] == [1000, 1400]
        assert metrics[-2].volume_ratio == 9


class TestPriceBreakout:
    @pytest.mark.parametrize(
        ("close", "direction"), [(100.51, "up"), (99.49, "down"), (100.5, None), (99.5, None), (100.0, None)]
    )
    def test_only_beyond_the_level(self, close, direction):
        expected = [("price_breakout", direction, at(20))] if direction else []
        assert fired([*calm(), bar(20, close=close)]) == expected

    def test_what_an_alert_says(self):
        (alert,) = run([*calm(), bar(20, close=99.0)]).alerts
        assert (alert.value, alert.threshold, alert.baseline, alert.score) == (99.0, 99.5, 99.5, 64.6)
        assert alert.explanation == (
            "NVDA closed at 99.00 in the minute from 14:50 UTC, below the lowest low of the 20 previous bars (99.50)."
        )

    def test_the_current_high_is_no_level(self):
        assert fired([*calm(), bar(20, close=101, high=200)])

    def test_a_flat_range_counts_a_move_as_a_whole_range(self):
        flat = calm(high=100.0, low=100.0)
        (alert,) = run([*flat, bar(20, close=100.01, high=100.01, low=100.0)]).alerts
        assert alert.score == 75.0

    def test_too_few_bars(self):
        assert not fired([*calm(19), bar(19, close=200)])


class TestVolatilitySpike:
    @staticmethod
    def swinging(count: int, step: float, start: int = 0) -> list[Bar]:
        return [bar(start + i, close=100 + step * (i % 2), high=110, low=90) for i in range(count)]

    def test_needs_a_hundred_earlier_values(self):
        jump = {"high": 110, "low": 90, "close": 105}
        assert not fired([*self.swinging(119, 0.1), bar(119, **jump)], "volatility_spike")
        assert fired([*self.swinging(120, 0.1), bar(120, **jump)], "volatility_spike")

    def test_prices_that_never_move_never_fire_and_the_first_move_does(self):
        detection = run(self.swinging(200, 0.0))
        assert not detection.alerts
        assert detection.metrics[-1].return_std == detection.metrics[-1].return_std_p95 == 0.0
        (alert,) = run([bar(200, close=100.1, high=110, low=90)], detection.state).alerts
        assert (alert.rule, alert.threshold, alert.score) == ("volatility_spike", 0.0, 100.0)

    def test_the_current_value_is_not_part_of_its_percentile(self):
        metrics = run([*self.swinging(121, 0.1), bar(121, close=105, high=110, low=90)]).metrics
        assert metrics[-1].return_std_p95 == pytest.approx(metrics[-2].return_std)
        assert metrics[-1].return_std > 10 * metrics[-1].return_std_p95

    def test_what_an_alert_says(self):
        (alert,) = run([*self.swinging(120, 0.1), bar(120, close=105, high=110, low=90)]).alerts
        assert alert.explanation.startswith("NVDA moved by ")
        assert "up to the minute from 16:30 UTC" in alert.explanation
        assert alert.explanation.endswith("the 95th percentile of its earlier values.")


class TestPriceGap:
    def overnight(self, opening: float, minute: int = 0, **over) -> list[Bar]:
        return [bar(389), bar(minute, open=opening, start=OPEN + DAY, **over)]

    @pytest.mark.parametrize(("opening", "direction"), [(102.01, "up"), (97.99, "down"), (101.99, None), (98.01, None)])
    def test_more_than_two_percent_between_sessions(self, opening, direction):
        found = fired(self.overnight(opening))
        assert found == ([("price_gap", direction, OPEN + DAY)] if direction else [])

    def test_what_an_alert_says(self):
        (alert,) = run(self.overnight(97.0)).alerts
        assert (alert.value, alert.threshold, alert.baseline) == (pytest.approx(0.03), 0.02, 100.0)
        assert alert.window_start_ms == at(389), "the bar of the previous close"
        assert alert.explanation == (
            "NVDA opened at 97.00 on 2019-02-15, 3.00 % below the last regular close of the previous session "
            "(100.00); the limit is 2.00 %."
        )

    def test_extended_hours_are_neither_the_close_nor_the_open(self):
        after_hours, pre_market = bar(400, close=90), bar(-60, close=90, start=OPEN + DAY)
        detection = run([bar(389), after_hours, pre_market, bar(0, open=100.5, start=OPEN + DAY)])
        assert not detection.alerts
        assert [metric.gap is not None for metric in detection.metrics] == [False, False, False, True]
        assert [metric.session_phase for metric in detection.metrics] == ["regular", "post", "pre", "regular"]
        assert detection.metrics[2].session_date == "2019-02-15"

    def test_only_the_first_bar_of_the_session(self):
        assert not fired([*self.overnight(100), bar(1, open=150, start=OPEN + DAY)])

    def test_a_late_first_print_still_opens_the_session(self):
        assert fired(self.overnight(103, minute=25))

    def test_an_hour_bar_that_holds_the_open_opens_the_session(self):
        hour = {"timespan": "hour", "start": OPEN - 30 * MINUTE_MS}
        next_day = {"timespan": "hour", "start": OPEN + DAY - 30 * MINUTE_MS}
        found = fired([bar(6, **hour), bar(-1, open=90, **next_day), bar(0, open=103, **next_day)])
        assert found == [("price_gap", "up", OPEN + DAY - 30 * MINUTE_MS)]

    @pytest.mark.parametrize("timespan", ["minute", "day"])
    def test_a_split_between_the_sessions_is_no_gap(self, timespan):
        split = Split(symbol="NVDA", execution_date="2019-02-15", split_from=1, split_to=2)
        if timespan == "minute":
            records = self.overnight(50.0, close=50.0)
        else:
            midnight = OPEN - int(9.5 * 3_600_000)
            halved = {"close": 50.0, "open": 50.0}
            records = [bar(i, timespan="day", start=midnight, **(halved if i else {})) for i in range(2)]
        assert fired(records, "price_gap")
        detection = run(records, splits=[split])
        assert not detection.alerts
        assert detection.metrics[-1].gap == 0.0

    @pytest.mark.parametrize("execution_date", ["2019-02-14", "2019-02-16"])
    def test_a_split_before_or_after_changes_nothing(self, execution_date):
        split = Split(symbol="NVDA", execution_date=execution_date, split_from=1, split_to=2)
        assert run(self.overnight(101), splits=[split]).metrics[-1].gap == pytest.approx(0.01)

    def test_a_corrected_close_is_the_close(self):
        detection = run([bar(389), bar(389, close=103.0), bar(0, open=103, start=OPEN + DAY)])
        assert detection.metrics[-1].gap == 0.0


def test_windows_restart_each_date_when_asked_and_the_history_does_not():
    first, second = calm(150), calm(25, start=OPEN + DAY)
    free, reset = run([*first, *second]), run([*first, *second], session_reset=True)
    assert free.metrics[150].volume_mean is not None
    assert [metric.volume_mean is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert [metric.highest_high is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert [metric.return_std is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert reset.metrics[170].return_std_p95 is not None
    assert not alerts(reset)


@pytest.mark.parametrize("split", [(1, 4), (10, 1)])
def test_a_split_over_night_raises_no_alert_of_any_kind(split):
    old, new = split
    adjusted = {"close": 100.0 * old / new, "volume": 1000 * new / old, "start": OPEN + DAY}
    adjusted |= {"high": 100.5 * old / new, "low": 99.5 * old / new}
    records = [*calm(390), *calm(60, **adjusted)]
    known = [Split(symbol="NVDA", execution_date="2019-02-15", split_from=old, split_to=new)]
    assert fired(records)
    detection = run(records, splits=known)
    assert not detection.alerts
    first = detection.metrics[390]
    assert first.volume_mean == pytest.approx(1000 * new / old)
    assert (first.highest_high, first.lowest_low) == pytest.approx((adjusted["high"], adjusted["low"]))
    assert first.return_std == pytest.approx(0.0, abs=1e-12)
