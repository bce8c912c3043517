"""What a bar is to its series when it arrives, against a plain reading of the log."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.arrivals import Arrival, classify
from include.surveillance.detection.state import CONTEXT, REVISABLE, State

KEYS = [("A", "minute"), ("B", "minute"), ("C", "5minute")]

arriving = st.tuples(st.integers(0, 60), st.integers(0, 1))  # start, revision


@st.composite
def series(draw) -> tuple[list[tuple[int, int]], int, list[tuple[int, int]]]:
    """Bars that the state holds of a series, how many of them are settled, and what arrives."""
    starts = sorted(draw(st.sets(st.integers(0, 50), max_size=CONTEXT + REVISABLE)))
    held = [(start, draw(st.integers(0, 1))) for start in starts]
    settled = draw(st.integers(max(0, len(held) - REVISABLE), min(len(held), CONTEXT)))
    fresh = [(start, 0) for start in sorted(draw(st.sets(st.integers(40, 200), max_size=50)))]
    for bar in draw(st.lists(arriving | st.sampled_from(held or [(0, 0)]), max_size=6)):
        fresh.insert(draw(st.integers(0, len(fresh))), bar)
    return held, settled, fresh


def expected(held: list[tuple[int, int]], settled: int, arrived: list[tuple[int, int]]) -> list[Arrival]:
    known, arrivals = list(held), []
    for bar in arrived:
        border = max(settled, len(known) - REVISABLE)
        if not known or bar[0] > known[-1][0]:
            known.append(bar)
            arrivals.append(Arrival.NEW)
        elif border > 0 and bar[0] <= known[border - 1][0]:
            arrivals.append(Arrival.STALE)
        elif bar in known:
            arrivals.append(Arrival.DUPLICATE)
        else:
            arrivals.append(Arrival.CORRECTED if bar[0] in dict(known) else Arrival.LATE)
            break
    return [*arrivals, *[Arrival.WAITING] * (len(arrived) - len(arrivals))]


@settings(deadline=None, max_examples=200)
@given(market=st.lists(series(), min_size=1, max_size=3), other=st.integers(0, 2))
def test_arrivals_are_those_of_a_plain_reading(market, other):
    state = State("exact")
    rows = np.roll(state.rows_for(KEYS), other)  # rows are in no order
    batch: list[tuple[int, int, int]] = []
    for row, (held, settled, arrived) in zip(rows.tolist(), market, strict=False):
        for name, values in zip(("ts", "revision"), zip(*held, strict=True), strict=False):
            state.bars[name][row, : len(held)] = values
        state.bar_count[row], state.settled_count[row] = len(held), settled
        batch += [(row, *bar) for bar in arrived]
    columns = np.array(batch, np.int64).reshape(-1, 3)
    arrivals = classify(state, columns[:, 0], columns[:, 1], columns[:, 2].astype(np.uint32))
    assert arrivals.tolist() == [arrival for one in market for arrival in expected(*one)]
