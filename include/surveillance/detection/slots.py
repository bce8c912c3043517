"""Slots: the times of day that a profile tells apart, each with what is usual in it.

The slots of the regular session come first: single bars after its open, of which the first holds the opening auction,
and before its close, groups between. Those of the vendor's hours around it follow, in the order of the day: groups of
the pre-market, the closing auction, groups of the post-market. So a profile that knows the regular session alone is
the beginning of one that knows the whole day.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from include.surveillance.timespans import HOUR_MS, MINUTE_MS, SPAN_MS

GROUPED_ABOVE = 100  # bars of a full session
EDGE, GROUP = 10, 5
EXTENDED_GROUP_MS = 15 * MINUTE_MS
"""How much time a slot before or after the session holds, or one bar where that is longer."""
PRE_MS, POST_MS = 5 * HOUR_MS + 30 * MINUTE_MS, 4 * HOUR_MS  # of a full session


class Slots(NamedTuple):
    """The slots of one timespan; kernels take it as it is.

    Attributes:
        regular: how many the session has: 0 to ``regular - 1``.
        pre: the first of the pre-market.
        closing: the one of the closing auction, which minute bars alone have; ``post`` for all others.
        post: the first of the post-market.
        total: all of them.
        group_ms: time in one slot before and after the session.
        nominal: bars in a full session.
    """

    regular: int
    pre: int
    closing: int
    post: int
    total: int
    group_ms: int
    nominal: int


def lay_out_slots(timespan: str, session_minutes: int, extended: bool) -> Slots:
    """Lay out the slots of a timespan.

    Args:
        session_minutes: of a full session: 390 at XNYS, 1440 where the market never closes.
        extended: there are bars before and after the session.
    """
    bars = nominal_bars(timespan, session_minutes)
    regular = slot_at(bars - 1, bars, bars) + 1
    group_ms = max(EXTENDED_GROUP_MS, SPAN_MS[timespan])
    if not extended or timespan == "day":
        return Slots(regular, regular, regular, regular, regular, group_ms, bars)
    # A longer bar of the pre-market that holds the open is the session's first.
    closing = regular + -(-(PRE_MS // SPAN_MS[timespan] * SPAN_MS[timespan]) // group_ms)
    post = closing + (timespan == "minute")
    return Slots(regular, regular, closing, post, post + POST_MS // group_ms, group_ms, bars)


def nominal_bars(timespan: str, session_minutes: int) -> int:
    """Count the spans in a full session."""
    return -(-session_minutes * MINUTE_MS // SPAN_MS[timespan])


def bars_per_slot(timespan: str, session_minutes: int, extended: bool) -> list[int]:
    """Count the spans of a full session, and of the hours around it, that each slot holds."""
    slots, span = lay_out_slots(timespan, session_minutes, extended), SPAN_MS[timespan]
    widths = [0] * slots.total
    for k in range(slots.nominal):
        widths[slot_at(k, slots.nominal, slots.nominal)] += 1
    if slots.total > slots.regular:
        for since_ms in range(0, PRE_MS - span + 1, span):
            widths[slots.pre + since_ms // slots.group_ms] += 1
        for since_ms in range(0, POST_MS, span):
            auction = since_ms == 0 and slots.post > slots.closing
            widths[slots.closing if auction else slots.post + since_ms // slots.group_ms] += 1
    return widths


@njit(cache=True)
def slot_at(k: int, bars_in_session: int, nominal_bars: int) -> int:
    """Slot of the ``k``-th bar (from 0) of a session.

    Args:
        k: counts spans, not present bars; 0 is the bar that holds the open.
        bars_in_session: spans in this session; fewer than ``nominal_bars`` on a half-day.
        nominal_bars: spans in a full session.

    Returns:
        0 to ``Slots.regular - 1``; -1 where ``k`` lies outside the session.
    """
    if k < 0 or k >= bars_in_session:
        return -1
    from_close = bars_in_session - 1 - k
    if nominal_bars <= GROUPED_ABOVE:
        # The last bar before the close is the last bar of a half-day too.
        return nominal_bars - 1 if from_close == 0 else min(k, nominal_bars - 1)
    groups = -((2 * EDGE - nominal_bars) // GROUP)
    if from_close < EDGE:
        return 2 * EDGE + groups - 1 - from_close
    if k < EDGE:
        return k
    return EDGE + min((k - EDGE) // GROUP, groups - 1)
