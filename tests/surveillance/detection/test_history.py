from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection.history import BIN_LIMIT, RELATIVE_ACCURACY, load, new

VALUES = st.lists(st.floats(1e-6, 1e-2) | st.just(0.0), min_size=1, max_size=300)
PERCENTS = st.sampled_from([0.0, 5.0, 50.0, 90.0, 95.0, 99.5, 100.0])


def fill(form, values):
    history = new(form)
    for value in values:
        history.add(value)
    return history


@given(VALUES, PERCENTS)
def test_exact_is_numpys_linear_percentile(values, percent):
    assert fill("exact", values).percentile(percent) == pytest.approx(np.percentile(values, percent), rel=1e-12)


@given(VALUES, PERCENTS)
def test_sketch_is_within_its_stated_accuracy(values, percent):
    exact = np.percentile(values, percent)
    assert fill("sketch", values).percentile(percent) == pytest.approx(exact, rel=RELATIVE_ACCURACY * (1 + 1e-9))


@given(VALUES, PERCENTS)
def test_the_sketchs_cursor_answers_as_the_librarys_walk(values, percent):
    history = new("sketch")
    for value in values:
        history.add(value)
        rank = int(percent / 100 * (history.count - 1))
        answer = history.at_rank(rank)  # moves the cursor at every step
        zeros = history._zeros
        if rank >= zeros:
            key = history._store.key_at_rank(rank - zeros)
            assert history._key == key
        else:
            assert answer == 0


@pytest.mark.parametrize("form", ["exact", "sketch"])
@given(VALUES, VALUES, PERCENTS)
def test_a_dump_goes_on_as_the_original(form, before, after, percent):
    whole, resumed = fill(form, before), load(fill(form, before).dump())
    for value in after:
        whole.add(value)
        resumed.add(value)
        assert whole.percentile(percent) == resumed.percentile(percent)
    assert whole.dump() == resumed.dump()
    assert whole.count == resumed.count


def test_a_sketch_stays_bounded_and_accurate_at_the_top_when_values_span_many_decades():
    values = np.geomspace(1e-15, 1.0, 5_000)
    np.random.default_rng(1).shuffle(values)
    history = new("sketch")
    for index, value in enumerate(values):
        history.add(float(value))
        if index % 100 == 0:
            expected = np.percentile(values[: index + 1], 95)
            assert history.percentile(95) == pytest.approx(expected, rel=RELATIVE_ACCURACY * (1 + 1e-9))
    assert len(history._store.bins) <= BIN_LIMIT
    assert load(history.dump()).percentile(95) == history.percentile(95)


def test_a_copy_is_independent():
    history = fill("sketch", [1.0, 2.0])
    history.copy().add(3.0)
    assert history.count == 2
    assert history.percentile(100) == pytest.approx(2.0, rel=RELATIVE_ACCURACY)
