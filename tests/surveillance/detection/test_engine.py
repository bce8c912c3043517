from __future__ import annotations

from decimal import Decimal

import pytest

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.parameters import Parameters
from include.surveillance.detection.state import FORMAT, State, StateError
from include.surveillance.models import SPAN_MS, Bar, NewsItem, Split, Watermark
from include.surveillance.sessions import MINUTE_MS, Sessions

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
DAY = 86_400_000


def bar(minute: int, *, close: float = 100.0, volume: float = 1000, start: int = OPEN, **over) -> Bar:
    over = {"open": close, "high": max(close, 100.5), "low": min(close, 99.5), "timespan": "minute"} | over
    ts_ms = start + minute * SPAN_MS[over["timespan"]]
    return Bar(symbol="NVDA", ts_ms=ts_ms, close=close, volume=Decimal(str(volume)), polled_ms=ts_ms + 62_000, **over)


def calm(count: int = 20, **over) -> list[Bar]:
    return [bar(minute, **over) for minute in range(count)]


def news(minute: float, article: str = "a1", sentiment: str | None = "negative") -> NewsItem:
    return NewsItem(
        symbol="NVDA",
        article_id=article,
        published_ms=OPEN + int(minute * MINUTE_MS),
        title="Recall",
        sentiment=sentiment,
    )


def watermark(minute: int, **over) -> Watermark:
    as_of_ms = OPEN + minute * MINUTE_MS
    over = {"bars": 1, "from_ms": as_of_ms - MINUTE_MS, "polled_ms": as_of_ms + 2_000} | over
    return Watermark(symbol="NVDA", timespan="minute", as_of_ms=as_of_ms, **over)


def run(records, state=None, splits=(), **parameters):
    return Engine(Parameters(**parameters), Sessions(), splits).run(state or State(history="exact"), records)


def fired(detection, rule=None):
    return [(it.rule, it.direction, it.ts_ms) for it in detection.firings if rule in (None, it.rule)]


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
        assert (alert.window_start_ms, alert.window_end_ms) == (OPEN, OPEN + 20 * MINUTE_MS)
        assert (alert.session_phase, alert.session_date, alert.data_age_ms) == ("regular", "2019-02-14", 2_000)

    def test_exactly_three_times_does_not_fire(self):
        assert not fired(run([*calm(), bar(20, volume=3000)]))

    def test_nineteen_bars_before_are_too_few(self):
        detection = run([*calm(19), bar(19, volume=10**9)])
        assert not fired(detection)
        assert detection.metrics[-1].volume_mean is None

    def test_absent_minutes_are_no_zeros(self):
        sparse = [bar(3 * minute) for minute in range(20)]
        assert not fired(run([*sparse, bar(60, volume=2999)]), "abnormal_volume")
        assert fired(run([*sparse, bar(60, volume=3001)]), "abnormal_volume")

    def test_a_mean_of_zero_fires_and_the_ratio_is_not_applicable(self):
        detection = run([*calm(volume=0), bar(20, volume=1)])
        assert [alert.score for alert in detection.alerts] == [100.0]
        assert detection.metrics[-1].volume_ratio is None


class TestPriceBreakout:
    @pytest.mark.parametrize(
        ("close", "direction"), [(100.51, "up"), (99.49, "down"), (100.5, None), (99.5, None), (100.0, None)]
    )
    def test_only_beyond_the_level(self, close, direction):
        expected = [("price_breakout", direction, OPEN + 20 * MINUTE_MS)] if direction else []
        assert fired(run([*calm(), bar(20, close=close)])) == expected

    def test_the_current_high_is_no_level(self):
        assert fired(run([*calm(), bar(20, close=101, high=200)]))

    def test_a_flat_range_counts_a_move_as_a_whole_range(self):
        flat = calm(high=100.0, low=100.0)
        (alert,) = run([*flat, bar(20, close=100.01, high=100.01, low=100.0)]).alerts
        assert alert.score == 75.0

    def test_too_few_bars(self):
        assert not fired(run([*calm(19), bar(19, close=200)]))


class TestVolatilitySpike:
    @staticmethod
    def swinging(count: int, step: float, start: int = 0) -> list[Bar]:
        return [bar(start + i, close=100 + step * (i % 2), high=110, low=90) for i in range(count)]

    def test_needs_a_hundred_earlier_values(self):
        jump = {"high": 110, "low": 90, "close": 105}
        assert not fired(run([*self.swinging(119, 0.1), bar(119, **jump)]), "volatility_spike")
        assert fired(run([*self.swinging(120, 0.1), bar(120, **jump)]), "volatility_spike")

    def test_prices_that_never_move_never_fire_and_the_first_move_does(self):
        flat = self.swinging(200, 0.0)
        detection = run(flat)
        assert not fired(detection)
        assert detection.metrics[-1].return_std == detection.metrics[-1].return_std_p95 == 0.0
        (alert,) = run([bar(200, close=100.1, high=110, low=90)], detection.state).alerts
        assert (alert.rule, alert.threshold, alert.score) == ("volatility_spike", 0.0, 100.0)

    def test_the_current_value_is_not_part_of_its_percentile(self):
        metrics = run([*self.swinging(121, 0.1), bar(121, close=105, high=110, low=90)]).metrics
        assert metrics[-1].return_std_p95 == pytest.approx(metrics[-2].return_std)


class TestPriceGap:
    def overnight(self, opening: float, minute: int = 0, **over) -> list[Bar]:
        return [bar(389), bar(minute, open=opening, start=OPEN + DAY, **over)]

    @pytest.mark.parametrize(("opening", "direction"), [(102.01, "up"), (97.99, "down"), (101.99, None), (98.01, None)])
    def test_more_than_two_percent_between_sessions(self, opening, direction):
        found = fired(run(self.overnight(opening)))
        assert found == ([("price_gap", direction, OPEN + DAY)] if direction else [])

    def test_extended_hours_are_neither_the_close_nor_the_open(self):
        after_hours, pre_market = bar(400, close=90), bar(-60, close=90, start=OPEN + DAY)
        records = [bar(389), after_hours, pre_market, bar(0, open=100.5, start=OPEN + DAY)]
        detection = run(records)
        assert not fired(detection)
        assert [metric.gap is not None for metric in detection.metrics] == [False, False, False, True]
        assert [metric.session_phase for metric in detection.metrics] == ["regular", "post", "pre", "regular"]
        assert detection.metrics[2].session_date == "2019-02-15"

    def test_only_the_first_bar_of_the_session(self):
        detection = run([*self.overnight(100), bar(1, open=150, start=OPEN + DAY)])
        assert not fired(detection)

    def test_a_late_first_print_still_opens_the_session(self):
        assert fired(run(self.overnight(103, minute=25)))

    def test_an_hour_bar_that_holds_the_open_opens_the_session(self):
        hour = {"timespan": "hour", "start": OPEN - 30 * MINUTE_MS}
        next_day = {"timespan": "hour", "start": OPEN + DAY - 30 * MINUTE_MS}
        found = fired(run([bar(6, **hour), bar(-1, open=90, **next_day), bar(0, open=103, **next_day)]))
        assert found == [("price_gap", "up", OPEN + DAY - 30 * MINUTE_MS)]

    @pytest.mark.parametrize("execution_date", ["2019-02-15"])
    @pytest.mark.parametrize("timespan", ["minute", "day"])
    def test_a_split_between_the_sessions_is_no_gap(self, execution_date, timespan):
        split = Split(symbol="NVDA", execution_date=execution_date, split_from=1, split_to=2)
        if timespan == "minute":
            records = self.overnight(50.0, close=50.0)
        else:
            midnight = OPEN - int(9.5 * 3_600_000)
            halved = {"close": 50.0, "open": 50.0}
            records = [bar(i, timespan="day", start=midnight, **(halved if i else {})) for i in range(2)]
        assert fired(run(records), "price_gap")
        detection = run(records, splits=[split])
        assert not fired(detection)
        assert detection.metrics[-1].gap == 0.0

    @pytest.mark.parametrize("execution_date", ["2019-02-14", "2019-02-16"])
    def test_a_split_before_or_after_changes_nothing(self, execution_date):
        split = Split(symbol="NVDA", execution_date=execution_date, split_from=1, split_to=2)
        assert run(self.overnight(101), splits=[split]).metrics[-1].gap == pytest.approx(0.01)

    def test_a_corrected_close_is_the_close(self):
        detection = run([bar(389), bar(389, close=103.0), bar(0, open=103, start=OPEN + DAY)])
        assert detection.metrics[-1].gap == 0.0


class TestNewsImpact:
    burst = staticmethod(lambda minute=20: bar(minute, volume=9000))

    @pytest.mark.parametrize("minutes", [-9.99, -1, 0, 5, 9.99])
    @pytest.mark.parametrize("news_arrives_first", [True, False])
    def test_within_ten_minutes_in_any_order(self, minutes, news_arrives_first):
        late = [news(20 + minutes), self.burst()]
        detection = run([*calm(), *(late if news_arrives_first else reversed(late))])
        (alert,) = [alert for alert in detection.alerts if alert.rule == "news_impact"]
        assert (alert.ts_ms, alert.article_id, alert.value) == (OPEN + 20 * MINUTE_MS, "a1", 9000)
        assert alert.event_ids == (self.burst().event_id, news(20 + minutes).event_id)

    @pytest.mark.parametrize("item", [news(10), news(30), news(20, sentiment="neutral"), news(20, sentiment=None)])
    def test_not_when_apart_or_not_negative(self, item):
        assert not fired(run([*calm(), item, self.burst()]), "news_impact")
        assert not fired(run([*calm(), self.burst(), item]), "news_impact")

    def test_each_article_and_episode_once(self):
        detection = run([*calm(), news(19), self.burst(20), self.burst(21), self.burst(22), news(19)])
        assert len(fired(detection, "abnormal_volume")) > 1
        assert fired(detection, "news_impact") == [("news_impact", "", OPEN + 20 * MINUTE_MS)]

    def test_a_late_article_meets_the_earliest_bar_of_the_episode(self):
        detection = run([*calm(), self.burst(20), self.burst(21), news(22)])
        assert fired(detection, "news_impact") == [("news_impact", "", OPEN + 20 * MINUTE_MS)]

    def test_sentiment_that_comes_later_counts(self):
        detection = run([*calm(), news(20, sentiment=None), self.burst(), news(20)])
        assert len(fired(detection, "news_impact")) == 1

    def test_other_symbols_news_does_not_count(self):
        other = NewsItem(symbol="AMD", article_id="x", published_ms=OPEN, title="t", sentiment="negative")
        assert not fired(run([other, *calm(), self.burst()]), "news_impact")


class TestFeedFreshness:
    def test_silence_longer_than_allowed(self):
        detection = run([bar(0), watermark(16), watermark(17), watermark(18)])
        assert fired(detection) == [("feed_freshness", "", OPEN + minute * MINUTE_MS) for minute in (17, 18)]
        (alert,) = detection.alerts
        assert (alert.value, alert.threshold, alert.data_age_ms) == (16.0, 15.0, 2_000)

    def test_nights_do_not_count(self):
        assert not fired(run([bar(389), watermark(1440 + 10)]))
        assert fired(run([bar(389), watermark(1440 + 16)]))

    def test_never_outside_the_session_nor_before_the_first_bar_nor_for_a_backfill(self):
        assert not fired(run([bar(300), watermark(390)]))
        assert not fired(run([watermark(100)]))
        assert not fired(run([bar(0), watermark(100, source="backfill")]))

    def test_a_repeated_watermark_is_a_duplicate(self):
        detection = run([bar(0), watermark(17), watermark(17)])
        assert len(detection.firings) == 1
        assert detection.counts["duplicate"] == 1


def test_rejected_bars_are_a_data_quality_alert():
    detection = run([watermark(5, bars=4, rejected=1, reject_reasons=("high below low",)), watermark(6)])
    (alert,) = detection.alerts
    assert (alert.rule, alert.value, alert.threshold) == ("data_quality", 1.0, 0.0)
    assert alert.explanation == "1 of 5 minute bars of NVDA up to 14:35 UTC were rejected: high below low."


class TestArrival:
    def test_a_duplicate_is_counted_and_ignored(self):
        once, twice = run(calm(30)), run([*calm(30), *calm(30)[-10:]])
        assert twice.counts["duplicate"] == 10
        assert twice.metrics == once.metrics
        assert twice.state == once.state or twice.state.to_bytes() == once.state.to_bytes()

    def test_older_than_the_window_is_counted_only(self):
        once, more = run(calm(30)), run([*calm(30), bar(2, volume=10**9)])
        assert more.counts["stale"] == 1
        assert more.state.to_bytes() == once.state.to_bytes()

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


def test_windows_restart_each_date_when_asked_and_the_history_does_not():
    first, second = calm(150), [bar(minute, start=OPEN + DAY) for minute in range(25)]
    free, reset = run([*first, *second]), run([*first, *second], session_reset=True)
    assert free.metrics[150].volume_mean is not None
    assert [metric.volume_mean is None for metric in reset.metrics[150:]] == [True] * 20 + [False] * 5
    assert reset.metrics[150].log_return is None
    assert reset.metrics[170].return_std_p95 is not None
    assert run([*first, *second, bar(149, volume=5)], session_reset=True).counts["stale"] == 1


class TestEpisodes:
    def test_a_firing_within_the_cooldown_continues_the_episode(self):
        detection = run([*calm(), bar(20, volume=9000), bar(35, volume=9000), bar(51, volume=9000)])
        starts = [alert.episode_start_ms for alert in detection.firings if alert.rule == "abnormal_volume"]
        assert starts == [OPEN + minute * MINUTE_MS for minute in (20, 20, 51)]
        alerts = [alert for alert in detection.alerts if alert.rule == "abnormal_volume"]
        assert [alert.event_id for alert in alerts] == [
            f"abnormal_volume|NVDA|minute|{OPEN + minute * MINUTE_MS}|v1" for minute in (20, 51)
        ]

    def test_directions_are_episodes_of_their_own(self):
        detection = run([*calm(), bar(20, close=101), bar(21, close=99)])
        assert [alert.direction for alert in detection.alerts] == ["up", "down"]


def test_the_input_state_is_left_as_it_is():
    before = run([*calm(150), news(140), bar(150, volume=9000)]).state
    raw = before.to_bytes()
    run([bar(151, close=200, volume=9999), news(150, "a2"), bar(140, close=100.4), watermark(400)], before)
    assert before.to_bytes() == raw


class TestState:
    @pytest.mark.parametrize("form", ["exact", "sketch"])
    def test_bytes_round_trip(self, form):
        records = [*calm(150), news(140), bar(150, volume=9000)]
        state = Engine(Parameters(), Sessions()).run(State(history=form), records).state
        state.offsets = {"polygon.bars.raw": 7}
        again = State.from_bytes(state.to_bytes())
        assert again.to_bytes() == state.to_bytes()
        assert again.offsets == {"polygon.bars.raw": 7}
        assert again.history == form

    def test_unreadable_bytes_say_so(self):
        with pytest.raises(StateError, match="unreadable detector snapshot of 3 bytes"):
            State.from_bytes(b"abc")
        with pytest.raises(StateError, match=f"format 99; this version reads {FORMAT}"):
            State.from_bytes(State(format=99).to_bytes())


def test_the_parameters_version_changes_with_any_value():
    assert Parameters().version == Parameters().version
    assert Parameters(cooldown_bars=14).version != Parameters().version
