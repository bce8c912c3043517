"""The trial notices what is wrong with a report; without any service."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.surveillance.records import Metric
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS
from tests.watched.__main__ import (
    COUNTS,
    DATES,
    OFF_MS,
    OUTAGE,
    POLLED,
    THIN,
    THIN_EVERY,
    Coverage,
    Key,
    Published,
    compare,
    count_minutes,
    digest,
)  # fmt: skip

SESSIONS = [Sessions().on(date) for date in DATES]


@pytest.fixture(scope="module")
def expected() -> Coverage:
    """A market of which all is measured, but the outage."""
    published, metrics = Published(), {}
    for session in SESSIONS:
        for ts_ms in range(session.open_ms, session.close_ms, MINUTE_MS):
            if session.date == OUTAGE and OFF_MS[0] <= ts_ms - session.open_ms < OFF_MS[1]:
                continue
            for symbol in POLLED:
                published.asked[symbol].add(ts_ms)
                if symbol != THIN or (ts_ms - session.open_ms) // MINUTE_MS % THIN_EVERY == 0:
                    published.traded[symbol].add(ts_ms)
                    metrics[symbol, ts_ms] = Metric(
                        symbol=symbol, timespan="minute", ts_ms=ts_ms, bar_event_id="b", close=1.0, volume=1.0,
                        gap=0.5 if ts_ms == session.open_ms else None,
                    )  # fmt: skip
    return count_minutes(SESSIONS, published, metrics)


def hold(expected: Coverage, said: Coverage, *, again: bool = True, signed: Coverage | None = None) -> list[str]:
    """Name what differs."""
    at = datetime(2024, 12, 1, tzinfo=UTC)
    statements = [(date, digest(date, signed or said), 50, at) for date in DATES]
    checks = compare(SESSIONS, expected, said, statements, again=again)
    return [check["what"] for check in checks if not check["as_expected"]]


def test_a_report_that_says_what_was_is_as_expected(expected):
    assert hold(expected, expected) == []
    assert expected[Key(OUTAGE, THIN, "price_breakout", "literal")] == (390, 0, 0, 220, 110, 0, 0, 60)
    assert expected[Key(OUTAGE, THIN, "price_gap", "literal")] == (1, 1, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("count", COUNTS)
def test_a_single_wrong_minute_is_noticed(expected, count):
    at, key = COUNTS.index(count), Key(OUTAGE, "BUSY1", "data_quality", "literal")
    row = expected[key]
    wrong = {**expected, key: (*row[:at], row[at] + 1, *row[at + 1 :])}
    assert any("differ" in what for what in hold(expected, wrong))


def test_a_row_too_few_and_a_statement_over_other_rows_are_noticed(expected):
    lacking = dict(list(expected.items())[1:])
    assert len(hold(expected, lacking)) == 1
    assert hold(expected, expected, signed=lacking) == ["statements, one for each session, each over its rows"]
    assert hold(expected, expected, again=False) == ["a second build says the same"]
