"""What people are told: each cause once when it begins, once when it is over, and of consequences nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.watchdog.causes import (
    AIRFLOW,
    BREAKS,
    CALM_SECONDS,
    DATA,
    RECOVERY_SECONDS,
    STARTING_SECONDS,
    WORKERS,
    Judge,
    Open,
    Sight,
    find_breakers,
)

ALL = sorted({*BREAKS, *AIRFLOW, *WORKERS, *DATA, "disk", "memory"})
ROUND = 10.0


class Played:
    """Rounds of ten seconds, of which each says what is wrong in it; all else is well."""

    def __init__(self, judge=None):
        self.judge, self.now, self.told = judge or Judge(), 1_000_000.0, []

    def play(self, rounds, **wrong):
        for _ in range(rounds):
            sights = {cause: Sight(cause) for cause in ALL}
            for name, status in wrong.items():
                cause = name.replace("_", "-")
                sights[cause] = Sight(cause, status, f"{cause} is wrong", 30.0)
            sights = [sight for sight in sights.values() if sight.status != "unknown"]
            self.told += [(it.cause, it.event) for it in self.judge.judge(sights, self.now)]
            self.now += ROUND
        return self.told


def test_nothing_is_told_while_all_is_well():
    assert Played().play(400) == []


def test_a_cause_is_told_once_and_once_when_it_is_over():
    played = Played()
    played.play(10)
    assert played.play(4, scheduler="failing") == [("scheduler", "began")]
    assert not played.judge.is_well
    assert len(played.play(500, scheduler="failing")) == 1
    played.play(2)
    assert len(played.told) == 1
    assert played.play(30) == [("scheduler", "began"), ("scheduler", "over")]
    assert played.judge.is_well


def test_what_fails_for_a_moment_is_not_told():
    played = Played()
    played.play(10)
    for _ in range(50):
        played.play(3, redis="failing")
        played.play(1)
    assert played.told == []


def test_what_comes_of_a_cause_is_not_told_though_it_is_seen_first_and_lasts_longer():
    played = Played()
    played.play(10)
    played.play(1, scheduler="doubtful", feed="failing")
    played.play(5, postgres="failing", scheduler="failing", feed="failing", api_server="failing")
    played.play(60, postgres="failing", scheduler="failing", feed="failing", worker_poll="failing")
    played.play(round(RECOVERY_SECONDS / ROUND) - 1, scheduler="failing", feed="failing", landing="failing")
    played.play(100)
    assert played.told == [("postgres", "began"), ("postgres", "over")]


def test_a_consequence_that_outlasts_its_cause_is_a_cause_of_its_own():
    played = Played()
    played.play(10)
    played.play(20, redis="failing", worker_detect="failing")
    played.play(60, worker_detect="failing")
    assert played.told == [("redis", "began"), ("redis", "over"), ("worker-detect", "began")]


def test_a_component_that_was_well_after_a_cause_was_over_is_told_within_two_minutes():
    played = Played()
    played.play(10)
    played.play(10, postgres="failing", scheduler="failing", feed="failing")
    played.play(4)
    played.play(5, scheduler="failing")
    assert played.told == [("postgres", "began"), ("postgres", "over"), ("scheduler", "began")]


def test_data_that_grow_old_after_a_cause_is_over_are_not_told():
    played = Played()
    played.play(10)
    played.play(10, postgres="failing")
    played.play(3)
    played.play(9, feed="failing")
    played.play(30)
    assert played.told == [("postgres", "began"), ("postgres", "over")]


def test_a_cause_beside_another_is_told():
    played = Played()
    played.play(10)
    played.play(20, disk="failing", kafka="failing")
    assert sorted(played.told) == [("disk", "began"), ("kafka", "began")]


def test_what_nobody_can_see_stays_as_it_is_known():
    played = Played()
    played.play(10)
    played.play(10, triggerer="failing")
    played.play(10, triggerer="unknown", api_server="failing")
    played.play(10, triggerer="failing")
    assert played.told == [("triggerer", "began"), ("api-server", "began"), ("api-server", "over")]


def test_what_has_not_been_well_yet_may_be_starting():
    played = Played()
    played.play(round(STARTING_SECONDS / ROUND), scheduler="failing")
    assert played.told == []
    assert played.play(2, scheduler="failing") == [("scheduler", "began")]


def test_who_starts_anew_tells_nobody_again():
    played = Played(Judge(open={"scheduler": Open(999_000.0, "it stands still")}))
    played.play(100, scheduler="failing")
    assert played.told == []
    assert played.play(10) == [("scheduler", "over")]


def test_what_is_not_watched_any_more_is_forgotten_and_ends_no_pings_for_ever():
    played = Played(Judge(open={"warehouse": Open(999_000.0, "it is gone")}))
    for _ in range(30 * 60):
        played.play(1, warehouse="unknown")
        played.now += 50
    assert played.told == []
    assert played.judge.is_well


def test_a_machine_that_slept_is_given_time():
    played = Played()
    played.play(10)
    played.now += 8 * 3_600
    played.play(6, scheduler="failing", feed="failing")
    played.play(10)
    assert played.told == []


def test_consequences_of_consequences_are_known():
    assert {"scheduler", "postgres", "disk-full", "redis", "kafka", "worker-poll"} <= find_breakers("bars")
    assert find_breakers("disk-full /a") == set()
    assert find_breakers("kafka") == {"disk-full"}
    # No cause is its own consequence: nobody would ever be told.
    for cause in ALL:
        assert all(cause not in find_breakers(breaker) for breaker in find_breakers(cause))


STATUS = st.sampled_from(["well", "well", "doubtful", "failing", "unknown"])


@given(st.lists(st.dictionaries(st.sampled_from(ALL), STATUS, max_size=4), max_size=60), st.integers(1, 8))
def test_whatever_happens_each_cause_begins_and_is_over_by_turns(rounds, times):
    played = Played()
    played.play(3)
    for wrong in rounds:
        played.play(times, **{cause.replace("-", "_"): status for cause, status in wrong.items()})
    played.play(round(CALM_SECONDS / ROUND) + 1)
    told = {}
    for cause, event in played.told:
        assert event == ("over" if told.get(cause) == "began" else "began")
        told[cause] = event
    assert set(told.values()) <= {"over"}


@pytest.mark.parametrize("cause", ALL)
def test_each_cause_is_told_within_two_minutes_when_it_is_the_only_one(cause):
    played = Played()
    played.play(10)
    played.play(5, **{cause.replace("-", "_"): "failing"})
    assert played.told == [(cause, "began")]
