"""What stands on an alert: where its values come from, and what a revision changes about it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.alert_records import build_alert, build_revisions, build_volume_bars
from include.surveillance.detection.columns import BarColumns, write_event_id
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.registry import VOLUME
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Bar
from include.surveillance.timespans import MINUTE_MS, SPAN_MS
from tests.surveillance.detection.market import (
    OPEN,
    SESSIONS,
    alerts,
    at,
    bar,
    calm,
    engine,
    evaluate,
    news,
    profile,
    run,
    watermark,
)  # fmt: skip

closes = st.sampled_from([100.0, 100.0, 100.25, 101.5, 98.5])
volumes = st.sampled_from([1000, 1000, 1100, 3500, 9000, 80_000])


@st.composite
def minutes(draw, count: int = 60) -> list[Bar]:
    steps = draw(st.lists(st.tuples(closes, volumes), min_size=21, max_size=count))
    return [bar(minute, close=close, volume=volume) for minute, (close, volume) in enumerate(steps)]


@settings(deadline=None, max_examples=40)
@given(bars=minutes(), live=st.booleans(), polled=st.booleans())
def test_an_alert_rests_on_the_bars_of_its_window_and_on_nothing_else(bars, live, polled):
    source = "live" if live else "backfill"
    bars = [Bar(**_values(it) | {"source": source, "polled_ms": it.polled_ms * polled}) for it in bars]
    known = {it.event_id: it for it in bars}
    for alert in run(bars).alerts:
        rests_on = [known[event_id] for event_id in alert.event_ids]
        ends = rests_on[0]
        assert (alert.ts_ms, alert.bar_close_ms) == (ends.ts_ms, ends.close_ms)
        assert all(later.ts_ms - earlier.ts_ms == MINUTE_MS for later, earlier in pairwise(rests_on)), "newest first"
        assert len(rests_on) == 21
        assert (alert.window_start_ms, alert.window_end_ms) == (rests_on[-1].ts_ms, ends.close_ms)
        assert alert.data_age_ms == (ends.polled_ms - ends.close_ms if polled else 0)
        assert (alert.source, alert.session_phase, alert.session_date) == (source, "regular", "2019-02-14")
        assert alert.session_date == SESSIONS.session_date(alert.ts_ms)
        assert alert.episode_start_ms <= alert.ts_ms
        if alert.rule == "abnormal_volume":
            before = [float(it.volume) for it in rests_on[1:]]
            assert (alert.value, alert.baseline) == (float(ends.volume), pytest.approx(sum(before) / 20))


def test_the_window_of_a_gap_begins_with_the_bar_of_the_previous_close():
    night = 24 * 60 * MINUTE_MS
    bars = [bar(388), bar(389), bar(0, start=OPEN + night, close=110.0), bar(1, start=OPEN + night, close=110.0)]
    (alert,) = alerts(run(bars), "price_gap")
    assert (alert.window_start_ms, alert.ts_ms, alert.direction) == (at(389), OPEN + night, "up")


@pytest.mark.parametrize("form", ["literal", "robust"])
def test_an_alert_of_a_single_record_says_where_in_the_day_it_lies(form):
    records = [*calm(), bar(20, volume=46_000), news(19), watermark(22, rejected=1, bars=3)]
    detection = run(records, profiles=[profile()], alerting_form=form)
    for name in ("news_impact", "data_quality"):
        (alert,) = alerts(detection, name)
        assert (alert.session_phase, alert.session_date) == ("regular", "2019-02-14")
        assert alert.parameters_version == alerts(detection, "abnormal_volume")[0].parameters_version
        robust = name == "news_impact" and form == "robust"
        assert (alert.form, alert.profile_version) == (
            ("robust", profile().version) if robust else ("literal", None)
        )  # fmt: skip


def test_a_bar_of_abnormal_volume_is_remembered_as_it_fired():
    machine, state = engine(), State("exact")
    evaluation = evaluate(machine, state, [*calm(), bar(20, volume=9000), bar(21)])
    (remembered,) = build_volume_bars(machine, evaluation, 0)
    (f,) = np.flatnonzero(evaluation.firings.kind == VOLUME).tolist()
    alert = build_alert(machine, evaluation, evaluation.firings, f)
    burst = bar(20, volume=9000)
    cited = [write_event_id(("NVDA", "minute"), stamp) for stamp in remembered.rests_on]
    assert (remembered.ts_ms, cited) == (burst.ts_ms, [burst.event_id, *(it.event_id for it in reversed(calm()))])
    assert (remembered.value, remembered.threshold, remembered.baseline, remembered.form) == (
        alert.value, alert.threshold, alert.baseline, alert.form,
    )  # fmt: skip
    assert (remembered.exceedance, remembered.polled_ms, remembered.news_alert) == (3.0, burst.polled_ms, None)


class TestRevisions:
    """One bar of 40 is put right; what is published is the difference between two readings of all of them."""

    @staticmethod
    def openings(bars: Iterable[Bar]) -> dict[str, Alert]:
        """The alerts that opened an episode, by id."""
        return {alert.event_id: alert for alert in run(bars).alerts if alert.firings == 1}

    @settings(deadline=None, max_examples=60)
    @given(bars=minutes(40), data=st.data())
    def test_they_are_the_difference_between_having_had_it_wrong_and_right(self, bars, data):
        at_ = data.draw(st.integers(max(0, len(bars) - 20), len(bars) - 1))
        right = bar(at_, close=data.draw(closes), volume=data.draw(volumes))
        was, now = self.openings(bars), self.openings([*bars[:at_], right, *bars[at_ + 1 :]])
        published = {it.event_id: it for it in self.revised(bars, right)}
        assert {name for name, it in published.items() if it.status == "retracted"} == was.keys() - now.keys()
        assert {name for name, it in published.items() if it.status == "fired"} == now.keys() - was.keys()
        for name in was.keys() & now.keys():
            then, since = was[name], now[name]
            changed = (then.value, then.threshold, then.direction) != (since.value, since.threshold, since.direction)
            assert (name in published) == changed
            if changed:
                it = published[name]
                assert (it.status, it.value, it.threshold) == ("confirmed", since.value, since.threshold)
                assert (it.before_value, it.before_threshold) == (then.value, then.threshold)

    @staticmethod
    def revised(bars: list[Bar], right: Bar) -> list[Alert]:
        machine, state = engine(), State("exact")
        evaluate(machine, state, bars)
        before, part = TestRevisions.reconsidered(machine, state), state.copy()
        part.insert_bars(BarColumns.from_records([right]))
        return build_revisions(machine, before, machine.reconsider(part), 0)

    @staticmethod
    def reconsidered(machine: Engine, state: State) -> Evaluation:
        return machine.reconsider(state.copy())

    def test_a_confirmed_alert_counts_all_firings_of_its_episode(self):
        bars = [*calm(), bar(20, volume=9000), bar(21, volume=20_000), bar(22)]
        (alert,) = self.revised(bars, bar(20, volume=9500))
        assert (alert.status, alert.firings, alert.ts_ms) == ("confirmed", 2, at(20))

    def test_nothing_is_published_where_nothing_changes(self):
        bars = [*calm(), bar(20, volume=9000), bar(21)]
        assert not self.revised(bars, bar(21, close=100.1))

    def test_a_turned_direction_is_a_confirmation_whatever_the_values(self):
        (alert,) = self.revised([*calm(), bar(20, close=101)], bar(20, close=99))
        assert (alert.status, alert.direction, alert.before_value, alert.value) == ("confirmed", "down", 101.0, 99.0)
        wide = {"high": 104.0, "low": 96.0, "start": OPEN + 24 * 60 * MINUTE_MS}
        (alert,) = self.revised([bar(389), bar(0, open=103.0, **wide)], bar(0, open=97.0, **wide))
        assert (alert.status, alert.direction, alert.value, alert.before_value) == (
            "confirmed",
            "down",
            *[alert.value] * 2,
        )


def _values(it: Bar) -> dict:
    names = ("symbol", "timespan", "ts_ms", "open", "high", "low", "close", "volume")
    assert it.close_ms == it.ts_ms + SPAN_MS[it.timespan]
    return {name: getattr(it, name) for name in names}
