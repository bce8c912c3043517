"""Where the demo's history starts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from include.local_stack.demo import choose_start
from include.orchestration.ingest.repolling import choose_range
from include.orchestration.timetables import AfterCloseTimetable
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.timespans import HOUR_MS, MINUTE_MS, to_utc

TUESDAY = 1_796_083_200_000  # 2026-12-01 00:00 UTC
REPOLL_AFTER_MS = 16_200_000


@pytest.mark.parametrize("calendar", ["24/7", "XNYS"])
@pytest.mark.parametrize("hour", range(0, 96, 3))
def test_the_first_repoll_asks_for_nothing_from_before_the_history(calendar, hour):
    at_ms = TUESDAY + hour * HOUR_MS + 13 * MINUTE_MS
    due = AfterCloseTimetable("24/7")._newest_complete(at_ms - REPOLL_AFTER_MS)
    context = {"data_interval_start": due.start, "dag_run": SimpleNamespace(run_after=to_utc(at_ms))}
    asked_ms, _ = choose_range(context, Settings(poll_calendar="24/7"))
    assert choose_start(Sessions(calendar), at_ms) <= asked_ms
