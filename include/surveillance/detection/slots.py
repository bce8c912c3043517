"""Slots: the parts of a session that have a usual level of their own.

With more than 100 bars in a full session the first 10 and the last 10 bars are a slot each, for volume and returns
change from minute to minute there, and the bars between share a slot in fives. With fewer, each bar has its own. The
last bars are counted from the close, so that a half-day closes in the closing slots.
"""

from __future__ import annotations

from numba import njit

from ..models import SPAN_MS
from ..sessions import MINUTE_MS

GROUPED_ABOVE = 100  # bars of a full session
EDGE, GROUP = 10, 5


@njit(cache=True)
def slot_of(k: int, bars_in_session: int, nominal_bars: int) -> int:
    """Slot of the ``k``-th bar (from 0) of a session.

    Args:
        k: counts spans, not present bars; 0 is the bar that holds the open.
        bars_in_session: spans in this session; fewer than ``nominal_bars`` on a half-day.
        nominal_bars: spans in a full session.

    Returns:
        0 to ``slot_count - 1``; -1 where ``k`` lies outside the session.
    """
    if k < 0 or k >= bars_in_session:
        return -1
    from_close = bars_in_session - 1 - k
    if nominal_bars <= GROUPED_ABOVE:
        # The closing auction is the last bar of a half-day too.
        return nominal_bars - 1 if from_close == 0 else min(k, nominal_bars - 1)
    groups = -((2 * EDGE - nominal_bars) // GROUP)
    if from_close < EDGE:
        return 2 * EDGE + groups - 1 - from_close
    if k < EDGE:
        return k
    return EDGE + min((k - EDGE) // GROUP, groups - 1)


def nominal_bars(timespan: str, nominal_minutes: int) -> int:
    """Spans in a full session of ``nominal_minutes``: 390 at XNYS, 1440 where the market never closes."""
    return -(-nominal_minutes * MINUTE_MS // SPAN_MS[timespan])


def slot_count(timespan: str, nominal_minutes: int) -> int:
    """Slots in a full session."""
    bars = nominal_bars(timespan, nominal_minutes)
    return slot_of(bars - 1, bars, bars) + 1


def bars_per_slot(timespan: str, nominal_minutes: int) -> list[int]:
    """How many spans of a full session each slot holds."""
    bars = nominal_bars(timespan, nominal_minutes)
    widths = [0] * slot_count(timespan, nominal_minutes)
    for k in range(bars):
        widths[slot_of(k, bars, bars)] += 1
    return widths
