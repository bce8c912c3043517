"""Bars that come twice, late or corrected, and what that changes about what was published."""

from __future__ import annotations

from tests.surveillance.detection.market import alerts, at, bar, calm, minutes, profile, run


class TestArrival:
    def test_a_duplicate_is_counted_and_ignored(self):
        once, twice = run(calm(30)), run([*calm(30), *calm(30)[-10:]])
        assert twice.counts["duplicate"] == 10
        assert twice.metrics == once.metrics
        assert twice.state.to_bytes() == once.state.to_bytes()

    def test_the_latest_twenty_can_be_revised_and_an_older_bar_is_counted_only(self):
        once = run(calm(30))
        for minute, kind in ((9, "stale"), (10, "corrected")):
            more = run([*calm(30), bar(minute, volume=10**9)])
            assert (more.counts[kind], more.counts["stale"] + more.counts["corrected"]) == (1, 1)
            assert (more.state.to_bytes() == once.state.to_bytes()) == (kind == "stale")
            assert (more.metrics == once.metrics) == (kind == "stale")

    def test_a_late_bar_before_the_first_known_one_is_late_while_they_are_few(self):
        detection = run([*calm(10, 5), bar(0)])
        assert (detection.counts["late"], detection.counts["stale"]) == (1, 0)
        assert detection.state.to_bytes() == run([bar(0), *calm(10, 5)]).state.to_bytes()

    def test_a_late_bar_takes_its_place_for_later_windows(self):
        whole = calm(25)
        in_order = run([*whole, bar(25, close=100.2)])
        late = run([*whole[:20], *whole[21:], whole[20], bar(25, close=100.2)])
        assert late.counts["late"] == 1
        assert late.metrics[-1] == in_order.metrics[-1]

    def test_a_corrected_bar_replaces_its_values_for_later_windows(self):
        bars = calm(25)
        corrected = bar(24, close=100.3, volume=5000)
        right_at_once = run([*bars[:24], corrected, bar(25, close=100.2)])
        revised = run([*bars, corrected, bar(25, close=100.2)])
        assert revised.counts["corrected"] == 1
        assert revised.metrics[-1] == right_at_once.metrics[-1]

    def test_changed_metrics_are_published_again_and_others_are_not(self):
        metrics = run([*calm(25), bar(22, close=100.3)]).metrics
        assert [metric.ts_ms for metric in metrics[25:]] == [at(22), at(23), at(24)]
        assert metrics[25].event_id == metrics[22].event_id
        assert (metrics[22].close, metrics[25].close) == (100.0, 100.3)

    def test_a_corrected_bar_that_comes_again_is_a_duplicate_and_the_old_one_a_correction_back(self):
        corrected = bar(24, close=100.3)
        detection = run([*calm(25), corrected, corrected, bar(24)])
        assert (detection.counts["corrected"], detection.counts["duplicate"]) == (2, 1)
        assert detection.state.to_bytes() == run(calm(25)).state.to_bytes()


class TestAlerts:
    def test_other_values_confirm(self):
        fired, confirmed = run([*calm(), bar(20, volume=9000), bar(20, volume=9500)]).alerts
        assert (fired.status, confirmed.status) == ("fired", "confirmed")
        assert confirmed.event_id == fired.event_id
        assert (fired.value, fired.threshold) == (9000, 3000)
        assert (confirmed.value, confirmed.before_value, confirmed.before_threshold) == (9500, 9000, 3000)
        assert "9,500 shares" in confirmed.explanation
        assert confirmed.event_ids[0] == bar(20, volume=9500).event_id

    def test_another_window_confirms(self):
        _, confirmed = run([*calm(), bar(20, volume=9000), bar(19, volume=2000)]).alerts
        assert (confirmed.threshold, confirmed.before_threshold) == (3150, 3000)

    def test_what_no_longer_fires_is_retracted_and_can_fire_again(self):
        detection = run([*calm(), bar(20, volume=9000), bar(20, volume=2999), bar(20, volume=9000)])
        fired, retracted, again = detection.alerts
        assert [it.status for it in detection.alerts] == ["fired", "retracted", "fired"]
        assert {it.event_id for it in detection.alerts} == {fired.event_id}
        assert (retracted.before_value, retracted.before_threshold) == (9000, 3000)
        assert again == fired

    def test_a_correction_that_touches_nothing_says_nothing(self):
        detection = run([*calm(40), bar(40, volume=9000), bar(41), bar(42), bar(42, volume=1001)])
        assert [it.status for it in detection.alerts] == ["fired"]

    def test_a_late_bar_raises_the_alert_that_it_would_have_raised(self):
        detection = run([*calm(20), *calm(3, 21), bar(20, volume=9000)])
        (alert,) = detection.alerts
        assert (alert.status, alert.ts_ms, alert.value) == ("fired", at(20), 9000)
        (in_time,) = run([*calm(20), bar(20, volume=9000), *calm(3, 21)]).alerts
        assert alert == in_time

    def test_a_breakout_that_turns_round_is_confirmed_in_the_other_direction(self):
        up, down = run([*calm(), bar(20, close=101), bar(20, close=99)]).alerts
        assert (up.direction, down.direction, down.status) == ("up", "down", "confirmed")
        assert (down.event_id, down.before_value) == (up.event_id, 101)

    def test_a_late_bar_can_take_an_alert_back(self):
        # A high that came late: what closed above the others does not close above it.
        detection = run([*calm(19), *calm(1, 20), bar(21, close=101), bar(19, high=102.0)])
        assert [it.status for it in detection.alerts] == ["fired", "retracted"]

    def test_with_its_first_bar_gone_an_episode_begins_at_the_next(self):
        detection = run([*calm(), bar(20, volume=9000), bar(21, volume=9000), bar(20, volume=1000)])
        assert [(it.status, minutes([it])) for it in detection.alerts] == [
            ("fired", [20.0]),
            ("refired", [21.0]),
            ("fired", [21.0]),
            ("retracted", [20.0]),
        ]
        assert detection.alerts[2].firings == 1

    def test_a_confirmation_counts_the_whole_episode(self):
        bursts = [bar(minute, volume=90_000) for minute in (20, 21, 22)]
        detection = run([*calm(), *bursts, bar(20, volume=80_000)])
        confirmed = alerts(detection, "abnormal_volume", "confirmed")[-1]
        assert confirmed.firings == 3

    def test_robust_alerts_are_revised_as_well(self):
        detection = run([*calm(), bar(20, volume=460_000), bar(20, volume=500_000), bar(20)], profiles=[profile()])
        fired, confirmed, retracted = alerts(detection, "abnormal_volume")
        assert [it.status for it in (fired, confirmed, retracted)] == ["fired", "confirmed", "retracted"]
        assert {it.form for it in (fired, confirmed, retracted)} == {"robust"}
        assert (confirmed.before_value, confirmed.value) == (464_000, 504_000)
        assert detection.state.to_bytes() == run(calm(21), profiles=[profile()]).state.to_bytes()
