"""The literal rule of volatility: its edges, and what its alerts say."""

from __future__ import annotations

import pytest

from include.surveillance.records import Bar
from tests.surveillance.detection.market import DAY, OPEN, alerts, bar, calm, fired, run


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
        assert "up to the minute from 11:30 New York (16:30 UTC)" in alert.explanation
        assert alert.explanation.endswith("the 95th percentile of its earlier values.")


def test_windows_restart_each_date_when_asked_and_the_history_does_not():
    first, second = calm(150), calm(25, start=OPEN + DAY)
    free, reset = run([*first, *second]), run([*first, *second], session_reset=True)
    assert free.metrics[150].volume_mean is not None
    assert [metric.volume_mean is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert [metric.highest_high is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert [metric.return_std is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert reset.metrics[170].return_std_p95 is not None
    assert not alerts(reset)
