"""The literal rule of abnormal volume: its edges, and what its alerts say."""

from __future__ import annotations

from tests.surveillance.detection.market import OPEN, at, bar, calm, fired, run


class TestAbnormalVolume:
    def test_above_three_times_the_mean_of_the_twenty_before(self):
        detection = run([*calm(), bar(20, volume=3001)])
        (alert,) = detection.alerts
        assert (alert.rule, alert.value, alert.baseline, alert.threshold) == ("abnormal_volume", 3001, 1000, 3000)
        assert alert.explanation == (
            "NVDA traded 3,001 shares in the minute from 09:50 New York (14:50 UTC), 3.001 times the mean of the 20 "
            "previous bars (1,000); the limit is 3 times (3,000)."
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
            "1 shares in the minute from 09:50 New York (14:50 UTC), against the mean of the 20 " in alert.explanation
        )
        assert detection.metrics[-1].volume_ratio is None

    def test_the_bar_itself_is_not_in_its_mean_and_the_next_bars_mean_has_it(self):
        metrics = run([*calm(), bar(20, volume=9000), bar(21)]).metrics
        assert [metric.volume_mean for metric in metrics[-2:]] == [1000, 1400]
        assert metrics[-2].volume_ratio == 9
