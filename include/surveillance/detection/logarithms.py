"""Logarithms and exponentials of arrays, with the same bits on every processor.

numpy's own have another last bit where the processor has AVX-512; these are libm's, as in the kernels and in ``math``.
"""

from __future__ import annotations

import math

from numba import vectorize


@vectorize(["f8(f8)"], cache=True)
def log(x):
    """Return ln(x): NaN below 0, -inf at 0."""
    return math.log(x)


@vectorize(["f8(f8)"], cache=True)
def log1p(x):
    """Return ln(1 + x): NaN below -1, -inf at -1."""
    return math.log1p(x)


@vectorize(["f8(f8)"], cache=True)
def expm1(x):
    """Return e^x - 1."""
    return math.expm1(x)
