"""From when on the profiles of a run hold."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from include.orchestration import profiles

NEW_YORK = ZoneInfo("America/New_York")


def new_york(text):
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def held_from(choice, run_after):
    return datetime.fromtimestamp(profiles.choose_effective_ms(choice, new_york(run_after)) / 1_000, NEW_YORK)


@pytest.mark.parametrize(
    ("run_after", "session"),
    [
        ("2024-03-08 02:00", "2024-03-08"),
        ("2024-03-08 12:00", "2024-03-11"),  # Friday's session is on: Monday's is next
        ("2024-03-09 03:00", "2024-03-11"),
        ("2024-07-04 02:00", "2024-07-05"),  # a holiday
    ],
)
def test_next_session_is_held_against_them_from_its_first_bar_on(monkeypatch, run_after, session):
    monkeypatch.setenv("MARKET_CALENDAR", "XNYS")
    assert held_from("next session", run_after) == new_york(f"{session} 00:00")


def test_where_the_market_never_closes_the_next_session_is_the_next_day(monkeypatch):
    monkeypatch.setenv("MARKET_CALENDAR", "24/7")
    assert profiles.choose_effective_ms("next session", datetime.fromisoformat("2024-03-08T07:00:00Z")) == round(
        datetime.fromisoformat("2024-03-09T00:00:00Z").timestamp() * 1_000
    )


@pytest.mark.parametrize("second", ["00", "59.9"])
def test_now_is_the_minute_after_next(second):
    assert held_from("now", f"2024-03-08 12:00:{second[:2]}") == new_york("2024-03-08 12:02")
