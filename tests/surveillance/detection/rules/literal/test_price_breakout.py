"""The literal rule of breakouts: its edges, and what its alerts say."""

from __future__ import annotations

import pytest

from tests.surveillance.detection.market import at, bar, calm, fired, run


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
            "NVDA closed at 99.00 in the minute from 09:50 New York (14:50 UTC), below the lowest low of the 20 "
            "previous bars (99.50)."
        )

    def test_the_current_high_is_no_level(self):
        assert fired([*calm(), bar(20, close=101, high=200)])

    def test_a_flat_range_counts_a_move_as_a_whole_range(self):
        flat = calm(high=100.0, low=100.0)
        (alert,) = run([*flat, bar(20, close=100.01, high=100.01, low=100.0)]).alerts
        assert alert.score == 75.0

    def test_too_few_bars(self):
        assert not fired([*calm(19), bar(19, close=200)])
