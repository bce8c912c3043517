"""Which minutes of a session were watched, and why not the others: what is made of watermarks and the calendar."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from itertools import groupby, pairwise

import pytest

from include.surveillance.records import Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS
from tests.dbt_project.conftest import Market
from tests.dbt_project.test_build import bar, instrument, metric, moment_ms

LANDED, NEXT_DAY = "2024-03-08 22:00:00", "2024-03-09 15:00:00"
# The sessions of Thursday, Friday and, four months later, of a half-day, of which nothing has landed.
DATES = ("2024-03-07", "2024-03-08", "2024-07-03")
PARTS = ("watched", "no_trade", "no_history", "rejected", "not_measured", "not_polled")
COUNTS = ("expected", "watched", "late", *PARTS[1:])


def poll(symbol: str, since: str, until: str, polled_at: str | None = None, **values) -> Watermark:
    fields = {"timespan": "minute", "from_ms": moment_ms(since), "as_of_ms": moment_ms(until), "bars": 1}
    return Watermark(symbol=symbol, polled_ms=moment_ms(polled_at or until), **(fields | values))


def land(market: Market) -> None:
    day, before = "2024-03-08", "2024-03-07"
    symbols = ("AAPL", "MSFT", "NEVER")
    market.land([instrument(symbol, symbol, f"{before} 08:00:00") for symbol in symbols], LANDED)
    market.land([instrument("OLD", "Old", "2024-02-20 08:00:00")], LANDED)
    first, second, third, fourth = (bar("AAPL", f"{day} 14:{minute}:00") for minute in (30, 31, 32, 33))
    market.land([first, second, third, fourth], LANDED)
    market.land([bar("AAPL", f"{day} 21:00:00"), bar("AAPL", f"{before} 14:30:00")], LANDED)
    market.land(
        [
            metric(first, day, "opening_auction", gap=0.5, gap_range=0.5, volume_mean=9.0),
            metric(second, day, volume_mean=9.0, volume_z=1.0, rvol=1.0),
            metric(third, day),
        ],
        LANDED,
    )
    market.land(polls(), LANDED)


def polls() -> list[Watermark]:
    day, before = "2024-03-08", "2024-03-07"
    return [
        poll("AAPL", f"{before} 14:00:00", f"{before} 21:00:00"),
        # twice the same minutes, then nothing for an hour
        poll("AAPL", f"{day} 14:00:00", f"{day} 15:00:00"),
        poll("AAPL", f"{day} 14:40:00", f"{day} 15:30:00", rejected=2),
        poll("AAPL", f"{day} 16:30:00", f"{day} 21:30:00"),
        poll("AAPL", f"{day} 05:00:00", f"{day} 21:00:00", timespan="day"),
        poll("MSFT", f"{before} 14:00:00", f"{before} 15:30:00"),
        # asked for when it counts no more
        poll("MSFT", f"{day} 14:00:00", f"{day} 21:00:00", polled_at="2024-03-15 15:00:00"),
        poll("NEW", f"{day} 14:00:00", f"{day} 21:00:00", polled_at=f"{day} 21:30:00"),
    ]


def land_backfill(market: Market) -> None:
    """What was not asked for on Friday is on Saturday; and a bar of which the vendor says something else now."""
    market.land([bar("AAPL", "2024-03-08 14:31:00", close=101.0, source="backfill")], NEXT_DAY)
    late = bar("AAPL", "2024-03-08 15:45:00", source="backfill")
    values = {"source": "backfill", "polled_at": "2024-03-09 14:00:00"}
    market.land([late, poll("AAPL", "2024-03-08 15:30:00", "2024-03-08 16:30:00", **values)], NEXT_DAY)
    market.land([metric(late, "2024-03-08", volume_mean=9.0)], NEXT_DAY)


# What tells of coverage, and what that is made of.
COVERAGE = ("--select", "+rpt_coverage_sessions", "+rpt_feed_sla")


def build(dbt) -> None:
    result = dbt("build", *COVERAGE, "--exclude-resource-type", "unit_test")
    assert result.success, [(r.node.name, r.message) for r in result.result if r.status not in ("success", "pass")]


@pytest.fixture(scope="module")
def calendar(profile) -> None:
    profile.setenv("MARKET_SESSIONS", json.dumps([asdict(Sessions("XNYS").on(date)) for date in DATES]))


@pytest.fixture(scope="module")
def built(market, dbt, calendar) -> Market:
    land(market)
    build(dbt)
    return market


def coverage(built: Market, rule: str, form: str) -> dict[tuple[str, int], tuple[int, ...]]:
    """(symbol, day) -> minutes by what became of them, in the order of ``PARTS``."""
    columns = ", ".join(f"{part}_minutes" for part in PARTS)
    rows = built.query(
        f"select symbol, day(session_date), {columns} from analytics.rpt_coverage where rule = %s and form = %s",
        rule,
        form,
    )
    return {(symbol, day): tuple(counts) for symbol, day, *counts in rows}


def digest(rows: list[tuple]) -> str:
    """Digest rows of the report as its description says."""
    symbols = []
    for _, own in groupby(sorted(rows, key=lambda row: row[:3]), key=lambda row: row[0]):
        symbols.append(hashlib.sha256(";".join(",".join(map(str, row)) for row in own).encode()).hexdigest())
    return hashlib.sha256(";".join(symbols).encode()).hexdigest()


def test_each_minute_of_the_calendar_is_accounted_for_once(built):
    """Of a session about whose symbols nobody asked nothing is said."""
    (row,) = built.query(
        f"select count(*), count_if(expected_minutes = {' + '.join(f'{part}_minutes' for part in PARTS)}) "
        "from analytics.rpt_coverage"
    )
    assert row == (2 * 3 * 10, 2 * 3 * 10)
    minutes = built.query("select distinct rule, form, expected_minutes from analytics.rpt_coverage order by 1, 2")
    rules = ("abnormal_volume", "price_breakout", "price_gap", "volatility_spike")
    of_bars = {(rule, form): 1 if rule == "price_gap" else 390 for rule in rules for form in ("literal", "robust")}
    of_feeds = {("feed_freshness", "literal"): 390, ("data_quality", "literal"): 390}
    assert {(rule, form): count for rule, form, count in minutes} == of_bars | of_feeds
    assert len(minutes) == 10


def test_a_minute_that_was_not_watched_says_why(built):
    found = coverage(built, "abnormal_volume", "robust")
    assert found["AAPL", 8] == (1, 390 - 60 - 4 - 2, 2, 2, 1, 60)
    assert coverage(built, "abnormal_volume", "literal")["AAPL", 8] == (2, 324, 1, 2, 1, 60)
    assert found["AAPL", 7] == (0, 389, 0, 0, 1, 0)
    assert coverage(built, "price_gap", "robust")["AAPL", 8] == (1, 0, 0, 0, 0, 0)
    assert coverage(built, "feed_freshness", "literal")["AAPL", 8] == (330, 0, 0, 0, 0, 60)


def test_a_symbol_that_nobody_polls_is_missing_as_long_as_it_is_asked_about(built):
    """What is asked too late, or about a symbol that is on the list since, is no coverage of the session."""
    found = coverage(built, "abnormal_volume", "robust")
    assert found["NEVER", 8] == found["NEVER", 7] == found["MSFT", 8] == (0, 0, 0, 0, 0, 390)
    assert found["MSFT", 7] == (0, 60, 0, 0, 0, 330)
    assert {symbol for symbol, _ in found} == {"AAPL", "MSFT", "NEVER"}


def delays(symbol: str, day: str) -> list[float | None]:
    """Seconds from the close of each minute of a session to the first poll that counts for it."""
    opens, closes = moment_ms(f"{day} 14:30:00"), moment_ms(f"{day} 21:00:00")
    asked = [it for it in polls() if it.symbol == symbol and it.timespan == "minute"]
    counted = [it for it in asked if it.polled_ms < closes + 4 * DAY_MS]
    found: list[float | None] = []
    for start in range(opens, closes, MINUTE_MS):
        end = start + MINUTE_MS
        polled = [it.polled_ms - end for it in counted if it.from_ms <= start and end <= it.as_of_ms]
        found.append(min(polled) / 1000 if polled else None)
    return found


def test_the_feed_is_held_against_the_close_of_each_bar(built):
    rows = built.query(
        "select to_char(session_date, 'YYYY-MM-DD'), symbols, symbols_in_time, expected_minutes, minutes_in_time, "
        "minutes_late_5m, minutes_late_1h, minutes_later, not_polled_minutes, round(in_time_share * 1170), "
        "rejected_bars from analytics.rpt_feed_sla where timespan = 'minute' order by 1"
    )
    limits = (-math.inf, 60, 300, 3600, math.inf)
    expected = []
    for day, rejected in (("2024-03-07", 0), ("2024-03-08", 2)):
        found = [delay for symbol in ("AAPL", "MSFT", "NEVER") for delay in delays(symbol, day)]
        known = [delay for delay in found if delay is not None]
        counts = [sum(low < delay <= high for delay in known) for low, high in pairwise(limits)]
        expected.append((day, 3, 0, 3 * 390, *counts, len(found) - len(known), counts[0], rejected))
    assert rows == expected
    assert {row[4] for row in rows} == {4}


def test_a_session_of_the_calendar_is_known_without_a_bar(built):
    rows = built.query(
        "select open_at::varchar, close_at::varchar, symbols from analytics.dim_market_sessions order by session_date"
    )
    assert [(opens[5:16], closes[11:16], symbols) for opens, closes, symbols in rows] == [
        ("03-07 14:30", "21:00", 0), ("03-08 14:30", "21:00", 1), ("07-03 13:30", "17:00", 0),
    ]  # fmt: skip


def test_the_statement_of_a_session_is_over_its_rows(built):
    names = ", ".join(f"{count}_minutes" for count in COUNTS)
    said = built.query(
        f"select session_date, digest, symbols, unwatched_symbols, coverage_rows, {names} "
        "from analytics.rpt_coverage_sessions order by session_date"
    )
    assert [row[2:5] for row in said] == [(3, 1, 30), (3, 2, 30)]
    for date, signed, _, _, _, *totals in said:
        rows = built.query(
            f"select symbol, rule, form, {names} from analytics.rpt_coverage where session_date = %s", str(date)
        )
        assert signed == digest(rows)
        assert totals == [sum(column) for column in list(zip(*rows, strict=True))[3:]]


def everything(built: Market) -> list[list[tuple]]:
    tables = ("dim_market_sessions", "fact_polled_minutes", "rpt_feed_sla", "rpt_coverage", "rpt_coverage_sessions")
    return [built.query(f"select * from analytics.{table} order by 1, 2, 3, 4") for table in tables]


def test_another_build_changes_nothing_and_what_lands_later_is_said_beside_what_was_said(built, dbt):
    """Also by who builds without a calendar, and over tables of an earlier version, which knew none."""
    before = everything(built)
    assert dbt("run", *COVERAGE).success
    assert everything(built) == before
    with pytest.MonkeyPatch.context() as without:
        without.delenv("MARKET_SESSIONS")
        assert dbt("run", *COVERAGE).success
    assert everything(built) == before
    built.query(
        "create or replace table analytics.dim_market_sessions as "
        "select * exclude (open_at, close_at) from analytics.dim_market_sessions where symbols > 0"
    )
    land_backfill(built)
    build(dbt)
    columns = ", ".join(f"{part}_minutes" for part in ("watched", "late", "no_trade", "not_polled"))
    late = built.query(
        f"select {columns} from analytics.rpt_coverage where symbol = 'AAPL' and rule = 'abnormal_volume' "
        "and form = 'literal' and session_date = '2024-03-08'"
    )
    assert late == [(3, 1, 324 + 59, 0)]
    statements = everything(built)[-1]
    assert [row for row in statements if row in before[-1]] == before[-1]
    assert [str(row[1]) for row in statements] == ["2024-03-07", "2024-03-08", "2024-03-08"]


def test_minutes_that_do_not_sum_are_noticed(built, dbt):
    """Runs last: it spoils the report."""
    built.query("update analytics.rpt_coverage set no_trade_minutes = no_trade_minutes + 1 where symbol = 'MSFT'")
    result = dbt("test", "--select", "rpt_coverage")
    failed = {r.node.name for r in result.result if r.status == "fail"}
    assert failed == {"assert_each_expected_minute_is_counted_once"}
