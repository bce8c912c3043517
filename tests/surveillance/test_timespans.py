from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.timespans import (
    NEW_YORK,
    POLLED,
    SPAN_MS,
    new_york_day_start,
    now_ms,
    read_time,
    to_ms,
    to_utc,
    write_new_york,
    write_utc,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.integers(-(2**40), 4_102_444_800_000)


@given(times)
def test_a_time_comes_back_as_it_was(ts_ms):
    assert to_utc(ts_ms) - EPOCH == timedelta(milliseconds=ts_ms)
    assert to_ms(to_utc(ts_ms)) == ts_ms


def test_a_time_of_any_zone_counts_from_the_same_epoch():
    assert to_ms(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0


@given(times)
def test_a_written_time_is_cut_to_the_second(ts_ms):
    assert to_ms(datetime.fromisoformat(write_utc(ts_ms))) == ts_ms // 1_000 * 1_000


@given(times)
def test_a_time_that_somebody_types_is_read_as_it_was_written(ts_ms):
    assert read_time(write_utc(ts_ms)) == ts_ms // 1_000 * 1_000
    assert ts_ms < 10**8 or read_time(str(ts_ms)) == ts_ms


def test_a_time_without_an_offset_is_new_yorks():
    assert read_time("2019-02-14 09:30") == read_time("2019-02-14T14:30:00Z") == 1_550_154_600_000
    assert read_time("2019-07-01") == read_time("2019-07-01T04:00+00:00"), "daylight saving"
    assert write_new_york(1_550_154_600_000) == "2019-02-14 09:30"


def test_now_is_now():
    before = datetime.now(UTC)
    assert before - timedelta(milliseconds=1) <= to_utc(now_ms()) <= datetime.now(UTC)


def test_each_polled_timespan_is_a_known_one_and_divides_the_next():
    spans = [SPAN_MS[timespan] for timespan in POLLED]
    assert all(longer % shorter == 0 for shorter, longer in pairwise(spans))


@given(times)
def test_a_day_in_new_york_starts_at_its_midnight(ts_ms):
    midnight, moment = (to_utc(at).astimezone(NEW_YORK) for at in (new_york_day_start(ts_ms), ts_ms))
    assert (midnight.date(), midnight.hour, midnight.minute) == (moment.date(), 0, 0)
