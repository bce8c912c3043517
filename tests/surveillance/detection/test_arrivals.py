"""What a bar is to its series when it arrives, against a plain reading of the log."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.arrivals import Arrival, classify
from include.surveillance.detection.state import CONTEXT, REVISABLE, State
from include.surveillance.records import Source

KEYS = [("A", "minute"), ("B", "minute"), ("C", "5minute")]

Came = tuple[int, int, bool]
"""(start, revision, whether a live poll brought it) of a bar."""
arriving = st.tuples(st.integers(0, 60), st.integers(0, 1), st.booleans())


@st.composite
def series(draw) -> tuple[list[Came], int, list[Came]]:
    """Bars that the state holds of a series, how many of them are settled, and what arrives."""
    starts = sorted(draw(st.sets(st.integers(0, 50), max_size=CONTEXT + REVISABLE)))
    held = [(start, draw(st.integers(0, 1)), draw(st.booleans())) for start in starts]
    settled = draw(st.integers(max(0, len(held) - REVISABLE), min(len(held), CONTEXT)))
    fresh = [(start, 0, draw(st.booleans())) for start in sorted(draw(st.sets(st.integers(40, 200), max_size=50)))]
    for bar in draw(st.lists(arriving | st.sampled_from(held or [(0, 0, True)]), max_size=6)):
        fresh.insert(draw(st.integers(0, len(fresh))), bar)
    return held, settled, fresh


def expected(held: list[Came], settled: int, arrived: list[Came], judges: Source | None) -> list[Arrival]:
    def as_judged(bar: Came) -> Came:
        return *bar[:2], judges is None or bar[2] == (judges == "live")

    known, arrivals = list(map(as_judged, held)), []
    for bar in map(as_judged, arrived):
        border = max(settled, len(known) - REVISABLE)
        if not known or bar[0] > known[-1][0]:
            known.append(bar)
            arrivals.append(Arrival.NEW)
        elif not bar[2] or (border > 0 and bar[0] <= known[border - 1][0]):
            arrivals.append(Arrival.STALE)
        elif bar in known:
            arrivals.append(Arrival.DUPLICATE)
        else:
            arrivals.append(Arrival.CORRECTED if bar[0] in {start for start, *_ in known} else Arrival.LATE)
            break
    return [*arrivals, *[Arrival.WAITING] * (len(arrived) - len(arrivals))]


@settings(deadline=None, max_examples=200)
@given(
    market=st.lists(series(), min_size=1, max_size=3),
    other=st.integers(0, 2),
    judges=st.sampled_from(["live", "backfill", None]),
)
def test_arrivals_are_those_of_a_plain_reading(market, other, judges):
    state = State("exact")
    rows = np.roll(state.rows_for(KEYS), other)  # rows are in no order
    batch: list[tuple[int, ...]] = []
    for row, (held, settled, arrived) in zip(rows.tolist(), market, strict=False):
        for name, values in zip(("ts", "revision", "live"), zip(*held, strict=True), strict=False):
            state.bars[name][row, : len(held)] = values
        state.bar_count[row], state.settled_count[row] = len(held), settled
        batch += [(row, *bar) for bar in arrived]
    row, ts, revision, live = np.array(batch, np.int64).reshape(-1, 4).T
    arrivals = classify(state, row, ts, revision.astype(np.uint32), live.astype(bool), judges)
    assert arrivals.tolist() == [arrival for one in market for arrival in expected(*one, judges)]
