"""What a channel says about when to try again; the channels themselves are tested where they have connections."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.channels import read_retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("0", 0), ("90", 90), ("9" * 40, 3_600), ("-5", None), ("soon", None), ("nan", None), ("1e9", None)],
)
def test_retry_after_has_limits(text, seconds):
    assert read_retry_after(text) == seconds


def test_retry_after_may_be_a_date():
    later = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert 25 < later <= 30
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert read_retry_after("Wed, 21 Oct 99999 07:28:00 GMT") is None


@given(st.text(max_size=60))
def test_any_retry_after_is_a_time_within_an_hour_or_none(text):
    seconds = read_retry_after(text)
    assert seconds is None or 0 <= seconds <= 3_600
