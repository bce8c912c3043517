"""Findings at single records become episodes: against a list of them, read from the beginning each time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.alerts.severity import grade_scores, score_exceedance
from include.surveillance.detection.record_episodes import RaisedAlert, RecordEpisodes, grade
from include.surveillance.detection.rules.record_rule import Finding
from include.surveillance.detection.state import State
from include.surveillance.severities import SEVERITIES
from tests.surveillance.detection.market import at, engine

KEY = ("NVDA", "minute")
COOLDOWN = 15  # minutes


def finding(minute: float, exceedance: float = 1.0, **over) -> Finding:
    given = {"rule": "data_quality", "rule_version": 1, "value": 2.0, "threshold": 1.0} | over
    return Finding(
        ts_ms=at(minute), bar_close_ms=at(minute), polled_ms=at(minute) + 2_000, source="live", exceedance=exceedance,
        window_start_ms=at(minute - 1), window_end_ms=at(minute), event_ids=(f"w{minute}",), explanation="so it is",
        **given,
    )  # fmt: skip


def raised_by(findings: list[Finding]) -> tuple[list[RaisedAlert], State]:
    state, raised = State("exact"), []
    episodes = RecordEpisodes(engine(), state, raised)
    for log_index, one in enumerate(findings):
        episodes.add_finding(log_index, 10, KEY, one, None)
    return raised, state


@settings(deadline=None, max_examples=100)
@given(steps=st.lists(st.tuples(st.integers(0, 25), st.sampled_from([1.0, 1.5, 2.5, 4.0])), max_size=30))
def test_an_alert_is_published_when_its_episode_opens_doubles_or_becomes_more_severe(steps):
    minutes = [sum(step for step, _ in steps[: number + 1]) for number in range(len(steps))]
    findings = [finding(minute, exceedance) for minute, (_, exceedance) in zip(minutes, steps, strict=True)]
    expected: list[tuple[int, str, int, int]] = []
    episode: list[int] = []  # indices into ``findings``
    for index, minute in enumerate(minutes):
        if episode and minute - minutes[episode[-1]] > COOLDOWN:
            expected.append((index, "ended", len(episode), at(minutes[episode[0]])))
            episode = []
        severest = max((grade(findings[i].exceedance)[1] for i in episode), default=-1)
        episode.append(index)
        if len(episode) in (1, 2, 4, 8, 16, 32) or grade(findings[index].exceedance)[1] > severest:
            status = "fired" if len(episode) == 1 else "refired"
            expected.append((index, status, len(episode), at(minutes[episode[0]])))
    raised, _ = raised_by(findings)
    assert [(i, it.status, it.firings, it.episode_start_ms) for i, _, it in raised] == expected
    assert {order for _, order, _ in raised} <= {10}


def test_what_comes_late_for_a_time_before_is_an_episode_of_its_own_and_leaves_the_running_one():
    raised, state = raised_by([finding(60), finding(10), finding(61)])
    assert [(it.episode_start_ms, it.firings) for *_, it in raised] == [(at(60), 1), (at(10), 1), (at(60), 2)]
    (episode,) = state.record_state.episodes.values()
    assert (episode.start_ms, episode.last_ms, episode.firings) == (at(60), at(61), 2)


def test_what_comes_late_within_the_cooldown_belongs_to_the_episode():
    raised, state = raised_by([finding(60), finding(50)])
    assert [it.episode_start_ms for *_, it in raised] == [at(60), at(60)]
    assert state.record_state.episodes["NVDA|minute|data_quality"].last_ms == at(60)


class TestTheEnd:
    @staticmethod
    def raise_then_ask(*minutes: float, **over: object) -> list[tuple[int, str]]:
        state, raised = State("exact"), []
        episodes = RecordEpisodes(engine(), state, raised)
        one = finding(0, **over)
        episodes.add_finding(0, 10, KEY, one, None)
        for log_index, minute in enumerate(minutes, 1):
            episodes.end_quiet(log_index, 10, KEY, one.rule, at(minute))
        assert len(state.record_state.episodes) == 1 - any(alert.status == "ended" for *_, alert in raised)
        return [(log_index, alert.status) for log_index, _, alert in raised]

    def test_an_episode_of_operations_ends_once_when_its_cooldown_is_over(self):
        assert self.raise_then_ask(COOLDOWN, COOLDOWN + 1, COOLDOWN + 2) == [(0, "fired"), (2, "ended")]

    def test_that_of_the_market_has_no_end_that_is_told(self):
        assert self.raise_then_ask(60, rule="news_impact") == [(0, "fired")]

    def test_an_end_says_how_it_was_and_up_to_when_it_was_not_again(self):
        raised, _ = raised_by([finding(0), finding(60)])
        (*_, fired), (*_, ended), (*_, again) = raised
        assert (ended.event_id, ended.value, ended.ts_ms) == (fired.event_id, fired.value, fired.ts_ms)
        assert ended.explanation.startswith("so it is; not again up to 10:30 New York")
        assert (again.status, again.event_id != fired.event_id) == ("fired", True)


class TestCorrections:
    def test_a_confirmed_alert_has_the_new_values_and_says_the_old_ones(self):
        raised: list[RaisedAlert] = []
        episodes = RecordEpisodes(engine(), State("exact"), raised)
        alert = episodes.add_finding(0, 20, KEY, finding(5), None)
        assert episodes.confirm(1, 20, alert, finding(5, 3.0)) is alert, "nothing has changed that an alert shows"
        confirmed = episodes.confirm(2, 20, alert, finding(5, 3.0, value=3.0))
        assert (confirmed.status, confirmed.value, confirmed.before_value) == ("confirmed", 3.0, 2.0)
        assert (confirmed.score, confirmed.severity) == (87.5, "high")
        assert confirmed.event_id == alert.event_id
        assert raised == [(0, 20, alert), (2, 20, confirmed)]

    def test_only_the_opening_of_an_episode_is_published_again(self):
        raised: list[RaisedAlert] = []
        episodes = RecordEpisodes(engine(), State("exact"), raised)
        episodes.add_finding(0, 20, KEY, finding(5), None)
        second = episodes.add_finding(1, 20, KEY, finding(6), None)
        assert episodes.confirm(2, 20, second, finding(6, value=9.0)).value == 9.0
        assert not episodes.retract(2, 20, second)
        assert len(raised) == 2
        assert len(episodes.state.record_state.episodes) == 1

    def test_a_retraction_ends_the_episode_that_its_alert_opened(self):
        raised: list[RaisedAlert] = []
        episodes = RecordEpisodes(engine(), State("exact"), raised)
        first = episodes.add_finding(0, 20, KEY, finding(5), None)
        assert episodes.retract(1, 20, first)
        *_, retracted = raised[-1]
        assert (retracted.status, retracted.before_value, retracted.before_threshold) == ("retracted", 2.0, 1.0)
        assert not episodes.state.record_state.episodes
        later = episodes.add_finding(2, 20, KEY, finding(6), None)
        assert (later.status, later.episode_start_ms) == ("fired", at(6))


@pytest.mark.parametrize("exceedance", [1.0, 1.4, 2.0, 3.3, 5.0, 80.0])
def test_one_exceedance_is_graded_as_arrays_of_them_are(exceedance):
    score, severity = grade(exceedance)
    assert score == round(100 * (1 - 2**-exceedance), 1)
    assert SEVERITIES[severity] == SEVERITIES[int(grade_scores(score_exceedance(exceedance)))]
