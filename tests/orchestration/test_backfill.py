"""The backfill form: dates are New York's, chunks cover the range once and in order, nonsense is refused."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.backfill import chunks, to_ms, window
from include.surveillance.errors import ConfigurationError

NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        ("2026-11-18", "2026-11-19", "2026-11-18T05:00Z", "2026-11-20T05:00Z"),
        ("2026-03-07", "2026-03-08", "2026-03-07T05:00Z", "2026-03-09T04:00Z"),  # clocks change: 23 hours
        ("2026-11-19T14:30:00Z", "2026-11-19T15:00:00+00:00", "2026-11-19T14:30Z", "2026-11-19T15:00Z"),
        ("2026-11-19T09:30:00-05:00", "2026-11-19", "2026-11-19T14:30Z", "2026-11-20T05:00Z"),
        ("2026-11-20", "2026-11-20", "2026-11-20T05:00Z", "2026-11-20T18:30Z"),  # today, until now
    ],
)
def test_range(first, last, start, end):
    assert window(first, last, NOW) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-19", "2026-11-18", "from=2026-11-19 is not before to=2026-11-18"),
        ("2026-11-19T15:00:00Z", "2026-11-19T15:00:00Z", "nothing to backfill"),
        ("2026-11-21", "2026-11-22", "from=2026-11-21 lies in the future"),
        ("2026-11-19", "2026-11-21", "to=2026-11-21 lies in the future"),
        ("yesterday.", "2026-11-18", "from='yesterday.' is neither a date"),
        ("2026-11-18", "2026-13-40", "to='2026-13-40' is neither a date"),
    ],
)
def test_nonsense_is_refused_with_what_to_do(first, last, said):
    with pytest.raises(ConfigurationError, match=said):
        window(first, last, NOW)


@given(st.integers(1, 400), st.integers(1, 30), st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4, unique=True))
def test_chunks_cover_the_range_once_and_in_order_per_symbol(hours, days, symbols):
    start, end = NOW - timedelta(hours=hours), NOW
    found = chunks(symbols, start, end, days)
    for symbol in symbols:
        spans = [(call["from_ms"], call["to_ms"]) for call in found if call["symbol"] == symbol]
        assert spans[0][0] == to_ms(start)
        assert spans[-1][1] == to_ms(end)
        assert all(before[1] == after[0] for before, after in pairwise(spans))
        assert all(0 < high - low <= days * 86_400_000 for low, high in spans)
