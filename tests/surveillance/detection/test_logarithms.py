"""Arrays have the bits that ``math`` gives each of their values, in whatever place of whatever length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection import logarithms

LEAST = {"log": 5e-324, "log1p": math.nextafter(-1.0, 0.0), "expm1": -1e308}
MOST = {"log": 1e308, "log1p": 1e308, "expm1": 700.0}


@pytest.mark.parametrize("name", LEAST)
@given(data=st.data())
def test_each_value_has_the_bits_of_math(name, data):
    plain = st.floats(LEAST[name], MOST[name])
    values = data.draw(st.lists(plain | st.floats(max(LEAST[name], -2.0), 20.0), max_size=40))
    found = getattr(logarithms, name)(np.array(values, float))
    assert found.tolist() == [getattr(math, name)(value) for value in values]


def test_what_has_no_logarithm_is_told_as_numpy_tells_it():
    given = np.array([-2.0, -1.0, 0.0, np.nan, np.inf])
    with np.errstate(all="ignore"):
        for name in LEAST:
            ours, theirs = getattr(logarithms, name)(given), getattr(np, name)(given)
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
            np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
