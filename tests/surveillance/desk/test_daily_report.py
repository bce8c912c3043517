"""The daily report: each alert is counted once in each table, and the same facts make the same report to the byte."""

from __future__ import annotations

from datetime import timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.desk.daily_report import (
    MOST_GAPS,
    NO_RUN,
    ActCount,
    DailyReport,
    Poll,
    Window,
    hash_report,
    make_daily_report,
)
from include.surveillance.desk.silences import Matcher, Silence
from tests.surveillance.desk.facts import BEGIN, SESSION, VERDICTS, closed, facts, lists

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WINDOW = Window(BEGIN, BEGIN + 16 * HOUR, BEGIN + 24 * HOUR, (BEGIN, BEGIN + 2 * HOUR))


def make(given_facts=(), **parts):
    return make_daily_report(SESSION, WINDOW, given_facts, VERDICTS, **parts)


def silence(begins, ends, number=7):
    times = {"begins_at": BEGIN + begins * HOUR, "ends_at": BEGIN + ends * HOUR}
    return Silence(silence_id=number, matcher=Matcher(rule="price_gap"), reason="results", author="nina", **times)


def poll(minute, failed=0, bars=10):
    return Poll(BEGIN + minute * MINUTE, failed, bars, 1, None)


@given(lists())
def test_each_alert_is_counted_once_in_each_table(given_facts):
    report = make(given_facts)
    alerts = [one for one in given_facts if not one.is_folded]
    totals = report.totals
    assert totals.alerts == totals.market + totals.operations == totals.told + totals.silenced + totals.not_told
    assert totals.alerts + totals.folded == len(given_facts)
    for table in (report.rules, report.severities, report.states):
        assert sum(row.alerts for row in table) == len(alerts)
    assert sum(row.alerts for row in report.tags) == totals.market
    for row in (*report.rules, *report.severities):
        assert row.true_positive + row.false_positive + row.no_verdict <= row.closed <= row.alerts
    assert sum(row.alerts for row in report.endings) == totals.closed == sum(row.closed for row in report.rules)
    assert len(report.market_events) == sum(one.rule == "market_event" for one in alerts)


@given(lists(), st.randoms(use_true_random=False))
def test_the_order_and_the_zone_of_what_is_read_is_no_matter(given_facts, chance):
    elsewhere = timezone(timedelta(hours=-5))
    parts = {
        "silences": [silence(1, 2, 1), silence(3, 4, 2)],
        "acts": [ActCount("alert", "close", 3, 2), ActCount("alert", "take", 1, 1)],
        "polls": [poll(number) for number in range(1, 100)],
    }
    mixed = {name: chance.sample(part, len(part)) for name, part in parts.items()}
    others = [one._replace(bar_at=one.bar_at.astimezone(elsewhere)) for one in given_facts]
    chance.shuffle(others)
    assert hash_report(make(others, **mixed)) == hash_report(make(given_facts, **parts))


@given(lists(), lists())
def test_other_numbers_have_another_hash(some, others):
    one, other = make(some), make(others)
    assert (hash_report(one)[0] == hash_report(other)[0]) == (one == other)


def test_what_was_signed_can_be_read_again():
    report = make([closed(0), facts(1, rule="market_event")], silences=[silence(1, 2)], polls=[poll(1)])
    assert msgspec.json.decode(hash_report(report)[1], type=DailyReport) == report


@pytest.mark.parametrize(
    ("begins", "ends", "shown"),
    [(-5, 0, None), (24, 30, None), (-5, 1, (0, 1)), (3, 99, (3, 24)), (-9, 99, (0, 24))],
)
def test_a_silence_is_shown_as_far_as_it_was_in_force_in_the_sessions_time(begins, ends, shown):
    kept = facts(0, told="not sent: silence 7 of nina")
    listed = make([kept, facts(1)], silences=[silence(begins, ends)]).silences
    hours = [((one.from_at - BEGIN) / HOUR, (one.until_at - BEGIN) / HOUR) for one in listed]
    assert hours == ([shown] if shown else [])
    assert all(one.alerts == 1 for one in listed)


def test_parameters_say_whether_the_session_before_had_them():
    alerts = [facts(0), facts(1, parameters_version="b"), facts(2, parameters_version="b")]
    seen = make(alerts, versions_before=["a"]).parameters
    assert [(one.version, one.alerts, one.is_new) for one in seen] == [("a", 1, False), ("b", 2, True)]
    assert (seen[1].first_bar_at, seen[1].last_bar_at) == (BEGIN + MINUTE, BEGIN + 2 * MINUTE)
    assert [one.is_new for one in make(alerts).parameters] == [None, None]


@given(st.sets(st.integers(1, 120)), st.sets(st.integers(1, 120)))
def test_each_minute_is_polled_or_in_one_gap(good, bad):
    coverage = make(polls=[*(poll(it) for it in good), *(poll(it, failed=1) for it in bad), poll(500)]).coverage
    assert (coverage.minutes, coverage.polled) == (120, len(good))
    assert (coverage.runs, coverage.failed_runs) == (len(good) + len(bad), len(bad))
    if coverage.runs and len(coverage.gaps) < MOST_GAPS:
        missing = {(gap.first - BEGIN) // MINUTE + number for gap in coverage.gaps for number in range(gap.minutes)}
        assert missing == set(range(1, 121)) - good
        assert all(gap.last - gap.first == (gap.minutes - 1) * MINUTE for gap in coverage.gaps)
    assert coverage.bars == (10 * coverage.runs or None)
    assert coverage.rejected is None


def test_where_no_run_is_stored_nothing_is_claimed():
    coverage = make().coverage
    assert (coverage.runs, coverage.gaps, coverage.unknown[0]) == (0, (), NO_RUN)
    assert NO_RUN not in make(polls=[poll(1)]).coverage.unknown
