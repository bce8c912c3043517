"""Day bars are of one date, however a source stamps them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.stamps import STAMPS, align_day_bars, find_stamps
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import NEW_YORK, to_ms
from tests.surveillance.detection.profiles.test_build import columns

XNYS = Sessions()
OPENS, CLOSES, DAYS = XNYS.arrays()
MIDNIGHTS = np.array([
    to_ms(datetime.fromisoformat(str(np.datetime64(int(day), "D"))).replace(tzinfo=NEW_YORK)) for day in DAYS[-20_000:]
])  # fmt: skip
STAMPED = {
    "midnight": MIDNIGHTS,
    "utc-midnight": DAYS[-20_000:].astype(np.int64) * 86_400_000,
    "open": OPENS[-20_000:],
    "close": CLOSES[-20_000:],
}


def day_bars(ts, timespan: str = "day"):
    return columns(np.asarray(ts), np.full(len(ts), 50.0), np.full(len(ts), 1000.0), ("KO", timespan))


@pytest.mark.parametrize("stamps", STAMPS)
@settings(max_examples=30, deadline=None)
@given(at=st.lists(st.integers(0, 19_999), min_size=1, max_size=20, unique=True))
def test_however_they_are_stamped_they_begin_at_new_yorks_midnight(stamps, at):
    bars = day_bars(STAMPED[stamps][at])
    for named in (None, stamps):
        aligned, line = align_day_bars(bars, XNYS, named)
        assert aligned.ts.tolist() == MIDNIGHTS[at].tolist()
        assert ("" if stamps == "midnight" else f"{len(at)} day bars are stamped with ") in line


def test_what_was_found_is_said_in_one_line():
    assert align_day_bars(day_bars(STAMPED["utc-midnight"][:3]), XNYS)[1] == (
        "3 day bars are stamped with midnight UTC; they are taken for bars of that date in New York"
    )
    assert align_day_bars(day_bars(MIDNIGHTS[:3]), XNYS)[1] == ""


def test_stamps_that_differ_are_refused_with_what_was_found():
    mixed = [*STAMPED["open"][:2], *STAMPED["close"][2:3]]
    with pytest.raises(ConfigurationError, match=r"2 with the open of their session, 1 with the close.*--stamps: midn"):
        align_day_bars(day_bars(mixed), XNYS)
    with pytest.raises(ConfigurationError, match=r"1 with none of these, e.g. .* 12:00 New York"):
        align_day_bars(day_bars([MIDNIGHTS[0], MIDNIGHTS[1] + 12 * 3_600_000]), XNYS)


def test_stamps_that_are_named_have_to_fit():
    with pytest.raises(ConfigurationError, match="2 of 2 day bars are not stamped with the close of their session"):
        align_day_bars(day_bars(STAMPED["open"][:2]), XNYS, "close")


def test_other_bars_and_markets_without_that_clock_are_left_alone():
    for bars, sessions in (
        (day_bars(STAMPED["utc-midnight"][:3], "minute"), XNYS),
        (day_bars(STAMPED["utc-midnight"][:3]), Sessions("24/7")),
    ):
        aligned, line = align_day_bars(bars, sessions)
        assert aligned is bars
        assert line == ""


def test_half_days_close_at_one():
    eve = STAMPED["close"][np.flatnonzero(np.diff(CLOSES[-20_000:] - OPENS[-20_000:]) < 0)[0] + 1]
    assert find_stamps(np.array([eve]), XNYS)["close"].all()
