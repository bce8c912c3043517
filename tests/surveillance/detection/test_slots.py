"""The slots of a profile: of sessions of any length, and of the hours around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.detection.slots import bars_per_slot, lay_out_slots, nominal_bars, slot_at
from include.surveillance.timespans import SPAN_MS
from tests.surveillance.detection.market import OPEN, SESSIONS


def test_slots_of_full_and_half_days():
    full = [slot_at(k, 390, 390) for k in range(390)]
    assert full[:10] == list(range(10))
    assert full[10:20] == [10] * 5 + [11] * 5
    assert full[-10:] == list(range(84, 94))
    assert full[379] == 83
    assert sorted(set(full)) == list(range(94))
    half = [slot_at(k, 210, 390) for k in range(210)]
    assert half[:200] == full[:200]
    assert half[-10:] == full[-10:]
    assert [slot_at(k, 26, 26) for k in range(26)] == list(range(26))
    assert [slot_at(k, 14, 26) for k in (0, 12, 13)] == [0, 12, 25]
    assert slot_at(-1, 390, 390) == slot_at(390, 390, 390) == -1
    layouts = [lay_out_slots(timespan, 390, extended=True) for timespan in ("5minute", "15minute", "hour", "day")]
    assert [(it.regular, it.total) for it in layouts] == [
        (78, 78 + 22 + 16),
        (26, 26 + 22 + 16),
        (7, 7 + 5 + 4),
        (1, 1),
    ]
    assert lay_out_slots("minute", 1440, extended=False).total == 304


class TestSlots:
    @pytest.mark.parametrize("minutes", [390, 1440])
    @pytest.mark.parametrize("timespan", sorted(SPAN_MS))
    def test_widths_count_the_spans_of_a_full_session(self, timespan, minutes):
        bars, slots = nominal_bars(timespan, minutes), lay_out_slots(timespan, minutes, extended=minutes == 390)
        widths = bars_per_slot(timespan, minutes, extended=minutes == 390)
        assert (sum(widths[: slots.regular]), len(widths)) == (bars, slots.total)
        assert min(widths) >= 1

    @pytest.mark.parametrize("timespan", ["minute", "5minute", "15minute", "hour"])
    def test_each_bar_of_a_vendors_day_is_counted_in_its_slot(self, timespan):
        calendar, span = TradingCalendar(SESSIONS), SPAN_MS[timespan]
        session = SESSIONS.at_or_before(OPEN)
        ts = np.arange(session.first_ms, session.end_ms, span)
        slot = calendar.locate_bars(ts, np.array([0]), np.array([len(ts)]), [timespan]).slot
        assert np.bincount(slot).tolist() == calendar.bars_per_slot(timespan).tolist()

    @settings(max_examples=100)
    @given(nominal=st.integers(1, 1440), data=st.data())
    def test_a_half_days_slots_rise_and_end_with_the_full_sessions_last(self, nominal, data):
        bars = data.draw(st.integers(1, nominal))
        slots = [slot_at(k, bars, nominal) for k in range(bars)]
        assert slots == sorted(slots)
        assert slots[-1] == slot_at(nominal - 1, nominal, nominal)
        assert slot_at(-1, bars, nominal) == slot_at(bars, bars, nominal) == -1
