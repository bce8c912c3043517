"""The project against the embedded warehouse: built twice over a market that changes in between."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from include.surveillance.detection.rules.registry import rules_at
from include.surveillance.records import (
    Alert,
    Bar,
    Disposition,
    Dividend,
    Instrument,
    Metric,
    NewsItem,
    Split,
    TickerChange,
    Watermark,
)
from include.surveillance.timespans import SPAN_MS
from include.surveillance.warehouse.retention import CLASSES, delete_old_rows

FIRST_LANDING, SECOND_LANDING, THIRD_LANDING = "2024-03-08 15:00:00", "2024-03-08 18:00:00", "2024-03-11 20:00:00"
RULES = rules_at("minute")
FACT = "fact_intraday_metrics"
MISTAKEN = Split(symbol="MSFT", execution_date="2024-03-08", split_from=1, split_to=10)
BEGINNING, END = datetime(1900, 1, 1), datetime(9999, 12, 31)  # noqa: DTZ001 - the warehouse speaks UTC without a zone


def moment_ms(text: str) -> int:
    """UTC wall time such as ``2024-03-08 14:30:00`` -> epoch milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def bar(symbol: str, start: str, close: float = 100.0, timespan: str = "minute", **values) -> Bar:
    low, high = min(close, 100.0) - 1, max(close, 100.0) + 1
    prices = {"open": 100.0, "high": high, "low": low, "close": close, "volume": Decimal("10.5")}
    return Bar(symbol=symbol, timespan=timespan, ts_ms=moment_ms(start), **(prices | values))


def metric(of: Bar, date: str, phase: str = "regular", **values) -> Metric:
    return Metric(
        symbol=of.symbol, timespan=of.timespan, ts_ms=of.ts_ms, bar_event_id=of.event_id,
        close=of.close, volume=float(of.volume), session_phase=phase, session_date=date, **values,
    )  # fmt: skip


def alert(rule: str, symbol: str, start: str, date: str = "2024-03-08", timespan: str = "minute", **values) -> Alert:
    ts_ms = moment_ms(start)
    close_ms = ts_ms + SPAN_MS[timespan]
    fields = {
        "rule": rule, "rule_version": 1, "parameters_version": "p1", "symbol": symbol, "timespan": timespan,
        "ts_ms": ts_ms, "bar_close_ms": close_ms, "direction": "up", "value": 4.0, "threshold": 3.0, "score": 60.0,
        "window_start_ms": ts_ms, "window_end_ms": close_ms, "severity": "high", "episode_start_ms": ts_ms,
        "session_phase": "regular", "session_date": date, "data_age_ms": 2_000, "event_ids": ("e1",),
        "explanation": "made for a test",
    }  # fmt: skip
    return Alert(**(fields | values))


def instrument(symbol: str, name: str, polled_at: str, **more) -> Instrument:
    more |= {"primary_exchange": "XNAS", "currency": "USD", "polled_ms": moment_ms(polled_at)}
    return Instrument(symbol=symbol, name=name, **more)


def decide(of: Alert, version: int, state: str, verdict: str | None = None) -> Disposition:
    return Disposition(
        alert_id=of.event_id, rule=of.rule, symbol=of.symbol, timespan=of.timespan,
        event="close" if verdict else "take", actor="ann", occurred_ms=of.bar_close_ms, state=state,
        disposition=verdict, version=version, audit_id=version,
    )  # fmt: skip


def land_first(market) -> None:
    """Two sessions of three symbols, one of them without reference data; a duplicate and a correction."""
    market.land(
        [instrument("AAPL", "Apple", "2024-03-08 13:00:00"), instrument("MSFT", "Microsoft", "2024-03-08 13:00:00")],
        FIRST_LANDING,
    )
    bars = [
        bar(symbol, f"{date} 14:{minute}:00")
        for symbol in ("AAPL", "MSFT", "NEWC")
        for date in ("2024-03-07", "2024-03-08")
        for minute in (30, 31, 32)
    ]
    bars.append(bar("AAPL", "2024-03-07 05:00:00", timespan="day"))
    bars.append(bars[0])  # polled again, the same values: the same event
    bars.append(bar("AAPL", "2024-03-08 14:31:00", close=99.0))  # corrected by the vendor
    market.land(bars, FIRST_LANDING)
    unmeasured = bar("MSFT", "2024-03-08 14:32:00")
    moves = {"AAPL": 0.01, "MSFT": -0.01}
    metrics = [
        metric(
            of, "2024-03-07" if of.ts_ms < moment_ms("2024-03-08") else "2024-03-08", log_return=moves.get(of.symbol)
        )
        for of in bars[:-2]
    ]
    market.land([m for m in metrics if m.bar_event_id != unmeasured.event_id], FIRST_LANDING)
    alerts = [alert(rule, "AAPL", "2024-03-08 14:31:00") for rule in RULES]
    alerts.append(alert("feed_freshness", "QUIET", "2024-03-06 15:00:00", date="2024-03-06", direction=""))
    alerts.append(alert("price_gap", "MSFT", "2024-03-07 14:30:00", date="2024-03-07", source="backfill"))
    profiled = {"form": "robust", "profile_version": "2024-03-06|0123abcd"}
    alerts.append(alert("abnormal_volume", "MSFT", "2024-03-07 14:31:00", date="2024-03-07", firings=2, **profiled))
    asked = {"polled_ms": moment_ms("2024-03-08 14:32:02"), "appended_ms": moment_ms("2024-03-08 14:32:02.250")}
    moments = {name: str(ms) for name, ms in asked.items()} | {"detected_ms": "no number"}
    market.land(alerts, FIRST_LANDING, published_at="2024-03-08 14:32:03.500", **moments)
    corrected = {"status": "retracted", "before_value": 4.5, "before_threshold": 3.5, "inhibited_by": "bars missing"}
    story = {"symbol": "AAPL", "article_id": "n1", "published_ms": moment_ms("2024-03-08 14:25:00"), "title": "Lawsuit"}
    told = [NewsItem(**story), NewsItem(**story, sentiment="negative")]
    market.land(told, FIRST_LANDING)
    cited = (bars[0], told[0], Watermark(symbol="MSFT", timespan="minute", from_ms=0, as_of_ms=1, bars=1), alerts[0])
    evidence = {"event_ids": tuple(record.event_id for record in cited)}
    withdrawn = alert(
        "abnormal_volume", "MSFT", "2024-03-07 14:31:00", date="2024-03-07", **profiled, **corrected, **evidence
    )
    market.land([withdrawn], FIRST_LANDING, published_at="2024-03-08 14:40:00")
    market.land(
        [
            Split(symbol="AAPL", execution_date="2024-03-08", split_from=1, split_to=2),
            Split(symbol="AAPL", execution_date="2999-01-01", split_from=1, split_to=10),
            MISTAKEN,
            Dividend(symbol="AAPL", ex_date="2024-03-08", cash_amount=0.5),
            TickerChange(symbol="", new_symbol="NEWC", date="2024-03-07"),
        ],
        FIRST_LANDING,
    )
    market.land([decide(alerts[0], 1, "in review")], FIRST_LANDING)


def land_second(market) -> None:
    """A renaming, reference data at last, a late bar, a late metric, an old bar corrected."""
    market.land(
        [instrument("AAPL", "Apple Inc", "2024-03-08 16:00:00"), instrument("NEWC", "New Corp", "2024-03-08 16:00:00"),
         instrument("MSFT", "Microsoft", "2024-03-08 16:00:00"),
         instrument("OLDC", "Old Corp", "2024-03-08 16:00:00", composite_figi="BBG000000001", active=False,
                    previous_symbol="OLDER", ticker_since="2012-05-18", delisted_on="2024-03-07")],
        SECOND_LANDING,
    )  # fmt: skip
    late, renamed = bar("MSFT", "2024-03-07 14:35:00"), bar("AAPL", "2024-03-08 16:30:00", close=102.0)
    corrected = bar("AAPL", "2024-03-07 14:32:00", close=103.0)
    market.land([late, renamed, corrected], SECOND_LANDING)
    market.land(
        [metric(late, "2024-03-07"), metric(renamed, "2024-03-08", volume_ratio=4.0, rvol=2.5, volume_z=4.25,
         volatility_ratio=1.5, breakout_atr=-0.5, gap_range=0.75, profile_version="2024-03-07|0123abcd"),
         metric(bar("MSFT", "2024-03-08 14:32:00"), "2024-03-08")],
        SECOND_LANDING,
    )  # fmt: skip
    market.land([alert("abnormal_volume", "AAPL", "2024-03-08 16:30:00")], SECOND_LANDING)
    market.land([MISTAKEN], SECOND_LANDING, withdrawn=True)
    judged = alert("abnormal_volume", "AAPL", "2024-03-08 14:31:00")
    market.land([decide(judged, 2, "closed", "true positive")], SECOND_LANDING)
    # a transaction that was open while the first build read: older than the newest row of that build
    market.land([bar("NEWC", "2024-03-08 14:20:00")], "2024-03-08 14:30:00")


@pytest.fixture(scope="module")
def built(market, dbt):
    """The market after an empty build and two real ones, each with every data test; the last with unit tests."""
    for land in (lambda market: None, land_first, land_second):
        land(market)
        # Unit tests of the incremental branch ask the warehouse for the columns of the table, which must be there;
        # what has landed is nothing to them.
        unit_tests = () if land is land_second else ("--exclude-resource-type", "unit_test")
        result = dbt("build", *unit_tests)
        assert result.success, [
            (r.node.name, r.message) for r in result.result or [] if r.status not in ("success", "pass")
        ]
    return market


def test_each_bar_is_one_row_with_the_newest_values(built):
    rows = built.records(
        "select symbol, close, is_measured, is_measured_on_latest_bar from analytics.fact_intraday_metrics"
    )
    assert len(rows) == 3 * 2 * 3 + 1 + 3
    assert sorted(row["close"] for row in rows if row["close"] != 100.0) == [99.0, 102.0, 103.0]
    assert [row["symbol"] for row in rows if not row["is_measured"]] == ["NEWC"]
    assert sorted(row["close"] for row in rows if row["is_measured_on_latest_bar"] is False) == [99.0, 103.0]


def test_a_first_build_over_the_whole_log_equals_builds_as_it_came(built, dbt, profile):
    names = ("dim_instruments", "fact_alerts", "fact_bar_revisions", FACT)
    tables = ("staging.int_instruments", *(f"analytics.{name}" for name in names))
    as_it_came = [sorted(built.records(f"select * from {table}"), key=str) for table in tables]
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setenv("SNOWFLAKE_RAW_DATABASE", os.environ["SNOWFLAKE_DATABASE"])
        elsewhere.setenv("SNOWFLAKE_DATABASE", anew := f"{os.environ['SNOWFLAKE_DATABASE']}_ANEW")
        built.query(f"create database {anew}")
        assert dbt("run", "--select", "+fact_intraday_metrics", "+fact_alerts", "fact_bar_revisions").success
    assert [sorted(built.records(f"select * from {anew}.{table}"), key=str) for table in tables] == as_it_came


def test_every_poll_of_an_instrument_is_kept(built):
    rows = built.query("select symbol, name, polled_at from staging.int_instruments order by symbol, polled_at")
    first, second = datetime(2024, 3, 8, 13), datetime(2024, 3, 8, 16)  # noqa: DTZ001
    assert rows == [
        ("AAPL", "Apple", first),
        ("AAPL", "Apple Inc", second),
        ("MSFT", "Microsoft", first),
        ("MSFT", "Microsoft", second),
        ("NEWC", "New Corp", second),
        ("OLDC", "Old Corp", second),
    ]


def test_versions_cover_all_time_and_all_unknown_symbols_are_one(built):
    rows = built.query(
        "select symbol, name, valid_from, valid_to, is_current "
        "from analytics.dim_instruments order by symbol, valid_from"
    )
    renamed = datetime(2024, 3, 8, 16)  # noqa: DTZ001
    assert rows == [
        ("AAPL", "Apple", BEGINNING, renamed, False),
        ("AAPL", "Apple Inc", renamed, END, True),
        ("MSFT", "Microsoft", BEGINNING, END, True),
        ("NEWC", "New Corp", BEGINNING, END, True),
        ("OLDC", "Old Corp", BEGINNING, END, True),
        ("unknown", "unknown", BEGINNING, END, True),
    ]


def test_an_instrument_has_its_figi_its_former_ticker_and_the_days_of_its_ticker(built):
    (row,) = built.query(
        "select composite_figi, previous_symbol, ticker_since, delisted_on, is_active "
        "from analytics.dim_instruments where symbol = 'OLDC'"
    )
    assert row == ("BBG000000001", "OLDER", date(2012, 5, 18), date(2024, 3, 7), False)


def test_facts_carry_the_version_of_their_time(built):
    rows = built.query(
        """
        select facts.bar_start_at, instruments.name
        from analytics.fact_alerts as facts
        inner join analytics.dim_instruments as instruments using (instrument_key)
        where facts.symbol = 'AAPL' and facts.rule = 'abnormal_volume'
        order by facts.bar_start_at
        """
    )
    assert [name for _, name in rows] == ["Apple", "Apple Inc"]


def test_sessions_are_those_of_bars_and_of_silence(built):
    rows = built.query(
        "select to_char(session_date, 'YYYY-MM-DD'), minute_bars, symbols, is_regular "
        "from analytics.dim_market_sessions order by session_date"
    )
    assert rows == [("2024-03-06", 0, 0, False), ("2024-03-07", 10, 3, True), ("2024-03-08", 10, 3, True)]


def test_latency_runs_from_the_close_of_the_bar(built):
    (row,) = built.records(
        "select close_to_poll_seconds, poll_to_append_seconds, append_to_detect_seconds, poll_to_alert_seconds, "
        "close_to_alert_seconds, is_live "
        "from analytics.fact_alerts where rule = 'price_breakout'"
    )
    assert row == {
        "close_to_poll_seconds": 2.0, "poll_to_append_seconds": 0.25, "append_to_detect_seconds": None,
        "poll_to_alert_seconds": 1.5, "close_to_alert_seconds": 3.5, "is_live": True,
    }  # fmt: skip
    steps = built.query(
        "select alerts, close_to_poll_seconds_p50, poll_to_append_seconds_p95, detect_to_alert_seconds_p50 "
        "from analytics.rpt_alert_latency where rule = 'price_breakout'"
    )
    assert steps == [(1, 2.0, 0.25, None)]


def test_a_fact_says_its_form_and_what_a_correction_changed(built):
    rows = built.records(
        "select form, profile_version, status, firings, before_value, before_threshold, inhibited_by "
        "from analytics.fact_alerts where symbol = 'MSFT' and rule = 'abnormal_volume'"
    )
    assert rows == [
        {"form": "robust", "profile_version": "2024-03-06|0123abcd", "status": "retracted", "firings": 1,
         "before_value": 4.5, "before_threshold": 3.5, "inhibited_by": "bars missing"},
    ]  # fmt: skip
    plain = built.query(
        "select distinct form, profile_version, status, before_value, inhibited_by "
        "from analytics.fact_alerts where symbol = 'AAPL'"
    )
    assert plain == [("literal", None, "fired", None, None)]


def test_a_bar_says_what_it_was_against_its_profile(built):
    rows = built.query(
        "select rvol, volume_z, volatility_ratio, breakout_atr, gap_range, profile_version "
        "from analytics.fact_intraday_metrics where profile_version is not null"
    )
    assert rows == [(2.5, 4.25, 1.5, -0.5, 0.75, "2024-03-07|0123abcd")]


def test_a_new_measure_reaches_a_fact_that_is_there_already(built, dbt):
    built.query("alter table analytics.fact_intraday_metrics drop column gap_range")
    assert dbt("run", "--select", "fact_intraday_metrics").success
    assert built.query("select count(gap_range) from analytics.fact_intraday_metrics") == [(1,)]


def test_tables_of_an_earlier_version_become_this_ones(built, dbt):
    """They lack the columns by which a build knows where it has got to."""
    lacked = {FACT: "event_id", "dim_market_sessions": "landed_at", "rpt_symbol_day": "turnover"}
    before = {table: built.records(f"select * from analytics.{table} order by 1, 2, 3") for table in lacked}
    for table, column in lacked.items():
        built.query(f"create or replace table analytics.{table} as select * exclude ({column}) from analytics.{table}")
    result = dbt("build", "--select", *lacked, "--exclude-resource-type", "unit_test")
    assert result.success, [(r.node.name, r.message) for r in result.result if r.status not in ("success", "pass")]
    for table, rows in before.items():
        names = ", ".join(rows[0])
        assert built.records(f"select {names} from analytics.{table} order by 1, 2, 3") == rows, table


def test_reports_count_every_alert_that_stands(built):
    by_rule = dict(built.query("select rule, sum(alerts) from analytics.rpt_alerts_by_rule_and_day group by rule"))
    assert by_rule == {**dict.fromkeys(RULES, 1), "abnormal_volume": 2, "feed_freshness": 2, "price_gap": 2}
    latency = built.query(
        "select close_to_alert_seconds_p50 from analytics.rpt_alerts_by_rule_and_day where live_alerts = 0"
    )
    assert latency == [(None,)]
    per_symbol = built.query(
        "select symbol, bars, volume::float, alerts from analytics.rpt_symbol_day "
        "where session_date = '2024-03-07' or symbol = 'QUIET' order by symbol"
    )
    assert per_symbol == [("AAPL", 3, 31.5, 0), ("MSFT", 4, 42.0, 1), ("NEWC", 3, 31.5, 0), ("QUIET", 0, 0.0, 1)]


def test_a_symbol_is_told_of_with_its_risk_and_against_its_peers(built):
    risks = built.query(
        "select symbol, alerts, abnormal_volume_alerts, operations_alerts, open_alerts, true_positives, highest_rvol "
        "from analytics.rpt_symbol_risk_day where session_date = '2024-03-08' and alerts > 0"
    )
    assert risks == [("AAPL", 8, 2, 2, 7, 1, 2.5)]
    rows = built.query(
        "select symbol, liquidity, peers, round(session_return, 4), round(relative_volume, 4), return_rank, "
        "volume_rank, alerts_rank from analytics.rpt_peer_comparison where session_date = '2024-03-08' order by symbol"
    )
    assert rows == [
        ("AAPL", "thin", 2, 0.02, round((99 + 100 + 100 + 102) / (100 + 100 + 103), 4), 1, 1, 1),
        ("MSFT", "thin", 2, 0.0, 0.75, 2, 3, 2),
        ("NEWC", "thin", 2, 0.0, 1.0, 2, 2, 2),
    ]


def test_an_article_is_as_it_was_told_last(built):
    assert built.query("select news_id, title, sentiment, is_withdrawn from analytics.fact_news") == [
        ("n1|AAPL", "Lawsuit", "negative", False)
    ]


def test_the_evidence_of_an_alert_is_found_by_key(built):
    """That of all its messages, also of those before a retraction."""
    rows = built.query(
        "select split_part(event_id, '|', 1), evidence_kind, bar_id, news_id, member_alert_id "
        "from analytics.bridge_alert_evidence where alert_id like 'abnormal_volume|MSFT|%' order by event_id"
    )
    member = alert("abnormal_volume", "AAPL", "2024-03-08 14:31:00").event_id
    assert rows == [
        ("AAPL", "bar", "AAPL|minute|2024-03-07 14:30:00", None, None),
        ("MSFT", "watermark", None, None, None),
        ("abnormal_volume", "alert", None, None, member),
        ("e1", None, None, None, None),
        ("n1", "news", None, "n1|AAPL", None),
    ]


def test_corporate_actions_are_as_the_vendor_said_last(built):
    """One that was withdrawn stays, and says so."""
    rows = built.query(
        "select action, symbol, new_symbol, split_to, cash_amount, is_withdrawn from analytics.fact_corporate_actions "
        "where action_date < '2100-01-01' order by action, symbol"
    )
    assert rows == [
        ("dividend", "AAPL", None, None, 0.5, False),
        ("split", "AAPL", None, 2.0, None, False),
        ("split", "MSFT", None, None, None, True),
        ("ticker_change", None, "NEWC", None, None, False),
    ]


def test_bars_before_a_split_are_in_the_shares_after_it_and_dividends_are_told_beside_them(built):
    """Neither an announced split nor one that was withdrawn changes anything."""
    rows = built.query(
        "select symbol, to_char(bar_start_at, 'YYYY-MM-DD HH24:MI:SS'), split_factor, dividends_after, close, volume "
        "from analytics.fact_bars_adjusted where timespan = 'minute' and symbol <> 'NEWC' "
        "and bar_start_at in ('2024-03-07 14:30:00', '2024-03-08 14:30:00') order by symbol, bar_start_at"
    )
    assert [(symbol, start[8:10]) for symbol, start, *_ in rows] == [
        ("AAPL", "07"), ("AAPL", "08"), ("MSFT", "07"), ("MSFT", "08"),
    ]  # fmt: skip
    assert rows[0][2:] == pytest.approx((0.5, 0.5, 50.0, 21.0))
    assert [row[2:] for row in rows[1:]] == [(1.0, 0.0, 100.0, 10.5)] * 3


def test_the_acts_of_people_are_told_in_order_and_the_last_says_how_good_a_rule_was(built):
    acts = built.query(
        "select act, actor, review_state, disposition from analytics.fact_alert_dispositions order by review_version"
    )
    assert acts == [("take", "ann", "in review", None), ("close", "ann", "closed", "true positive")]
    rows = built.query(
        "select form, week, alerts, retracted_alerts, closed_alerts, true_positives, false_positives, precision_share "
        "from analytics.rpt_rule_precision where rule = 'abnormal_volume' order by form"
    )
    week = date(2024, 3, 4)
    assert rows == [("literal", week, 2, 0, 1, 1, 0, 1.0), ("robust", week, 1, 1, 0, 0, 0, None)]


def test_what_the_vendor_corrected_is_told_with_its_size_and_the_alerts_that_it_changed(built):
    rows = built.query(
        "select symbol, day(session_date), bars, corrected_bars, corrections, volume_change, retracted_alerts, "
        "largest_close_change from analytics.rpt_corrections where symbol <> 'NEWC' order by 1, 2"
    )
    assert [row[:-1] for row in rows] == [
        ("AAPL", 7, 3, 1, 1, 0, 0), ("AAPL", 8, 4, 1, 1, 0, 0),
        ("MSFT", 7, 4, 0, 0, 0, 1), ("MSFT", 8, 3, 0, 0, 0, 0),
    ]  # fmt: skip
    assert [row[-1] for row in rows] == [pytest.approx(0.03), pytest.approx(0.01), None, None]


def test_what_was_known_of_a_bar_at_any_time_is_known_still(built):
    """A bar that was polled again, unchanged, has said nothing new."""
    rows = built.query(
        "select bar_id, close from analytics.fact_bar_revisions where symbol = 'AAPL' and timespan = 'minute' "
        "order by bar_start_at, published_at, kafka_offset"
    )
    assert [(bar_id[-14:-3], close) for bar_id, close in rows] == [
        ("03-07 14:30", 100.0), ("03-07 14:31", 100.0), ("03-07 14:32", 100.0), ("03-07 14:32", 103.0),
        ("03-08 14:30", 100.0), ("03-08 14:31", 100.0), ("03-08 14:31", 99.0), ("03-08 14:32", 100.0),
        ("03-08 16:30", 102.0),
    ]  # fmt: skip


def test_the_breadth_of_a_minute_counts_symbols_that_moved_and_alerts_that_stand(built):
    rows = built.query(
        "select minute(bar_start_at), symbols, advancers, decliners, advancing_volume, declining_volume, "
        "alerting_symbols from analytics.rpt_market_breadth where session_date = '2024-03-07' order by bar_start_at"
    )
    assert rows[:2] == [(30, 3, 1, 1, 10.5, 10.5, 1), (31, 3, 1, 1, 10.5, 10.5, 0)]


def test_each_step_is_held_against_its_objective_by_the_hour(built):
    rows = built.query(
        "select step, alerts, seconds_p99, within_5s_share, within_60s_share from analytics.rpt_latency_slo "
        "where session_date = '2024-03-08' and hour_at = '2024-03-08 14:00:00' "
        "and step in ('append_to_detect', 'poll_to_alert', 'alert_to_landed') order by step"
    )
    assert rows == [("alert_to_landed", 7, 1676.5, 0.0, 0.0), ("poll_to_alert", 7, 1.5, 1.0, 1.0)]


def test_the_measures_of_the_metrics_can_be_computed(built, dbt):
    """From the columns that the tables have; MetricFlow writes the same aggregates."""
    values = {}
    for semantic_model in dbt("parse").result.to_dict()["semantic_models"].values():
        for measure in semantic_model["measures"]:
            expression = measure["expr"] or measure["name"]
            percentile = (measure["agg_params"] or {}).get("percentile")
            computed = f"percentile_cont({percentile}) within group (order by {expression})"
            table = semantic_model["model"].removeprefix("ref('").removesuffix("')")
            ((value,),) = built.query(
                f"select {computed if measure['agg'] == 'percentile' else f'sum({expression})'} from analytics.{table}"
            )
            values[measure["name"]] = value
    latencies = built.query(
        "select close_to_alert_seconds from analytics.fact_alerts where is_live and close_to_alert_seconds is not null"
    )
    assert values["alert_latency_p95"] == pytest.approx(np.percentile([float(seconds) for (seconds,) in latencies], 95))
    assert (values["alerts"], values["symbol_sessions"]) == (10, 6)
    assert (values["true_positives"], values["verdicts"]) == (1, 1)
    assert {"accounted_minutes", "minutes_to_watch", "minutes_in_time", "feed_minutes"} <= set(values)


def test_roles_that_are_named_may_read_and_others_no_more(built, dbt):
    def granted(table: str) -> set[str]:
        rows = built.records(f"show grants on analytics.{table}")
        return {row["grantee_name"] for row in rows if row["privilege"] == "SELECT"}

    assert granted("rpt_symbol_day") == granted("rpt_alert_latency") == set()
    for reader in ("READER", "AUDITOR"):
        with pytest.MonkeyPatch.context() as named:
            named.setenv("SNOWFLAKE_READER_ROLE", reader)
            assert dbt("run", "--select", "rpt_symbol_day", "rpt_alert_latency", "rpt_latency_slo").success
        assert granted("rpt_symbol_day") == granted("rpt_alert_latency") == granted("rpt_latency_slo") == {reader}
    assert granted("fact_alerts") == set()


def test_every_column_is_described(built, dbt):
    """In the documentation, and in the warehouse for whoever looks there."""
    result = dbt("docs", "generate")
    assert result.success
    nodes = dbt("parse").result
    described = {
        (unique_id, name): column.description.strip()
        for unique_id, node in {**nodes.nodes, **nodes.sources}.items()
        for name, column in getattr(node, "columns", {}).items()
    }
    built_columns = {
        (unique_id, name.lower())
        for unique_id, table in {**result.result.nodes, **result.result.sources}.items()
        for name in table.columns
    }
    assert len(built_columns) > 300
    assert sorted(column for column in built_columns if not described.get(column)) == []
    ((comment,),) = built.query(
        "select comment from information_schema.columns where table_name = 'FACT_ALERTS' and column_name = 'ALERTED_AT'"
    )
    assert comment == "When the alert was first published as fired, UTC."


def test_the_age_of_what_has_landed_is_known(built, dbt):
    result = dbt("source", "freshness")
    assert {r.node.name: r.status for r in result.result} == dict.fromkeys(
        ("raw_bars", "raw_metrics", "raw_alerts", "raw_instruments", "raw_news"), "warn"
    )


def test_the_marts_stay_when_old_rows_leave_raw(built, dbt):
    """Sessions and symbols of which RAW has nothing any more are still known to the facts and to the data tests."""
    counts = """
        select 'bars', count(*), sum(close)::varchar from analytics.fact_intraday_metrics where is_measured
        union all
        select 'alerts', count(*), max(session_date)::varchar from analytics.fact_alerts
        union all
        select 'instruments', count(*), max(symbol) from analytics.dim_instruments
        union all
        select 'sessions', count(*), sum(minute_bars)::varchar from analytics.dim_market_sessions
        union all
        select 'revisions', count(*), sum(close)::varchar from analytics.fact_bar_revisions
        union all
        select 'news', count(*), max(sentiment) from analytics.fact_news
    """
    before = sorted(built.query(counts))
    deleted = delete_old_rows(built.connection, dict.fromkeys(CLASSES, datetime(2024, 3, 8, 16, tzinfo=UTC)))
    assert deleted["RAW_BARS"] > 20
    assert built.query("select count(*) from raw.raw_metrics where payload:session_date::varchar = '2024-03-07'") == [
        (1,)
    ]
    result = dbt("build", "--select", "intermediate", "marts", "--exclude-resource-type", "unit_test")
    assert result.success, [(r.node.name, r.message) for r in result.result if r.status not in ("success", "pass")]
    assert sorted(built.query(counts)) == before


def test_data_tests_fail_on_what_is_wrong(built, dbt):
    """Runs last: it spoils the tables. Each break must be reported by the test that exists for it, and by no other."""
    built.land([alert("price_gap", "AAPL", "2024-03-08 14:32:00")], FIRST_LANDING)  # nothing rebuilds the facts
    built.land([bar("AAPL", "2024-03-08 14:40:00")], FIRST_LANDING)
    built.query("update staging.int_bars set high = 1.0 where symbol = 'NEWC'")
    built.land([bar("AAPL", "2024-03-11 19:50:00")], THIRD_LANDING)
    built.query("update analytics.fact_alerts set alerted_at = '2024-03-01'::timestamp_ntz where rule = 'news_impact'")
    built.query("update analytics.fact_alerts set bar_id = 'nowhere' where rule = 'price_breakout'")
    built.query("update analytics.dim_instruments set valid_from = '2024-03-08 17:00:00' where name = 'Apple Inc'")
    built.query("update analytics.fact_alerts set instrument_key = 'nobody' where symbol = 'QUIET'")
    built.query("update analytics.fact_alert_events set severity = 'terrible' where rule = 'volatility_spike'")
    built.query("alter table analytics.fact_news alter column news_id drop not null")
    built.query("update analytics.fact_news set news_id = null")
    built.query("insert into analytics.rpt_symbol_day select * from analytics.rpt_symbol_day where symbol = 'QUIET'")
    result = dbt("test", "--exclude-resource-type", "unit_test")
    failed = {r.node.name for r in result.result if r.status == "fail"}
    assert failed == {
        "assert_bar_alerts_have_their_bar",
        "assert_no_bar_violates_its_own_range",
        "assert_every_alert_message_is_in_the_facts",
        "assert_every_bar_is_in_the_fact",
        "assert_alerts_follow_their_bar",
        "assert_versions_do_not_overlap",
        "assert_facts_carry_the_version_of_their_bar",
        "relationships_fact_alerts_instrument_key__instrument_key__ref_dim_instruments_",
        "accepted_values_fact_alert_events_severity__low__medium__high__critical",
        "unique_combination_rpt_symbol_day_symbol__session_date",
        "unique_combination_rpt_symbol_risk_day_symbol__session_date",  # a view on it
        "unique_combination_fact_news_news_id",
    }
