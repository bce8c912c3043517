"""A backfill that comes behind live bars is history: what was told of live bars is neither retracted nor repeated."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import accumulate, pairwise

import pytest
from msgspec.structs import replace

from include.surveillance.detection.history import MOST
from include.surveillance.detection.log_pass import Detection
from include.surveillance.detection.state import REVISABLE, State
from include.surveillance.records import Alert, Bar, Metric, Watermark
from tests.surveillance.detection.market import DAY, OPEN, alerts, bar, calm, news, profile, run, watermark

BACKFILLED = {"source": "backfill"}


def walk(seed: int, first: int, last: int) -> list[Bar]:
    """Minutes with jumps and bursts; those before the open are a backfill's, those from then on live."""
    chance, close, bars = random.Random(seed), 100.0, []
    for minute in range(first, last):
        close *= 1 + chance.gauss(0, 0.002) + (chance.random() < 0.1) * chance.gauss(0, 0.03)
        volume = chance.choice([1_000, 1_200, 900, 9_000, 40_000])
        prices = {"open": close * 0.999, "high": close * 1.01, "low": close * 0.99, "close": close}
        source = "live" if minute >= 0 else "backfill"
        bars.append(bar(minute, volume=volume, source=source, **{k: round(v, 2) for k, v in prices.items()}))
    return bars


@pytest.mark.parametrize("profiles", [(), (profile(),)], ids=["literal", "robust"])
@pytest.mark.parametrize("live", [3, 8, 15, REVISABLE - 1, REVISABLE, 30])
@pytest.mark.parametrize("seed", range(4))
def test_history_changes_nothing_that_was_said_of_live_bars(seed, live, profiles):
    bars = walk(seed, -120, live)
    history, told = bars[:120], run(bars[120:], profiles=profiles)
    after = run([*history, watermark(0, rejected=2, **BACKFILLED)], told.state, profiles=profiles)
    assert not {it.event_id for it in after.alerts} & {it.event_id for it in told.alerts}
    assert {it.source for it in after.alerts} <= {"backfill"}
    assert "retracted" not in {it.status for it in after.alerts}
    # However it is cut.
    state, parts = told.state, []
    for start in range(0, 120, 7):
        part = run(history[start : start + 7], state, profiles=profiles)
        state, parts = part.state, [*parts, *part.alerts]
    whole = [it.event_id for it in after.alerts if it.rule != "data_quality"]
    assert sorted(it.event_id for it in parts) == sorted(whole)


def test_as_long_as_history_can_take_its_place_it_is_judged_as_history():
    live = [bar(minute) for minute in range(5)]
    history = [bar(minute, volume=9_000 if minute == -50 else 1_000, **BACKFILLED) for minute in range(-100, 0)]
    (alert,) = alerts(run(history, run(live).state), "abnormal_volume")
    assert (alert.source, alert.ts_ms, alert.status) == ("backfill", OPEN - 50 * 60_000, "fired")


def test_what_live_bars_were_told_of_stands_though_history_makes_it_usual():
    """Five minutes of heavy trading are abnormal for the profile; behind an hour of it they would be one episode."""
    live, heavy = [bar(minute, volume=40_000) for minute in range(60, 68)], {"volume": 40_000, **BACKFILLED}
    told = run(live, profiles=(profile(),))
    (first,) = [it for it in told.alerts if it.rule == "abnormal_volume" and it.status == "fired"]
    after = run([bar(minute, **heavy) for minute in range(60)], told.state, profiles=(profile(),))
    assert first.event_id not in {it.event_id for it in after.alerts}
    assert alerts(after, "abnormal_volume")
    assert {it.source for it in after.alerts} == {"backfill"}


def test_a_backfill_that_corrects_a_bar_which_an_alert_rests_on_changes_it():
    told = run([*calm(20), bar(20, volume=9_000)])
    (fired,) = alerts(told, "abnormal_volume")
    corrected = run([bar(20, volume=1_000, **BACKFILLED)], told.state)
    (retracted,) = alerts(corrected, "abnormal_volume")
    assert (retracted.event_id, retracted.status) == (fired.event_id, "retracted")
    mean = run([bar(3, volume=3_000, **BACKFILLED)], told.state)
    (confirmed,) = alerts(mean, "abnormal_volume")
    assert (confirmed.event_id, confirmed.status, confirmed.threshold) == (fired.event_id, "confirmed", 3_300)


def test_a_live_bar_that_a_backfill_has_corrected_is_a_live_one_still():
    told = run([*calm(10), bar(10, open=110, high=110.5, low=109.5, close=110, volume=50_000)], profiles=(profile(),))
    ids = {it.event_id for it in told.alerts}
    assert ids
    corrected = run([replace(told_bar(), **BACKFILLED)], told.state, profiles=(profile(),))
    after = run([bar(minute, **BACKFILLED) for minute in range(-60, 0)], corrected.state, profiles=(profile(),))
    assert not ids & {it.event_id for it in after.alerts}


def told_bar() -> Bar:
    return bar(10, open=110, high=110.5, low=109.5, close=110, volume=50_001)


def test_news_that_met_a_live_bar_stands():
    told = run([*calm(20), bar(20, volume=9_000), news(19)])
    assert alerts(told, "news_impact")
    # Bars 1 to 20 can be revised: a minute that was missing among them raises the mean beyond a third of the volume.
    missing = run([bar(minute) for minute in range(25) if minute != 12], told.state.copy())
    late = run([bar(12, volume=90_000, **BACKFILLED)], missing.state)
    assert "retracted" not in {it.status for it in late.alerts}


def test_a_late_live_bar_changes_what_it_would_have_changed_in_time():
    told = run([bar(minute) for minute in range(21) if minute != 12] + [bar(21, volume=9_000)])
    (fired,) = alerts(told, "abnormal_volume")
    late = {"volume": 90_000}
    (retracted,) = alerts(run([bar(12, **late)], told.state), "abnormal_volume")[-1:]
    assert (retracted.event_id, retracted.status) in {(fired.event_id, "retracted"), (retracted.event_id, "fired")}
    assert fired.event_id in {it.event_id for it in run([bar(12, **late)], told.state).alerts}
    assert fired.event_id not in {it.event_id for it in run([bar(12, **late, **BACKFILLED)], told.state).alerts}


def test_findings_of_a_backfill_neither_continue_nor_count_in_a_live_episode():
    told = run([bar(0), watermark(1, rejected=1, bars=1)])
    (fired,) = alerts(told, "data_quality")
    after = run([watermark(2, rejected=9, bars=1, **BACKFILLED)], told.state)
    (other,) = alerts(after, "data_quality")
    assert (other.event_id != fired.event_id, other.source, other.firings) == (True, "backfill", 1)
    (again,) = alerts(run([watermark(3, rejected=1, bars=1)], after.state), "data_quality")
    assert (again.event_id, again.firings) == (fired.event_id, 2)


def minutes_of(found: Iterable[Alert | Metric]) -> list[float]:
    return sorted((it.ts_ms - OPEN) / 60_000 for it in found)


def pieces(records: list, cuts: Iterable[int], state: State | None = None, **given) -> Detection:
    """What comes of records in several batches."""
    whole = Detection(state or State("exact"))
    for start, end in pairwise([0, *cuts, len(records)]):
        part = run(records[start:end], State.from_bytes(whole.state.to_bytes()), **given)
        whole.state = part.state
        whole.metrics += part.metrics
        whole.alerts += part.alerts
    return whole


class TestBarsOlderThanTheStateCanRevise:
    """Live minutes from 300 on; a backfill brings what was before, or what nobody had asked for."""

    LIVE = tuple(walk(9, 300, 360))
    HISTORY = tuple(replace(it, source="backfill") for it in walk(5, 0, 300))

    @pytest.mark.parametrize("profiles", [(), (profile(),)], ids=["literal", "robust"])
    def test_are_judged_in_their_place_as_they_would_have_been_in_time(self, profiles):
        told = run(self.LIVE, profiles=profiles)
        after = run(self.HISTORY, told.state, profiles=profiles)
        in_time = run(self.HISTORY, profiles=profiles)
        assert after.alerts == in_time.alerts
        assert after.metrics == in_time.metrics
        assert after.counts["history"] == 300
        assert len({it.rule for it in after.alerts}) >= 3
        assert {it.source for it in after.alerts} == {"backfill"}
        assert not {it.event_id for it in after.alerts} & {it.event_id for it in told.alerts}

    def test_leave_what_follows_live_as_it_is(self):
        following = walk(7, 360, 420)
        with_history = pieces([*self.LIVE, *self.HISTORY, *following], [60, 200, 360])
        without = run([*self.LIVE, *following])
        live = [it for it in with_history.alerts if it.source == "live"]
        assert live == without.alerts
        assert [it for it in with_history.metrics if it.source == "live"] == without.metrics

    @pytest.mark.parametrize("again", [slice(0, 300), slice(100, 220), slice(299, 300), slice(0, 1)])
    def test_say_nothing_a_second_time(self, again):
        told = run([*self.LIVE, *self.HISTORY])
        after = run(self.HISTORY[again], told.state)
        assert (after.alerts, after.metrics, after.counts["history"]) == ([], [], 0)

    def test_come_to_the_same_when_a_task_is_repeated_half_way(self):
        once, twice = [*self.LIVE, *self.HISTORY], [*self.LIVE, *self.HISTORY[:130], *self.HISTORY]
        assert pieces(twice, [60, 150, 200, 400]).alerts == run(once).alerts

    def test_say_nothing_of_times_that_live_bars_were_judged_at(self):
        told = run(self.LIVE)
        again = run([replace(it, source="backfill") for it in self.LIVE], told.state)
        assert (again.alerts, again.metrics, again.counts["history"]) == ([], [], 0)
        corrected = [
            replace(it, source="backfill", volume=it.volume * 40, revision="", event_id="") for it in self.LIVE
        ]
        after = run(corrected[:30], told.state)
        assert (after.alerts, after.counts["stale"]) == ([], 30)

    def test_of_an_earlier_range_begin_a_walk_of_their_own(self):
        earlier = [replace(it, source="backfill") for it in walk(11, -300, -100)]
        after = run([*self.LIVE, *self.HISTORY, *earlier])
        alone = run(earlier)
        assert alone.alerts
        assert [it for it in after.alerts if it.ts_ms < OPEN] == alone.alerts
        # What comes between the two carries the second walk on.
        between = [replace(it, source="backfill") for it in walk(13, -100, 0)]
        in_order = run([*earlier, *between]).alerts
        assert run(between, after.state).alerts == in_order[len(alone.alerts) :]

    def test_are_corrected_while_the_walk_can_revise_them(self):
        history = [bar(minute, volume=9_000 if minute == 50 else 1_000, **BACKFILLED) for minute in range(60)]
        told = run([*calm(60, 300), *history])
        (fired,) = alerts(told, "abnormal_volume")
        after = run([bar(50, **BACKFILLED)], told.state)
        (retracted,) = alerts(after, "abnormal_volume")
        assert (retracted.event_id, retracted.status, retracted.source) == (fired.event_id, "retracted", "backfill")

    def test_meet_the_news_of_their_time(self):
        history = [bar(minute, volume=9_000 if minute == 50 else 1_000, **BACKFILLED) for minute in range(60)]
        told = run([*calm(60, 300), replace(news(48), source="backfill"), *history])
        (alert,) = alerts(told, "news_impact")
        assert (alert.source, alert.ts_ms) == ("backfill", OPEN + 50 * 60_000)

    def test_that_a_live_poll_brings_stay_stale(self):
        after = run([replace(it, source="live") for it in self.HISTORY], run(self.LIVE).state)
        assert (after.alerts, after.counts["stale"]) == ([], 300)


class TestATimeThatNobodyAskedFor:
    """Live to minute 100, then nothing until 160: a backfill of the whole day brings the hour between."""

    TRADED = tuple(walk(3, 0, 240))
    LIVE = (*TRADED[:100], *TRADED[160:])
    BACKFILL = tuple(replace(it, source="backfill") for it in TRADED)

    def polled(self, minutes: Iterable[int]) -> list[Bar | Watermark]:
        """Live bars, each followed by the watermark of its poll."""
        return [record for minute in minutes for record in (self.TRADED[minute], watermark(minute + 1))]

    @pytest.mark.parametrize("watermarks", [False, True])
    def test_is_judged_with_the_bars_before_it(self, watermarks):
        live = self.polled([*range(100), *range(160, 240)]) if watermarks else self.LIVE
        told = run(live)
        after = run(self.BACKFILL, told.state)
        # All of these go by their windows alone; percentiles remember from the beginning of the walk on.
        rules = ("abnormal_volume", "price_breakout")
        whole = [it for it in run(self.TRADED).alerts if it.rule in rules and 100 <= minutes_of([it])[0] < 160]
        ours = [it for it in after.alerts if it.rule in rules]
        opened = {it.event_id for it in ours if it.status == "fired"}
        assert {it.event_id for it in whole if it.status == "fired"} <= opened
        assert minutes_of(after.metrics) == [*range(100, 160)]
        assert {it.source for it in after.alerts} == {"backfill"}
        assert all(100 <= minute < 160 for minute in minutes_of(after.alerts))
        assert not opened & {it.event_id for it in told.alerts}
        assert run(self.BACKFILL, after.state).alerts == []

    def test_is_no_time_without_trades_that_was_asked_for(self):
        quiet = [*self.polled(range(100)), *(watermark(minute + 1, bars=0) for minute in range(100, 160))]
        told = run([*quiet, *self.polled(range(160, 240))])
        assert told.state.record_state.unjudged == {}
        late = run(self.BACKFILL[100:160], told.state)
        assert (late.alerts, late.counts["stale"]) == ([], 60)

    def test_is_told_of_by_the_watermark_alone(self):
        """The outage ends with a poll that brings nothing; the first bar after it comes later."""
        told = run(
            [*self.polled(range(100)), watermark(161, bars=0), watermark(162, bars=0), *self.polled(range(162, 240))]
        )
        (left,) = told.state.record_state.unjudged.values()
        assert left[1:] == [(OPEN + 100 * 60_000, OPEN + 160 * 60_000)]
        assert minutes_of(run(self.BACKFILL, told.state).metrics) == [*range(100, 160)]

    def test_is_as_long_as_a_backfill_leaves_it(self):
        told = run(self.LIVE)
        first = run([*self.BACKFILL[100:120], watermark(125, from_ms=OPEN, **BACKFILLED)], told.state)
        assert first.counts["history"] == 20
        second = run(self.BACKFILL, first.state)
        assert minutes_of(second.metrics) == [*range(125, 160)]

    def test_does_not_end_at_the_night(self):
        live = [*self.TRADED[:100], *(bar(minute, start=OPEN + DAY) for minute in range(60))]
        assert run(live).state.record_state.unjudged.keys() == {"NVDA|minute"}
        # A market that is closed has no bars that anybody could have missed.
        night = [*walk(3, 0, 631), *(bar(minute, start=OPEN + DAY) for minute in range(-330, 60))]
        assert run(night).state.record_state.unjudged == {}

    def test_many_are_remembered_the_shortest_not(self):
        live = [bar(minute) for minute in accumulate(7 + hole % 3 for hole in range(MOST + 6))]
        (left,) = run(live).state.record_state.unjudged.values()
        assert len(left) == MOST
        assert left[0] == (-(1 << 62), OPEN + 7 * 60_000)
        assert sum(end - start < 420_000 for start, end in left) == 23 - 6


@pytest.mark.parametrize("seed", range(6))
def test_a_log_with_backfills_is_the_same_however_it_is_cut(seed):
    chance = random.Random(seed)
    bars = walk(seed, -200, 200)
    backfilled = [replace(it, source="backfill") for it in bars]
    log: list = []
    for minute in (minute for minute in range(50, 200) if chance.random() < 0.95):
        log.append(replace(bars[minute + 200], source="live"))
        if chance.random() < 0.7:
            log.append(watermark(minute + 1))
    for _ in range(5):
        first = chance.randrange(300)
        part: list = backfilled[first : first + chance.randrange(1, 120)]
        if chance.random() < 0.5:
            part.append(watermark(first - 200 + len(part), from_ms=part[0].ts_ms, **BACKFILLED))
        at = chance.randrange(len(log))
        log[at:at] = [*part, news(chance.randrange(-100, 100), f"a{first}")]
    whole = run(log, profiles=(profile(effective_ms=OPEN + 3_000_000),))
    cuts = sorted(chance.sample(range(1, len(log)), 12))
    parts = pieces(log, cuts, profiles=(profile(effective_ms=OPEN + 3_000_000),))
    assert whole.counts["history"] > 20
    assert (parts.alerts, parts.metrics) == (whole.alerts, whole.metrics)
    assert parts.state.to_bytes() == whole.state.to_bytes()
    opened = [it.event_id for it in whole.alerts if it.status == "fired"]
    retracted = {it.event_id for it in whole.alerts if it.status == "retracted"}
    assert len({*opened} - retracted) == len([it for it in opened if it not in retracted])
