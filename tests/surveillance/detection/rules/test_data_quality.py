"""Bars that a poll had to reject, asked at each watermark."""

from __future__ import annotations

from tests.surveillance.detection.market import run, watermark


class TestDataQuality:
    broken = watermark(5, bars=4, rejected=1, reject_reasons=("high below low",))

    def test_rejected_bars_are_an_alert(self):
        (alert,) = run([self.broken, watermark(6)]).alerts
        assert (alert.rule, alert.value, alert.threshold) == ("data_quality", 1.0, 0.0)
        assert alert.explanation == (
            "1 of 5 minute bars of NVDA up to 09:35 New York (14:35 UTC) were rejected: high below low."
        )

    def test_no_reason_is_said_to_be_none(self):
        (alert,) = run([watermark(5, bars=0, rejected=2)]).alerts
        assert alert.explanation == (
            "2 of 2 minute bars of NVDA up to 09:35 New York (14:35 UTC) were rejected: no reason given."
        )
        assert alert.score == 75.0

    def test_the_more_the_higher_it_scores(self):
        few, many = (run([watermark(5, bars=10 - n, rejected=n)]).alerts[0] for n in (1, 9))
        assert few.score < many.score

    def test_a_backfill_is_checked_too(self):
        (alert,) = run([watermark(5, bars=4, rejected=1, source="backfill")]).alerts
        assert alert.source == "backfill"
