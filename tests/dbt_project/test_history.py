"""What came late, in the wrong order or twice, what left RAW and what was taken back: the record says what happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.dbt_project.test_build import BEGINNING, END, alert, bar, instrument, metric

FIRST, SECOND = "2024-03-08 15:00:00", "2024-03-08 20:00:00"
ONLY_COPIES = ("staging.int_bars", "staging.int_metrics", "staging.int_instruments", "analytics.fact_alert_events")
FEATURES = ("analytics.feature_bar_v1", "analytics.feature_symbol_day_v1")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 3, 8, hour, minute)  # noqa: DTZ001 - the warehouse speaks UTC without a zone


def land_first(market) -> None:
    """Everything as it is known in the morning."""
    market.land(
        [
            instrument("LATE", "Late", "2024-03-08 06:00:00"),
            instrument("ORDR", "Second", "2024-03-08 08:00:00"),
            instrument("ABAX", "A", "2024-03-08 06:00:00"),
            instrument("OLDT", "Renamed", "2024-03-08 06:00:00", composite_figi="BBG000000007"),
            instrument("GONE", "Gone", "2024-03-08 06:00:00"),
            instrument("WENT", "Went", "2024-03-08 06:00:00"),
        ],
        FIRST,
    )
    bars = [
        bar(symbol, f"2024-03-08 {time}:00")
        for symbol in ("LATE", "ORDR", "NEWC", "ONCE")
        for time in ("07:00", "14:31")
    ]
    market.land(bars, FIRST, published_at="2024-03-08 14:32:00")
    market.land([metric(of, "2024-03-08") for of in bars], FIRST, published_at="2024-03-08 14:32:01")
    market.land([metric(bar("SLOW", "2024-03-08 14:31:00"), "2024-03-08", rvol=7.0)], FIRST)
    market.land([alert("price_gap", "LATE", "2024-03-08 14:31:00", value=4.0)], FIRST, "2024-03-08 14:32:03")
    market.land([alert("price_gap", "NEWC", "2024-03-08 14:31:00")], FIRST, "2024-03-08 14:32:03")
    ahead = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M:%S}"
    market.land([bar("AHED", "2024-03-08 14:31:00")], ahead, published_at="2024-03-08 14:32:00")
    market.offset = 1_000
    market.land([bar("ANEW", "2024-03-08 14:31:00", close=101.0)], FIRST, published_at="2024-03-08 14:32:00")


def land_second(market) -> None:
    """What came of it, half of it late. Of alerts and metrics RAW has the newest message only, or nothing any more."""
    market.offset = 0  # the topics were made anew
    market.land([bar("ANEW", "2024-03-08 14:31:00", close=102.0)], SECOND, published_at="2024-03-08 14:40:00")
    market.land([bar("ONCE", "2024-03-08 14:31:00", close=90.0)], SECOND, published_at="2024-03-08 14:31:59")
    market.land(
        [
            instrument("LATE", "Late, renamed", "2024-03-08 08:00:00"),
            instrument("ORDR", "First", "2024-03-08 06:00:00"),
            instrument("ABAX", "A", "2024-03-08 12:00:00"),
            instrument("ABAX", "B", "2024-03-08 09:00:00"),
            instrument("ABAX", "A", "2024-03-08 18:00:00"),
            instrument("NEWT", "Renamed", "2024-03-08 18:00:00", composite_figi="BBG000000007", previous_symbol="OLDT"),
            instrument("GONE", "Gone", "2024-03-08 18:00:00", active=False),
            instrument("WENT", "Went", "2024-03-08 18:00:00", delisted_on="2024-03-07"),
            instrument("NEWC", "New", "2024-03-08 18:00:00"),
        ],
        SECOND,
    )
    market.query("delete from raw.raw_metrics")
    market.query("delete from raw.raw_alerts where payload:symbol::varchar = 'LATE'")
    market.land([bar("LATE", "2024-03-08 14:31:00", high=150.0)], SECOND, published_at="2024-03-08 16:30:00")
    market.land([metric(bar("ORDR", "2024-03-08 14:31:00"), "2024-03-08", rvol=3.0)], SECOND, "2024-03-08 16:00:00")
    market.land([bar("SLOW", "2024-03-08 14:31:00")], SECOND, published_at="2024-03-08 14:32:00")
    taken_back = {"status": "retracted", "value": 1.0, "before_value": 4.0}
    market.land([alert("price_gap", "LATE", "2024-03-08 14:31:00", **taken_back)], SECOND, "2024-03-08 16:30:30")


@pytest.fixture(scope="module")
def built(market, dbt):
    land_first(market)
    assert dbt("run").success
    land_second(market)
    result = dbt("build", "--exclude-resource-type", "unit_test")
    assert result.success, [(r.node.name, r.message) for r in result.result if r.status not in ("success", "pass")]
    return market


def versions(built, symbol: str) -> list[tuple]:
    return built.query(
        "select name, valid_from, valid_to from analytics.dim_instruments where symbol = %s order by valid_from", symbol
    )


def test_a_change_that_arrives_in_the_wrong_order_is_the_version_that_it_was(built):
    assert versions(built, "ORDR") == [("First", BEGINNING, at(8)), ("Second", at(8), END)]


def test_what_comes_back_to_what_it_was_is_a_version_of_its_own(built):
    """Also when the change between was told last, and an unchanged poll after it makes none."""
    assert versions(built, "ABAX") == [("A", BEGINNING, at(9)), ("B", at(9), at(12)), ("A", at(12), END)]


def test_facts_are_healed_when_their_version_is_learnt_of_late(built):
    for fact in ("fact_intraday_metrics", "fact_alerts"):
        rows = built.query(
            f"select distinct to_char(bar_start_at, 'YYYY-MM-DD HH24:MI:SS'), name from analytics.{fact} as facts "
            "inner join analytics.dim_instruments using (instrument_key) where facts.symbol = 'LATE' order by 1"
        )
        assert rows == [("2024-03-08 07:00:00", "Late"), ("2024-03-08 14:31:00", "Late, renamed")][-len(rows) :], fact
        assert rows


def test_a_symbol_without_reference_data_is_the_unknown_member_until_it_has_some(built):
    for fact in ("fact_intraday_metrics", "fact_alerts"):
        rows = built.query(
            f"select distinct facts.symbol, name from analytics.{fact} as facts "
            "inner join analytics.dim_instruments using (instrument_key) where facts.symbol in ('NEWC', 'ONCE')"
        )
        assert ("NEWC", "New") in rows
        assert {name for symbol, name in rows if symbol == "ONCE"} <= {"unknown"}


def test_an_instrument_is_the_same_under_another_ticker(built):
    rows = built.query(
        "select symbol, previous_symbol from analytics.dim_instruments where instrument_id = 'BBG000000007' order by 1"
    )
    assert rows == [("NEWT", "OLDT"), ("OLDT", None)]


def test_a_delisted_instrument_is_active_no_more(built):
    rows = built.query(
        "select symbol, is_active, valid_from from analytics.dim_instruments "
        "where symbol in ('GONE', 'WENT') order by symbol, valid_from"
    )
    assert rows == [
        ("GONE", True, BEGINNING), ("GONE", False, at(18)), ("WENT", True, BEGINNING), ("WENT", False, at(18)),
    ]  # fmt: skip


def test_a_landing_with_a_clock_a_day_ahead_stops_nothing(built):
    rows = built.query("select symbol, count(*) from analytics.fact_intraday_metrics group by symbol order by symbol")
    assert rows == [("AHED", 1), ("ANEW", 1), ("LATE", 2), ("NEWC", 2), ("ONCE", 2), ("ORDR", 2), ("SLOW", 1)]


def fact(built, symbol: str) -> dict:
    (row,) = built.records(
        "select close, high, rvol, is_measured, is_measured_on_latest_bar from analytics.fact_intraday_metrics "
        f"where symbol = '{symbol}' and bar_start_at = '2024-03-08 14:31:00'"
    )
    return row


def test_a_correction_of_anything_is_taken_also_when_the_metric_has_left_raw(built):
    row = fact(built, "LATE")
    assert (row["high"], row["is_measured"], row["is_measured_on_latest_bar"]) == (150.0, True, False)


def test_of_a_topic_made_anew_the_message_published_last_counts(built):
    assert fact(built, "ANEW")["close"] == 102.0
    assert fact(built, "ONCE")["close"] == 100.0


def test_a_metric_that_lands_hours_before_its_bar_is_not_lost(built):
    assert fact(built, "SLOW")["rvol"] == 7.0


def test_a_corrected_metric_is_known_since_it_was_published_and_no_earlier(built):
    """Of two bars that became known in the same millisecond the later one is how the series stood."""
    measured = at(14, 32).replace(second=1)
    rows = built.query(
        "select bar_start_at, rvol, known_at, is_newest from analytics.feature_bar_v1 "
        "where symbol = 'ORDR' order by known_at, bar_start_at"
    )
    assert rows == [
        (at(7), None, measured, False), (at(14, 31), None, measured, True), (at(14, 31), 3.0, at(16), True),
    ]  # fmt: skip
    days = built.query(
        "select highest_rvol, known_at, is_newest from analytics.feature_symbol_day_v1 "
        "where symbol = 'ORDR' order by known_at"
    )
    assert days == [(None, at(15), True), (3.0, at(20), True)]


def test_a_retraction_does_not_change_how_the_alert_began(built):
    (row,) = built.records(
        "select status, value, first_value, alerted_at, updated_at, close_to_alert_seconds, messages "
        "from analytics.fact_alerts where symbol = 'LATE'"
    )
    assert row == {
        "status": "retracted", "value": 1.0, "first_value": 4.0, "alerted_at": datetime(2024, 3, 8, 14, 32, 3),  # noqa: DTZ001
        "updated_at": datetime(2024, 3, 8, 16, 30, 30), "close_to_alert_seconds": 3.0, "messages": 2,  # noqa: DTZ001
    }  # fmt: skip
    told = built.query(
        "select status, to_char(published_at, 'YYYY-MM-DD HH24:MI:SS') from analytics.fact_alert_events "
        "where symbol = 'LATE' order by published_at"
    )
    assert told == [("fired", "2024-03-08 14:32:03"), ("retracted", "2024-03-08 16:30:30")]


def test_the_latency_counts_what_was_taken_back_later(built):
    assert built.query("select sum(alerts), max(close_to_alert_seconds_p95) from analytics.rpt_alert_latency") == [
        (2, 3.0)
    ]


def test_a_full_refresh_loses_nothing_that_raw_has_lost(built, dbt):
    """Runs last: afterwards RAW is empty."""
    counts = " union all ".join(
        f"select '{table}', count(*), max(landed_at) from {table}"
        for table in (*ONLY_COPIES, *FEATURES, "analytics.fact_intraday_metrics", "analytics.fact_alerts")
    )
    before = sorted(built.query(counts))
    for table in ("bars", "metrics", "alerts", "instruments"):
        built.query(f"delete from raw.raw_{table}")
    assert dbt("run", "--full-refresh").success
    assert sorted(built.query(counts)) == before
