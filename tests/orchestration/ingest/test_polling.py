"""What a poll asks for: no gap, no endless catch-up, each timespan when one of its bars has closed."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.ingest import polling
from include.orchestration.ingest.polling import (
    Window,
    check_calls,
    choose_window,
    find_closed,
    plan_lone_polls,
    plan_polls,
)
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.timespans import POLLED, SPAN_MS, to_ms

CATCHUP = timedelta(days=5)
MINUTE = timedelta(minutes=1)
END = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def context(last=None, end=END):
    return {"data_interval_start": end - MINUTE, "data_interval_end": end, "prev_data_interval_end_success": last}


def window(start, end):
    return Window(to_ms(start), to_ms(end))


def test_first_run_asks_for_its_interval():
    assert choose_window(context(), CATCHUP) == window(END - MINUTE, END)


def test_run_after_an_outage_closes_the_gap():
    assert choose_window(context(END - timedelta(hours=3)), CATCHUP) == window(END - timedelta(hours=3), END)


def test_catch_up_is_bounded():
    assert choose_window(context(END - timedelta(days=30)), CATCHUP) == window(END - CATCHUP, END)


def test_run_by_hand_ends_at_the_last_full_minute():
    by_hand = {"dag_run": SimpleNamespace(run_after=END + timedelta(seconds=42, microseconds=7))}
    assert choose_window(by_hand, CATCHUP) == window(END - MINUTE, END)


@given(st.timedeltas(timedelta(0), timedelta(days=20)))
def test_window_always_holds_the_interval_and_ends_with_it(ago):
    window = choose_window(context(END - ago), CATCHUP)
    assert to_ms(END - CATCHUP) <= window.since_ms <= to_ms(END - MINUTE)
    assert window.end_ms == to_ms(END)


@pytest.mark.parametrize(
    ("since", "end", "expected"),
    [
        ("10:00", "10:01", ["minute"]),
        ("10:04", "10:05", ["minute", "5minute"]),
        ("10:59", "11:00", ["minute", "5minute", "hour"]),
        ("10:58", "11:01", ["minute", "5minute", "hour"]),  # the run at 11:00 was missed
    ],
)
def test_due(since, end, expected):
    at = {name: datetime.fromisoformat(f"2026-11-23T{text}-05:00") for name, text in (("since", since), ("end", end))}
    assert find_closed(window(at["since"], at["end"])) == expected


def test_day_bar_is_due_once_with_the_first_minute_of_the_next_session():
    new_york = ZoneInfo("America/New_York")
    close, opened = datetime(2026, 11, 20, 16, tzinfo=new_york), datetime(2026, 11, 23, 9, 30, tzinfo=new_york)
    assert "day" in find_closed(window(close, opened + MINUTE))
    assert "day" not in find_closed(window(opened + MINUTE, opened + 2 * MINUTE))


@given(st.integers(1, 400), st.lists(st.integers(1, 90), min_size=1, max_size=30))
def test_every_closed_bar_is_asked_for_however_runs_are_missed(first, steps):
    start = to_ms(END) + first * 60_000
    asked, since = set(), start
    for step in steps:
        end = since + step * 60_000
        for timespan in find_closed(Window(since, end)):
            span = SPAN_MS[timespan]
            if timespan != "day":
                # The vendor widens the range to whole bars; only closed ones are kept.
                asked |= {(timespan, ts) for ts in range(since // span * span, end, span) if ts + span <= end}
        since = end
    for timespan in ("minute", "5minute", "hour"):
        span = SPAN_MS[timespan]
        closed = {(timespan, ts) for ts in range(start // span * span, since, span) if start < ts + span <= since}
        assert closed <= asked


def settings(**given):
    return Settings.from_env({name.upper(): str(value) for name, value in given.items()})


def names(count):
    return [f"S{number:05}" for number in range(count)]


def test_a_plan_that_cannot_be_watched_with_is_refused_in_one_sentence():
    plan = settings(polygon_calls_per_minute=5)
    with pytest.raises(ConfigurationError, match=r"24 symbols takes 31 calls a minute.*=5 allows.*at most 3 symbols"):
        check_calls(["A"] * 24, plan)
    check_calls(["A"] * 3, plan)


@pytest.mark.parametrize("allowed", [0, 31])
def test_a_plan_with_enough_calls_is_used(allowed):
    check_calls(["A"] * 24, settings(polygon_calls_per_minute=allowed))


def test_minutes_of_the_market_are_one_call():
    market = {"poll_by": "market", "poll_timespans": "minute"}
    check_calls(names(11_000), settings(polygon_calls_per_minute=2, **market))
    with pytest.raises(ConfigurationError, match="takes 3 calls"):
        check_calls(names(5), settings(polygon_calls_per_minute=2, poll_by="market", poll_timespans="minute 5minute"))


@pytest.mark.parametrize(
    ("count", "tasks", "first"),
    [(1, 1, "S00000"), (500, 500, "S00000"), (501, 2, "S00000 to S00499 (500)"), (2_000, 4, "S00000 to S00499 (500)")],
)
def test_short_lists_are_asked_for_one_by_one_longer_ones_in_groups(count, tasks, first):
    asked = plan_polls(names(count), window(END - MINUTE, END), settings())
    assert (len(asked), asked[0]["name"]) == (tasks, first)
    assert [symbol for question in asked for symbol in question["symbols"]] == names(count)


def test_the_market_is_one_question_and_longer_bars_are_asked_for_in_groups():
    a_minute = window(END + MINUTE, END + 2 * MINUTE)
    (whole,) = plan_polls(names(2_001), a_minute, settings())
    assert (whole["symbols"], whole["timespans"]) == ([], ["minute"])
    five = window(END + 4 * MINUTE, END + 5 * MINUTE)
    whole, *groups = plan_polls(names(2_001), five, settings())
    assert {tuple(group["timespans"]) for group in groups} == {("5minute",)}
    assert len(plan_polls(names(2_001), five, settings(poll_timespans="minute"))) == 1


def test_minutes_that_a_snapshot_has_lost_are_asked_for_in_groups():
    missed = window(END + MINUTE, END + 4 * MINUTE)
    whole, *groups = plan_polls(names(2_001), missed, settings(poll_group_size=1_000))
    assert (whole["since_ms"], whole["end_ms"]) == (to_ms(END + 3 * MINUTE), to_ms(END + 4 * MINUTE))
    assert [len(group["symbols"]) for group in groups] == [1_000, 1_000, 1]
    assert all((group["since_ms"], group["end_ms"]) == tuple(missed) for group in groups)
    assert groups[0]["timespans"] == ["minute"]


@given(st.integers(1, 40), st.sampled_from(["symbols", "groups", "market"]), st.integers(1, 400), st.integers(2, 7))
def test_however_it_is_asked_everything_due_is_asked_for(count, by, minutes, size):
    asked = window(END - minutes * MINUTE, END)
    held = set()
    for question in plan_polls(names(count), asked, settings(poll_by=by, poll_group_size=size)):
        for symbol in question["symbols"] or names(count):
            held |= {(symbol, timespan, question["since_ms"]) for timespan in question["timespans"]}
        assert question["end_ms"] == asked.end_ms
    newest = asked.end_ms - 60_000
    for symbol in names(count):
        for timespan in find_closed(asked):
            enough = {(symbol, timespan, asked.since_ms)}
            if by == "market" and minutes == 1 and timespan == "minute":
                enough.add((symbol, timespan, newest))
            assert enough & held


def test_who_failed_in_a_group_is_asked_for_alone():
    (group,) = plan_polls(names(3), window(END - MINUTE, END), settings(poll_by="groups"))
    left = {**group, "symbols": ["S00001"]}
    del left["name"]
    (question,) = plan_lone_polls([left])
    assert question == {**group, "name": "S00001", "symbols": ["S00001"]}
    assert plan_lone_polls([]) == []


def test_a_run_with_a_lost_poll_is_no_success():
    from airflow.sdk.exceptions import AirflowFailException

    def run(**states):
        return SimpleNamespace(dag_id="d", run_id="r", get_task_states=lambda *_, **__: {"r": states})

    polling.check_polls(run(poll_0="success", poll_1="success"))
    # Two symbols fewer after plan was cleared.
    polling.check_polls(run(poll_0="success", poll_1="removed", poll_2="removed"))
    with pytest.raises(AirflowFailException, match="1 of 2 polls failed"):
        polling.check_polls(run(poll_0="success", poll_1="failed", poll_2="removed"))


# The last: a clock that was set back by an hour.
@pytest.mark.parametrize(("now", "waited"), [(90.0, 32.0), (121.5, 0.5), (500.0, 0.0), (120.0 - 3_600, 120.0)])
def test_a_poll_waits_for_its_minute_and_for_the_vendor(monkeypatch, now, waited):
    slept = []
    monkeypatch.setattr(polling, "time", lambda: now)
    monkeypatch.setattr(polling, "sleep", slept.append)
    polling.wait_until_closed(120_000, delay_seconds=2)
    assert slept == [waited]


def test_the_calls_that_are_counted_are_those_that_are_due():
    day = window(END - timedelta(days=1), END)
    assert tuple(find_closed(day)) == POLLED


@pytest.fixture
def listing(monkeypatch, tmp_path):
    """What is read from the Variable and the file."""

    def listing(variable, file="KO\n"):
        (tmp_path / "list.txt").write_text(file)
        monkeypatch.setenv("WATCHLIST_FILE", str(tmp_path / "list.txt"))
        monkeypatch.setattr(polling.Variable, "get", lambda *_, **__: variable)
        return polling.read_watchlist()

    return listing


def test_good_words_are_polled_whatever_stands_beside_them(listing):
    assert listing("aapl, MSFT, BRK-B, $$") == ["BRK.B", "MSFT"]


@pytest.mark.parametrize(("variable", "said"), [(None, False), ("", True), (" \n", True)])
def test_an_empty_variable_means_the_file_and_says_so(listing, caplog, variable, said):
    with caplog.at_level("INFO"):
        assert listing(variable) == ["KO"]
    assert ("is empty: the list of" in caplog.text) is said


def test_a_file_that_is_missing_or_holds_nothing_is_refused(listing, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"WATCHLIST_FILE=.*list.txt holds no symbol"):
        listing(None, "# nothing\n")
    monkeypatch.setenv("WATCHLIST_FILE", "/nowhere")
    with pytest.raises(ConfigurationError, match="WATCHLIST_FILE=/nowhere cannot be read"):
        polling.read_watchlist()


@pytest.mark.parametrize(("set_by", "place"), [(True, r"AIRFLOW_VAR_WATCHLIST .*\.env"), (False, "Airflow Variable")])
def test_the_place_that_counts_is_named(listing, monkeypatch, set_by, place):
    if set_by:
        monkeypatch.setenv("AIRFLOW_VAR_WATCHLIST", "aapl")
    with pytest.raises(ConfigurationError, match=f"{place}.* holds 'aapl'"):
        listing("aapl")
