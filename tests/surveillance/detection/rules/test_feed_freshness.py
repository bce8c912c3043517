"""Silence of the feed, asked at each watermark."""

from __future__ import annotations

import pytest

from include.surveillance.records import TickerChange
from tests.surveillance.detection.market import DAY, OPEN, SLOTS, alerts, bar, minutes, profile, run, watermark


def silent(records, *statuses, **given):
    return alerts(run(records, **given), "feed_freshness", *statuses)


class TestWithoutAProfile:
    def test_silence_longer_than_allowed(self):
        found = silent([bar(0), watermark(16), watermark(17), watermark(18)])
        assert minutes(found) == [17, 18]
        alert = found[0]
        assert (alert.value, alert.threshold, alert.data_age_ms, alert.form) == (16.0, 15.0, 2_000, "literal")
        assert alert.event_ids == (watermark(17).event_id, bar(0).event_id)
        assert alert.explanation == (
            "NVDA has had no minute bar for 16 session minutes up to 09:47 New York (14:47 UTC); the limit is 15."
        )

    def test_a_long_silence_is_one_episode(self):
        found = silent([bar(0), *(watermark(minute) for minute in range(17, 31))])
        assert {it.episode_start_ms for it in found} == {watermark(17).as_of_ms}
        assert [it.firings for it in found if it.firings & (it.firings - 1) == 0] == [1, 2, 4, 8]
        severities = [it.severity for it in found]
        assert severities[0] == "low"
        assert severities[-1] == "medium"

    def test_nights_do_not_count(self):
        assert not silent([bar(389), watermark(1440 + 10)])
        assert silent([bar(389), watermark(1440 + 16)])

    def test_never_outside_the_session_nor_before_the_first_bar_nor_for_a_backfill(self):
        assert not silent([bar(300), watermark(390)])
        assert not silent([watermark(100)])
        assert not silent([bar(0), watermark(100, source="backfill")])

    def test_a_repeated_or_earlier_watermark_is_a_duplicate(self):
        detection = run([bar(0), watermark(17), watermark(17), watermark(16)])
        assert len(detection.alerts) == 1
        assert detection.counts["duplicate"] == 2

    def test_a_bar_that_comes_after_the_watermark_was_not_there(self):
        assert silent([bar(0), watermark(17), bar(16)])
        assert not silent([bar(0), bar(16), watermark(17)])


class TestWithAProfile:
    """Silence is held against the share of bars that the symbol usually has."""

    @staticmethod
    def usual(share: float):
        return {"profiles": [profile(presence=[share] * SLOTS)]}

    @pytest.mark.parametrize(
        ("share", "allowed"),
        # 0.1^4 is 1 in 10,000, but five minutes are tolerated of anybody; 0.5^13.29; (2/3)^22.7; 0.9^87.4
        [(1.0, 5.0), (0.9, 5.0), (0.5, 13.29), (1 / 3, 22.72), (0.1, 87.42)],
    )
    def test_allowed_is_what_chance_explains(self, share, allowed):
        (alert,) = silent([bar(0), watermark(1 + int(allowed)), watermark(2 + int(allowed))], **self.usual(share))
        assert (alert.value, alert.form) == (int(allowed) + 1, "robust")
        assert alert.threshold == pytest.approx(allowed, abs=0.005)
        assert alert.profile_version == self.usual(share)["profiles"][0].version

    def test_what_an_alert_says(self):
        (alert,) = silent([bar(0), watermark(7)], **self.usual(0.9))
        assert alert.explanation == (
            "NVDA has had no minute bar for 6 session minutes up to 09:37 New York (14:37 UTC); it usually has 90 % of "
            "its bars, so 5 minutes are allowed."
        )

    def test_a_profile_that_is_not_in_force_yet_does_not_count(self):
        later = profile(effective_ms=OPEN + DAY)
        assert not silent([bar(0), watermark(10)], profiles=[later])
        assert silent([bar(0), watermark(10)], profiles=[profile()])


class TestRenamed:
    change = TickerChange(symbol="NVDA", new_symbol="NVD", date="2019-02-15")

    def test_a_ticker_that_was_given_up_is_silent_for_good(self):
        records = [bar(389), watermark(60, OPEN + DAY)]
        assert silent(records)
        assert not silent(records, ticker_changes=[self.change])
        assert not silent(records, ticker_changes=[self.change], profiles=[profile()])

    def test_the_new_ticker_is_watched(self):
        records = [bar(0, symbol="NVD", start=OPEN + DAY), watermark(60, OPEN + DAY, symbol="NVD")]
        assert [it.symbol for it in silent(records, ticker_changes=[self.change])] == ["NVD"]

    def test_until_that_day_it_is_watched(self):
        assert silent([bar(0), watermark(60)], ticker_changes=[self.change])

    def test_nothing_else_is_raised_either(self):
        records = [*(bar(minute) for minute in range(390)), watermark(60, OPEN + DAY), watermark(120, OPEN + DAY)]
        assert not run(records, ticker_changes=[self.change], profiles=[profile()]).alerts
