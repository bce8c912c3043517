"""The literal rule of gaps: its edges, splits over night, and what its alerts say."""

from __future__ import annotations

import pytest

from include.surveillance.records import Bar, Split
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.detection.market import DAY, OPEN, at, bar, calm, fired, run


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
            "NVDA opened at 97.00 on 2019-02-15, 3.00 % below the last regular close before it (100.00 on "
            "2019-02-14); the limit is 2.00 %."
        )

    def test_extended_hours_are_neither_the_close_nor_the_open(self):
        after_hours, pre_market = bar(400, close=90), bar(-60, close=90, start=OPEN + DAY)
        detection = run([bar(389), after_hours, pre_market, bar(0, open=100.5, start=OPEN + DAY)])
        assert not detection.alerts
        assert [metric.gap is not None for metric in detection.metrics] == [False, False, False, True]
        assert [metric.session_phase for metric in detection.metrics] == ["regular", "post", "pre", "opening_auction"]
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
