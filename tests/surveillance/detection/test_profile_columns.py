"""Profiles as columns are the records that they were made of, and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection.profile_columns import LISTS, ProfileColumns, prior_levels
from include.surveillance.detection.rules.registry import PRIORS, TAILED
from include.surveillance.detection.tails import PERIODS
from include.surveillance.records import Profile, Tail
from tests.surveillance.detection.market import DAY, OPEN, profile

slots = st.none() | st.floats(0, 20, width=16)
tails = st.builds(
    Tail,
    rule=st.sampled_from(TAILED),
    part=st.sampled_from(["regular", "around"]),
    sessions=st.integers(0, 9),
    scores=st.just([(3, 5)]),
    levels=st.lists(st.floats(0.05, 9), min_size=len(PERIODS), max_size=len(PERIODS)).map(sorted),
)


@st.composite
def profiles(draw) -> Profile:
    count = draw(st.integers(1, 4))
    return profile(
        **{name: draw(st.lists(slots, min_size=count, max_size=count)) for name in LISTS},
        symbol=draw(st.sampled_from("AB")),
        timespan=draw(st.sampled_from(["minute", "day"])),
        effective_ms=OPEN + DAY * draw(st.integers(0, 3)),
        liquidity=draw(st.sampled_from(["liquid", "mid", "thin"])),
        asset_class=draw(st.sampled_from(["", "CS"])),
        **draw(st.just({}) | st.fixed_dictionaries({"carried": st.just(7), "range_long": st.just(0.1)})),
    )


@given(records=st.lists(profiles(), max_size=5), data=st.data())
def test_each_is_the_record_that_it_was_made_of(records, data):
    columns = ProfileColumns.from_records(records, TAILED, PRIORS)
    assert columns == records
    # What its tails have counted, the columns do not say.
    plain = [it for it in records if not it.carried]
    assert list(dataclasses.replace(ProfileColumns.from_records(plain), _records={})) == plain
    order = np.array(data.draw(st.permutations(range(len(records)))), np.int64)
    assert list(columns.take(order)) == [records[k] for k in order]
    assert [columns.describe(k) for k in range(len(records))] == [(it.asset_class, it.liquidity) for it in records]
    assert [columns.version(k) for k in range(len(records))] == [it.version for it in records]


@given(tail=tails, timespan=st.sampled_from(["minute", "day"]))
def test_what_no_tail_says_is_what_the_rule_holds_for_rare(tail, timespan):
    known = profile(timespan=timespan, carried=3, range_long=0.1, tails=[tail])
    levels = ProfileColumns.from_records([known, profile()], TAILED, PRIORS).levels
    own = 2 * TAILED.index(tail.rule) + (tail.part == "around")
    unknown = prior_levels(np.repeat(PRIORS[int(timespan == "day")], 2))
    assert levels[0, own].tolist() == tail.levels
    assert np.array_equal(np.delete(levels[0], own, axis=0), np.delete(unknown, own, axis=0))
    assert np.isnan(levels[1]).all(), "one that was not carried knows none"


def test_slots_are_widened_with_what_is_not_known():
    lists = {name: [2.0, None] for name in LISTS}
    columns = ProfileColumns.from_records([profile(**lists)])
    assert columns.widened("volume_level", 1).tolist() == [[2.0]]
    assert np.array_equal(columns.widened("volume_level", 3), [[2.0, np.nan, np.nan]], equal_nan=True)


def test_there_is_no_profile_beyond_the_last():
    columns = ProfileColumns.from_records([profile()])
    assert columns[-1] == columns[0]
    with pytest.raises(IndexError):
        columns[1]
