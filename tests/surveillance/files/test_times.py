"""Times of any type, unit and notation are the same milliseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.times import FIRST_DATE, LAST_DATE, PER_MS, parse_times, read_zone
from include.surveillance.timespans import EARLIEST_MS, LATEST_MS, NEW_YORK

TIMES = st.integers(EARLIEST_MS // 1_000, LATEST_MS // 1_000 - 1).map(lambda seconds: seconds * 1_000)
MANY = st.lists(TIMES, min_size=1, max_size=8)


def parsed(column: pa.Array, zone: ZoneInfo = NEW_YORK) -> list[float]:
    return parse_times(column, zone).ts_ms.tolist()


@given(MANY, st.sampled_from(list(PER_MS)), st.sampled_from(["int64", "string", "binary", "dictionary"]))
def test_numbers_of_any_unit_and_type(times, unit, kind):
    numbers = [int(ts * PER_MS[unit]) if unit != "nanoseconds" else ts * 10**6 for ts in times]
    # Seconds of a month of 1970 are dates.
    assume(not any(FIRST_DATE <= number <= LAST_DATE for number in numbers))
    column = pa.array(numbers if kind == "int64" else [str(number) for number in numbers])
    column = (
        column.dictionary_encode() if kind == "dictionary" else column.cast(pa.binary()) if kind == "binary" else column
    )
    read = parse_times(column, NEW_YORK)
    assert (read.ts_ms.tolist(), read.unit, read.naive, read.dates) == (times, unit, False, False)


@given(MANY, st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from([None, "UTC", "Asia/Tokyo"]))
def test_timestamps_of_any_unit_and_zone(times, unit, zone):
    column = pa.array(times, pa.timestamp("ms", zone)).cast(pa.timestamp(unit, zone))
    expected = times
    if zone is None:  # an independent reading of the wall clock
        moments = [datetime.fromtimestamp(ts / 1_000, UTC).replace(tzinfo=NEW_YORK) for ts in times]
        expected = [moment.timestamp() * 1_000 for moment in moments]
    assert parsed(column) == expected


@given(TIMES, st.sampled_from(["America/New_York", "UTC", "Europe/Warsaw", "Asia/Kolkata"]))
def test_texts_with_an_offset_and_without_one(ts, name):
    zone = ZoneInfo(name)
    moment = datetime.fromtimestamp(ts / 1_000, zone).replace(fold=0)
    written = [f"{moment:%Y-%m-%d %H:%M:%S}", f"{moment:%Y-%m-%dT%H:%M:%S.000}", f"{moment:%Y%m%d %H%M%S}"]
    written += [f"{moment:%Y%m%d  %H:%M:%S}", f"{moment:%Y%m%d %H:%M:%S} {name}", moment.isoformat()]
    utc = datetime.fromtimestamp(ts / 1_000, UTC)
    written += [f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y%m%d-%H:%M:%S}", f"{utc:%Y-%m-%dT%H:%M:%S}.000000000+00:00"]
    # An hour of autumn comes twice; what has no offset means the first.
    read = parse_times(pa.array(written), zone)
    assert read.ts_ms.tolist() == [moment.timestamp() * 1_000] * 6 + [ts] * 3
    assert read.naive


@given(st.dates(date(1970, 2, 19), date(2099, 12, 31)))
def test_dates_are_midnight_in_new_york(day):
    expected = pd.Timestamp(day).tz_localize("America/New_York").timestamp() * 1_000
    columns = [pa.array([day]), pa.array([str(day)]), pa.array([f"{day:%Y%m%d}"]), pa.array([int(f"{day:%Y%m%d}")])]
    for column in columns:
        read = parse_times(column, ZoneInfo("UTC"))
        assert (read.ts_ms.tolist(), read.dates, read.naive) == ([expected], True, False)


@pytest.mark.parametrize(
    "text",
    ["soon", "", "01/02/2024", "2024-13-01", "20241301", "2024-01-02T25:00", "12:30", "1e5x", "20240102 09:30 Mars/X"],
)
def test_what_is_no_time_is_none(text):
    assert np.isnan(parsed(pa.array([text, "2024-01-02"]))).tolist() == [True, False]


@pytest.mark.parametrize("column", [pa.array([True]), pa.array([[1]]), pa.array([None]), pa.array([b"\xff"])])
def test_other_cells_are_no_times(column):
    assert np.isnan(parsed(column)).tolist() == [True]


def test_a_part_of_a_millisecond_is_not_cut_off():
    assert parsed(pa.array([1_550_154_600_000_500_000, 1_550_154_600_001_000_000])) == [
        1_550_154_600_000.5,
        1_550_154_600_001,
    ]
    assert parsed(pa.array([1_550_154_600_000_500], pa.timestamp("us", "UTC"))) == [1_550_154_600_000.5]


def test_an_unknown_zone_is_refused():
    assert read_zone("UTC").key == "UTC"
    with pytest.raises(ConfigurationError, match=r"--tz Mars/Base is no time zone; write e\.g\. America/New_York"):
        read_zone("Mars/Base")


@pytest.mark.parametrize(
    ("texts", "slashed", "expected"),
    [
        (["1/31/2024", "2/1/2024"], "month-first", ["2024-01-31 00:00", "2024-02-01 00:00"]),
        (["31/01/2024 16:00", "01/02/2024 09:30:00"], "day-first", ["2024-01-31 16:00", "2024-02-01 09:30"]),
        (["1/31/2024 12:00 AM", "1/31/2024 12:00 PM"], "month-first", ["2024-01-31 00:00", "2024-01-31 12:00"]),
        (["1/31/2024 4:05 pm", "1/31/2024 4:05PM"], "month-first", ["2024-01-31 16:05"] * 2),
    ],
)
def test_dates_with_slashes_are_read_as_one_of_them_says(texts, slashed, expected):
    read = parse_times(pa.array(texts), NEW_YORK)
    moments = [pd.Timestamp(text).tz_localize("America/New_York").timestamp() * 1_000 for text in expected]
    assert (read.ts_ms.tolist(), read.slashed, read.undecided) == (moments, slashed, "")


def test_dates_with_slashes_that_do_not_say_it_are_undecided_unless_somebody_does():
    column = pa.array(["01/02/2024", "2/3/2024"])
    read = parse_times(column, NEW_YORK)
    assert (np.isnan(read.ts_ms).all(), read.slashed, read.undecided) == (True, None, "01/02/2024")
    for slashed, expected in (("month-first", "2024-01-02"), ("day-first", "2024-02-01")):
        read = parse_times(column, NEW_YORK, slashed=slashed)
        assert read.ts_ms[0] == pd.Timestamp(expected).tz_localize("America/New_York").timestamp() * 1_000
        assert read.undecided == ""
    assert np.isnan(parsed(pa.array(["13/13/2024", "1/31/2024", "1/31/2024 13:00 PM"]))).tolist() == [True, True, True]
