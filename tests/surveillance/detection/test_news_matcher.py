"""Negative articles and bars of abnormal volume: whom they belong to, whichever comes first."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.detection.log_pass import Detection
from include.surveillance.records import NewsItem
from include.surveillance.timespans import HOUR_MS, SPAN_MS
from tests.surveillance.detection.market import DAY, OPEN, alerts, at, bar, calm, minutes, news, profile, run


def burst(minute: int = 20, volume: float = 9000):
    return bar(minute, volume=volume)


def impact(records, *statuses, **given):
    return alerts(run([*calm(), *records], **given), "news_impact", *statuses)


class TestLiteral:
    @pytest.mark.parametrize("apart", [-9.99, -1, 0, 5, 9.99])
    @pytest.mark.parametrize("news_arrives_first", [True, False])
    def test_within_ten_minutes_in_any_order(self, apart, news_arrives_first):
        late = [news(20 + apart), burst()]
        (alert,) = impact(late if news_arrives_first else reversed(late))
        assert (alert.ts_ms, alert.article_id, alert.value) == (at(20), "a1", 9000)
        cited = [burst(), *reversed(calm()), news(20 + apart)]
        assert alert.event_ids == tuple(it.event_id for it in cited), "the volume, what it is held against, the news"
        assert (alert.window_start_ms, alert.window_end_ms) == (OPEN, max(at(21), at(20 + apart)))

    @pytest.mark.parametrize("item", [news(10), news(30), news(20, sentiment="neutral"), news(20, sentiment=None)])
    def test_not_when_apart_or_not_negative(self, item):
        assert not impact([item, burst()])
        assert not impact([burst(), item])

    def test_each_bar_once_with_the_first_article_that_it_meets(self):
        (alert,) = impact([news(19), burst(20), news(21, "a2"), news(19)])
        assert alert.article_id == "a1"

    def test_bars_in_a_row_are_one_episode(self):
        found = impact([news(19), burst(20), burst(21), burst(22, 90_000)])
        assert [(it.status, it.firings) for it in found] == [("fired", 1), ("refired", 2), ("refired", 3)]
        assert {it.event_id for it in found} == {f"news_impact|NVDA|minute|{at(20)}|v3"}

    def test_a_late_article_meets_every_bar_of_its_time(self):
        found = impact([burst(20), burst(21), news(22)])
        assert minutes(found) == [20, 21]
        assert {it.episode_start_ms for it in found} == {at(20)}

    def test_sentiment_that_comes_later_counts(self):
        assert len(impact([news(20, sentiment=None), burst(), news(20)])) == 1

    def test_sentiment_that_is_taken_back_counts_no_more(self):
        assert not impact([news(20), news(20, sentiment="neutral"), burst()])

    def test_other_symbols_news_does_not_count(self):
        other = NewsItem(symbol="AMD", article_id="x", published_ms=at(20), title="t", sentiment="negative")
        assert not impact([other, burst()])

    def test_what_an_alert_says(self):
        (alert,) = impact([news(17.5), burst()])
        assert alert.explanation == (
            "NVDA traded 9,000 shares in the minute from 09:50 New York (14:50 UTC), where 1,000 are usual and up to "
            '3,000 allowed, 2.5 minutes after negative news: "Recall".'
        )

    def test_a_late_arrival_is_said(self):
        (alert,) = impact([burst(), news(22, polled_ms=at(51))])
        assert "2 minutes before negative news (which arrived 30 minutes after the bar): " in alert.explanation
        assert alert.data_age_ms == 30 * 60_000
        (alert,) = impact([burst(), news(22, polled_ms=at(23))])
        assert "arrived" not in alert.explanation

    def test_bars_of_ten_minutes_and_longer_cannot_place_their_volume(self):
        quarter = {"timespan": "15minute"}
        records = [*calm(**quarter), bar(20, volume=9000, **quarter)]
        assert alerts(run(records), "abnormal_volume")
        assert not alerts(run([*records, news(20 * 15)]), "news_impact")

    def test_an_article_repeated_is_a_duplicate(self):
        detection = run([news(1), news(1)])
        assert detection.counts["duplicate"] == 1


class TestRobust:
    """With 5,000 shares in five minutes usual, a minute of 46,000 makes 50,000 of five: z 5.8 of 4 allowed."""

    @staticmethod
    def exceedance(**over) -> float:
        detection = run([*calm(), burst(20, 46_000)], profiles=[profile(**over)])
        return detection.metrics[-1].volume_z / 4

    @staticmethod
    def impact(*records, **given):
        return impact([*records], profiles=[profile()], **given)

    def test_the_weight_by_hand(self):
        (alert,) = self.impact(news(17), burst(20, 46_000))
        weight = exp(-0.3) * self.exceedance()
        assert (alert.form, alert.profile_version) == ("robust", profile().version)
        assert (alert.value, alert.threshold) == (pytest.approx(weight), 0.25)
        assert alert.explanation.endswith(
            f'negative news: "Recall" (weight {weight:.4g}, of which 0.25 is allowed; relevance 1).'
        )

    @pytest.mark.parametrize(("apart", "expected"), [(-1.99, 1), (-2, 0), (0, 1), (14.99, 1), (15, 0)])
    def test_volume_may_lead_by_two_minutes_and_follow_for_fifteen(self, apart, expected):
        assert len(self.impact(news(20 - apart), burst(20, 460_000))) == expected
        assert len(self.impact(burst(20, 460_000), news(20 - apart))) == expected

    def test_distance_decays(self):
        near, far = (self.impact(news(20 - apart), burst(20, 46_000))[0].value for apart in (0, 10))
        assert far == pytest.approx(near * exp(-1))

    @pytest.mark.parametrize(
        ("title", "tickers", "relevance"),
        [
            ("Chip makers fall", ("NVDA",), 1.0),
            ("Chip makers fall", ("NVDA", "AMD"), 0.5),
            ("Why NVDA fell", ("NVDA", "AMD", "INTC", "TSM"), 1.0),
            ("NVDAX is a fund", ("NVDA", "AMD", "INTC", "TSM"), 0.25),
        ],
    )
    def test_relevance(self, title, tickers, relevance):
        (alert,) = self.impact(news(20, title=title, tickers=tickers), burst(20, 46_000))
        assert alert.value == pytest.approx(relevance * self.exceedance())

    def test_an_article_about_many_does_not_weigh_enough(self):
        many = tuple(f"T{number}" for number in range(10))
        assert not self.impact(news(20, title="Market wrap", tickers=many), burst(20, 46_000))
        assert not self.impact(news(20, title="Market wrap", tickers=(*many, *many)), burst(20, 9e9)), "at most 5 times"

    def test_a_story_that_was_told_before_is_no_news(self):
        story = "Maker of chips recalls all of its chips"
        told = news(-200, "a0", title=story)
        assert self.impact(news(19, title=story), burst(20, 46_000))
        assert not self.impact(told, news(19, title=story), burst(20, 46_000))
        assert not self.impact(told, news(19, title=f"{story} now"), burst(20, 46_000))
        assert self.impact(told, news(19, title="Regulator sues maker of chips"), burst(20, 46_000))

    def test_a_day_later_it_is_news_again(self):
        told = news(19 - 1440, "a0")
        assert self.impact(told, news(19), burst(20, 46_000))

    def test_a_bar_that_fired_literally_meets_news_literally(self):
        (alert,) = impact([news(11), burst()], profiles=[profile()], alerting_form={"abnormal_volume": "literal"})
        assert (alert.form, alert.profile_version) == ("literal", None)


def test_volume_that_is_taken_back_takes_its_news_back():
    detection = run([*calm(), news(19), burst(), bar(20, volume=1001)])
    fired, retracted = alerts(detection, "news_impact")
    assert (fired.status, retracted.status) == ("fired", "retracted")
    assert retracted.event_id == fired.event_id
    assert (retracted.before_value, retracted.before_threshold) == (9000, 3000)
    assert not detection.state.record_state.episodes


def test_a_burst_that_comes_as_a_correction_meets_the_news():
    detection = run([*calm(21), news(19), burst(20)])
    assert detection.counts["corrected"] == 1
    (alert,) = alerts(detection, "news_impact")
    assert (alert.ts_ms, alert.status) == (at(20), "fired")


def test_a_corrected_burst_confirms_its_news_and_tells_it_once():
    detection = run([*calm(), news(19), burst(20, 9000), burst(20, 9500)])
    assert [it.status for it in alerts(detection, "abnormal_volume")] == ["fired", "confirmed"]
    fired, confirmed = alerts(detection, "news_impact")
    assert (fired.status, fired.value) == ("fired", 9000)
    assert (confirmed.status, confirmed.value, confirmed.before_value) == ("confirmed", 9500, 9000)
    assert confirmed.event_id == fired.event_id


def test_when_the_first_bar_of_an_episode_is_taken_back_the_next_one_tells_its_news():
    detection = run([*calm(), news(19), burst(20), burst(21), bar(20, volume=1001)])
    standing = {it.event_id: it for it in alerts(detection, "news_impact")}
    assert [(it.ts_ms, it.status) for it in standing.values()] == [(at(20), "retracted"), (at(21), "fired")]
    at_once = run([*calm(), news(19), bar(20, volume=1001), burst(21)])
    assert detection.state.record_state.episodes == at_once.state.record_state.episodes


def test_the_news_of_weeks_may_come_before_its_bars():
    old = [news(-1440 * 15 + 100 * number, article=f"old {number}") for number in range(100)]
    detection = run([*old, news(19), *[news(5000 + number, article=f"new {number}") for number in range(100)]])
    detection = run([*calm(), burst()], state=detection.state)
    (alert,) = alerts(detection, "news_impact")
    assert alert.ts_ms == at(20)
    # What is long past is forgotten, what is yet to come is not.
    assert len(detection.state.record_state.articles["NVDA"]) == 101


class TestAnyOrderOfArrival:
    """A bar meets the articles of its time as in a replay, which has all in order of time: nothing that comes between
    makes them forgotten."""

    @staticmethod
    def polled(records, ms: int) -> list:
        return [replace(record, polled_ms=ms) for record in records]

    @staticmethod
    def matched(detection: Detection) -> set[tuple[str, int]]:
        by_series = detection.state.record_state.volume_bars.items()
        return {(name, bar.ts_ms) for name, bars in by_series for bar in bars if bar.news_alert}

    def test_a_live_burst_between_the_news_of_a_backfill_and_its_bars(self):
        now = OPEN + 20 * DAY
        live = [*calm(start=now), bar(20, volume=9000, start=now)]
        past = [bar(minute, volume=9000 if minute == 20 else 1000, timespan="5minute") for minute in range(21)]
        records = [*self.polled([news(101)], at(20, now)), *live, *self.polled(past, at(22, now))]
        (alert,) = alerts(run(records), "news_impact")
        assert (alert.timespan, alert.ts_ms) == ("5minute", at(100))

    def test_news_that_are_asked_for_again_wait_anew(self):
        """A backfill of other bars brings articles that detection has known for long."""
        now = OPEN + 30 * DAY
        live = [*calm(start=now), bar(20, volume=9000, start=now)]
        past = [bar(minute, volume=9000 if minute == 20 else 1000, timespan="5minute") for minute in range(21)]
        first, again = self.polled([news(101)], at(101)), self.polled([news(101)], at(20, now))
        assert not alerts(run([*first, *live, *self.polled(past, at(22, now))]), "news_impact")
        assert alerts(run([*first, *again, *live, *self.polled(past, at(22, now))]), "news_impact")

    def test_what_came_a_week_ago_is_forgotten(self):
        def remembered_after(days: int) -> set[str]:
            later = OPEN + days * DAY
            detection = run([*self.polled([news(101)], at(102)), *calm(start=later), bar(20, volume=9000, start=later)])
            return {*detection.state.record_state.articles}

        assert remembered_after(6) == {"NVDA"}
        assert remembered_after(8) == set()

    @settings(deadline=None, max_examples=60)
    @given(data=st.data())
    def test_the_same_bars_match_in_whatever_order_series_and_articles_come(self, data):
        days = data.draw(st.lists(st.sampled_from([0, 1, 5, 8, 30]), min_size=2, unique=True).map(sorted))
        queues = {}  # of one series each, day by day
        for timespan in ("minute", "5minute"):
            bursts = [data.draw(st.sets(st.integers(20, 24), min_size=1, max_size=2)) for _ in days]
            queues[timespan] = [
                [
                    bar(k, volume=9_000 if k in burst else 1_000, timespan=timespan, start=OPEN + day * DAY)
                    for k in range(25)
                ]
                for day, burst in zip(days, bursts, strict=True)
            ]
        queues["news"] = [
            [
                news(
                    data.draw(st.sampled_from(days)) * 1440 + data.draw(st.sampled_from([20, 100, 120])) + number,
                    f"a{number}",
                    data.draw(st.sampled_from(["negative", "negative", "neutral", None])),
                    title=f"Recall of {number} {number} {number}",
                )
            ]
            for number in data.draw(st.permutations(range(4)))
        ]
        in_time = sorted(
            (record for queue in queues.values() for part in queue for record in self.polled(part, 0)),
            key=lambda it: it.published_ms if type(it) is NewsItem else it.ts_ms + SPAN_MS[it.timespan],
        )
        arrived, now = [], OPEN + 40 * DAY
        for name in data.draw(st.permutations([name for name, queue in queues.items() for _ in queue])):
            now += data.draw(st.integers(0, 10 * HOUR_MS))
            arrived += self.polled(queues[name].pop(0), now)
        given = {"profiles": [profile()] if data.draw(st.booleans()) else []}
        assert self.matched(run(arrived, **given)) == self.matched(run(in_time, **given))


class TestRevisedArticles:
    """What rested on an article that is corrected or withdrawn is judged once more, as if it had been right at once."""

    BARS = (*calm(), burst(20), bar(21), bar(22), burst(23, 20_000), bar(24), burst(25, 90_000))

    @staticmethod
    def matched(records, **given) -> dict:
        """What each bar of abnormal volume is said to have to do with news."""
        (bars,) = run(records, **given).state.record_state.volume_bars.values()
        alerts_of = {bar.ts_ms: bar.news_alert for bar in bars if bar.news_alert}
        return {at: (it.article_id, it.value, it.explanation, it.event_ids) for at, it in alerts_of.items()}

    @pytest.mark.parametrize("change", [{"withdrawn": True}, {"sentiment": "neutral"}, {"sentiment": None}])
    def test_when_nothing_remains_the_alert_is_retracted(self, change):
        fired, retracted = impact([news(19), burst(), news(19, **change)])
        assert (fired.status, retracted.status) == ("fired", "retracted")
        assert (retracted.event_id, retracted.before_value) == (fired.event_id, 9000)
        (again,) = impact([news(19), burst(), news(19, **change), news(19)])[2:]
        assert (again.status, again.event_id) == ("fired", fired.event_id)

    def test_another_article_that_fits_takes_its_place(self):
        fired, confirmed = impact([news(19), burst(), news(21, "a2", title="Fire"), news(19, withdrawn=True)])
        assert (confirmed.status, confirmed.article_id, confirmed.event_id) == ("confirmed", "a2", fired.event_id)
        assert '"Fire"' in confirmed.explanation
        assert confirmed.event_ids[-1] == news(21, "a2", title="Fire").event_id

    def test_a_corrected_title_is_told_again(self):
        fired, confirmed = impact([news(19), burst(), news(19, title="Recall of one lot")])
        assert (confirmed.status, confirmed.value) == ("confirmed", fired.value)
        assert '"Recall of one lot"' in confirmed.explanation

    def test_what_turns_out_to_be_a_round_up_is_taken_back(self):
        about_one, about_many = {"tickers": ("NVDA",)}, {"tickers": ("NVDA", *(f"T{number}" for number in range(19)))}
        given = {"profiles": [profile()]}
        fired, retracted = impact([news(19, **about_one), burst(20, 46_000), news(19, **about_many)], **given)
        assert (fired.status, retracted.status) == ("fired", "retracted")

    def test_a_story_is_new_again_when_the_first_to_tell_it_is_withdrawn(self):
        first, second = (
            news(minute, name, title="Maker of chips recalls all") for minute, name in ((-60, "a0"), (19, "a1"))
        )
        taken_back = news(-60, "a0", title="Maker of chips recalls all", withdrawn=True)
        given = {"profiles": [profile()]}
        assert not impact([first, second, burst(20, 46_000)], **given)
        (alert,) = impact([first, second, burst(20, 46_000), taken_back], **given)
        assert (alert.status, alert.article_id) == ("fired", "a1")

    def test_one_that_is_withdrawn_before_its_bar_comes_does_not_count(self):
        assert not impact([news(19), news(19, withdrawn=True), burst()])

    @settings(deadline=None, max_examples=60)
    @given(data=st.data())
    def test_a_revised_article_is_having_had_it_right_at_once(self, data):
        def draw_article(name: str) -> NewsItem:
            sentiment = data.draw(st.sampled_from(["negative", "negative", "positive", None]))
            title = data.draw(st.sampled_from(["Recall of all chips", "Recall of all chips now", "Fire in a plant"]))
            withdrawn, minute = data.draw(st.sampled_from([False, False, True])), data.draw(st.integers(8, 30))
            return news(minute, name, sentiment, title=title, withdrawn=withdrawn)

        def draw_log(names: list[str]) -> list[NewsItem]:
            return [draw_article(name) for name in names]

        right = draw_log(["a1", "a2", "a3"])
        wrong = {item.article_id: draw_article(item.article_id) for item in right}
        places = sorted(data.draw(st.integers(0, len(self.BARS))) for _ in right)
        later = data.draw(st.integers(0, len(self.BARS)))
        given = {"profiles": [profile()] if data.draw(st.booleans()) else []}
        at_once, revised = list(self.BARS), list(self.BARS)
        for place, item in reversed(list(zip(places, right, strict=True))):
            at_once.insert(place, item)
            revised.insert(place, wrong[item.article_id])
        revised = [*revised[: max(later, places[-1] + 3)], *right, *revised[max(later, places[-1] + 3) :]]
        assert self.matched(revised, **given) == self.matched(at_once, **given)


TITLE = (
    "<!channel> ACME\n[critical] GOOD closed up 900 %\u2028see\x85\u202e<https://evil.example|here>" + "x" * 2_000_000
)


def test_an_alert_is_one_sentence_of_one_line_whatever_the_log_has_as_title():
    """The border makes titles one line; messages of an earlier version may still be on the topic."""
    detected = run([*calm(), news(19.5, title=TITLE), burst()])
    (alert,) = alerts(detected, "news_impact")
    assert alert.explanation.isprintable()
    assert len(alert.explanation) < 600
    assert len(detected.state.to_bytes()) < 100_000
