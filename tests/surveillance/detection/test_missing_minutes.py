"""A minute without a bar has a cause: nobody traded, a halt, a gap at the provider, nobody asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from include.surveillance.detection.missing_minutes import CAUSES, classify_minutes, count_minutes, find_missing_minutes
from include.surveillance.records import Bar, Profile, Watermark
from include.surveillance.sessions import Sessions
from tests.surveillance.detection.market import SLOTS

MINUTE = 60_000
SESSIONS = Sessions("XNYS")
OPEN, CLOSE = 1_771_252_200_000 + 86_400_000, 1_771_275_600_000 + 86_400_000  # Tuesday 2026-02-17
SYMBOLS = [f"S{number}" for number in range(10)]


def table(length=30, expected=1.0, symbols=SYMBOLS):
    """Everything present, asked for and expected."""
    shape = len(symbols), length
    minutes = OPEN + MINUTE * np.arange(length, dtype=np.int64)
    return minutes, np.ones(shape, bool), np.ones(shape, bool), np.full(shape, expected)


def causes(present, asked, expected, minutes, symbols=SYMBOLS):
    return [
        (row.symbol, (row.start_ms - OPEN) // MINUTE, row.minutes, row.cause)
        for row in classify_minutes(symbols, minutes, present, asked, expected)
    ]


def test_nothing_missing_is_no_row():
    minutes, present, asked, expected = table()
    assert causes(present, asked, expected, minutes) == []
    assert classify_minutes([], minutes, *(np.ones((0, 30), bool),) * 2, np.ones((0, 30))) == []


@pytest.mark.parametrize(
    ("share", "length", "cause"),
    [
        (0.5, 13, "no trade"),  # 0.5 ** 13 = 1.2e-4
        (0.5, 14, "halt"),  # 6e-5
        (0.99, 2, "no trade"),  # 1e-4
        (0.99, 3, "unknown"),
        (0.99, 4, "unknown"),
        (0.99, 5, "halt"),
        (1.0, 1, "unknown"),
        (0.0, 30, "no trade"),
        (np.nan, 20, "unknown"),
    ],
)
def test_silence_of_one_symbol_is_judged_by_how_probable_it_is(share, length, cause):
    minutes, present, asked, expected = table()
    expected[3], present[3, :length] = share, False
    # 0.01 squared is just below 1e-4 in floating point.
    expected[3] = np.nextafter(expected[3], 0)
    assert causes(present, asked, expected, minutes) == [("S3", 0, length, cause)]


def test_what_nobody_asked_for_is_our_outage_whatever_is_probable():
    minutes, present, asked, expected = table()
    present[:, 5:9] = asked[:, 5:9] = False
    expected[0] = 0.1
    assert causes(present, asked, expected, minutes) == [(symbol, 5, 4, "our outage") for symbol in SYMBOLS]


def test_a_bar_that_is_there_is_not_missing_even_if_nobody_asked():
    minutes, present, asked, expected = table()
    asked[:] = False
    assert causes(present, asked, expected, minutes) == []


@pytest.mark.parametrize(("gone", "cause"), [(2, "unknown"), (3, "provider gap")])
def test_a_minute_missing_for_many_that_were_expected_is_the_providers(gone, cause):
    minutes, present, asked, expected = table()
    present[:gone, 7] = False
    assert causes(present, asked, expected, minutes) == [(symbol, 7, 1, cause) for symbol in SYMBOLS[:gone]]


def test_thin_symbols_neither_make_a_gap_nor_are_part_of_it():
    minutes, present, asked, expected = table()
    expected[5:], present[5:, 7] = 0.2, False
    assert {row[-1] for row in causes(present, asked, expected, minutes)} == {"no trade"}
    present[:2, 7] = False
    found = {row[0]: row[-1] for row in causes(present, asked, expected, minutes)}
    assert found == {symbol: "provider gap" if symbol in ("S0", "S1") else "no trade" for symbol in found}


def test_a_symbol_without_a_profile_is_in_the_gap_of_the_others():
    minutes, present, asked, expected = table()
    expected[9], present[:5, 7], present[9, 7] = np.nan, False, False
    assert ("S9", 7, 1, "provider gap") in causes(present, asked, expected, minutes)


def test_two_symbols_are_too_few_to_blame_the_provider():
    minutes, present, asked, expected = table(symbols=SYMBOLS[:2])
    present[:, 7] = False
    assert {row[-1] for row in causes(present, asked, expected, minutes, SYMBOLS[:2])} == {"unknown"}


def test_symbols_that_were_not_asked_for_do_not_count_as_expected():
    minutes, present, asked, expected = table()
    asked[3:, 7] = present[3:, 7] = False
    present[0, 7] = False
    found = {row[0]: row[-1] for row in causes(present, asked, expected, minutes)}
    assert found.pop("S0") == "provider gap"
    assert set(found.values()) == {"our outage"}


def test_a_halt_with_a_gap_inside_stays_a_halt_around_it():
    minutes, present, asked, expected = table()
    present[0, 5:15] = False
    present[:, 10] = False
    halted = [row for row in causes(present, asked, expected, minutes) if row[0] == "S0"]
    assert halted == [("S0", 5, 5, "halt"), ("S0", 10, 1, "provider gap"), ("S0", 11, 4, "halt")]


def test_a_night_ends_a_silence():
    minutes, present, asked, expected = table()
    minutes[15:] += 18 * 60 * MINUTE
    present[0, 12:18] = False
    assert [row[2:] for row in causes(present, asked, expected, minutes)] == [(3, "unknown"), (3, "unknown")]


matrices = arrays.arrays(bool, (4, 12))


@given(matrices, matrices, arrays.arrays(float, (4, 12), elements=st.sampled_from([0.0, 0.3, 0.95, 1.0, np.nan])))
def test_every_missing_minute_has_exactly_one_cause(present, asked, expected):
    minutes = OPEN + MINUTE * np.arange(12, dtype=np.int64)
    rows = classify_minutes(SYMBOLS[:4], minutes, present, asked, expected)
    found = [(row.symbol, start) for row in rows for start in range(row.start_ms, row.end_ms, MINUTE)]
    lines, columns = np.nonzero(~present)
    assert found == [(SYMBOLS[line], minutes[column]) for line, column in zip(lines, columns, strict=True)]
    counts = count_minutes(rows)
    assert (tuple(counts), sum(counts.values())) == (CAUSES, (~present).sum())
    assert counts["our outage"] == (~present & ~asked).sum()


# --- from the log's records


def bar(symbol, minute, timespan="minute"):
    return Bar(symbol=symbol, timespan=timespan, ts_ms=OPEN + minute * MINUTE, open=1, high=1, low=1, close=1, volume=1)


def asked(symbol, since, until, **more):
    about = {"symbol": symbol, "timespan": "minute", "bars": 0} | more
    return Watermark(from_ms=OPEN + since * MINUTE, as_of_ms=OPEN + until * MINUTE, **about)


def profile(symbol, presence=1.0):
    flat = [1.0] * SLOTS
    return Profile(
        symbol=symbol,
        timespan="minute",
        effective_ms=0,
        first_date="2026-01-15",
        last_date="2026-02-13",
        sessions=20,
        volume_level=flat,
        volume_scale=flat,
        return_factor=flat,
        presence=[presence] * len(flat),
        volatility_fire=1.0,
        volatility_clear=1.0,
        range_percent=0.02,
        turnover=1e9,
        liquidity="liquid",
    )


PROFILES = {symbol: profile(symbol) for symbol in SYMBOLS}


def told(records, since=0, until=30, profiles=PROFILES):
    rows = find_missing_minutes(records, profiles, SESSIONS, OPEN + since * MINUTE, OPEN + until * MINUTE)
    return [(row.symbol, (row.start_ms - OPEN) // MINUTE, row.minutes, row.cause) for row in rows]


def test_records_of_the_log_in_any_order_and_polled_again():
    records = [bar(symbol, minute) for symbol in SYMBOLS for minute in range(30) if minute != 12]
    polls = [asked(symbol, minute - 5, minute + 1) for symbol in SYMBOLS for minute in range(30)]
    expected = [(symbol, 12, 1, "provider gap") for symbol in SYMBOLS]
    assert told([*records, *polls]) == told([*polls, *records[::-1], *records]) == expected


def test_polls_that_stopped_are_our_outage():
    records = [bar("S0", minute) for minute in range(20)] + [asked("S0", 0, 20)]
    assert told(records) == [("S0", 20, 10, "our outage")]


def test_nothing_is_missing_before_a_symbols_first_poll_or_outside_the_session():
    assert told([asked("S0", 28, 30), bar("S0", 28), bar("S0", 29)]) == []
    assert told([asked("S0", -60, 1), bar("S0", 0)], since=-60, until=1) == []
    length = (CLOSE - OPEN) // MINUTE
    after = [asked("S0", length - 1, length + 60), bar("S0", length - 1)]
    assert told(after, since=length - 1, until=length + 60) == []


def test_a_minute_that_has_not_closed_is_not_missing():
    assert told([asked("S0", 0, 1), bar("S0", 0)], until=1.5) == []


def test_a_delayed_entitlement_is_no_outage():
    records = [bar("S0", minute) for minute in range(15)] + [asked("S0", 0, 30, status="DELAYED")]
    assert told(records) == []


def test_other_timespans_say_nothing_about_minutes():
    records = [asked("S0", 0, 30), *(bar("S0", minute) for minute in range(30) if minute != 10)]
    other = [bar("S0", 10, "5minute"), asked("S0", 0, 30, timespan="hour")]
    assert [row[:3] for row in told([*records, *other])] == [("S0", 10, 1)]


def test_a_symbol_that_never_missed_a_bar_may_miss_one_and_is_halted_when_it_misses_five():
    for gone, cause in ((1, "no trade"), (4, "unknown"), (5, "halt")):
        records = [asked("S0", 0, 30), *(bar("S0", minute) for minute in range(gone, 30))]
        assert told(records) == [("S0", 0, gone, cause)]


def test_no_records_are_no_rows():
    assert told([]) == []
