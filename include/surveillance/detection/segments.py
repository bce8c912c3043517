"""Segments: which bars of a pass belong to one series, and which of them are new."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Segments(NamedTuple):
    """The bars of each series that one pass scans: one element per series, int64; kernels take it as it is.

    Attributes:
        state_row: the series' row in the state.
        start: position of the series' first bar.
        evaluate_from: position of the first bar to evaluate; earlier bars are only looked back on.
        new_from: position of the first bar that no earlier pass has evaluated.
        revisable_from: position of the first bar that can still be revised; the state remembers what holds before it.
        end: position after the series' last bar.
    """

    state_row: np.ndarray
    start: np.ndarray
    evaluate_from: np.ndarray
    new_from: np.ndarray
    revisable_from: np.ndarray
    end: np.ndarray
