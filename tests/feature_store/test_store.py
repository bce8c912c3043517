"""What include.feature_store serves is what was known then: built by dbt, read by Feast, offline and online."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.dbt_project.test_build import alert, bar, decide, metric

# Only what is not older than the features' lifetime is served.
START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=4)
TODAY, LAST_WEEK = f"{START:%Y-%m-%d}", f"{START - timedelta(days=7):%Y-%m-%d}"
MODELS = ("+feature_bar_v1", "+feature_symbol_day_v1", "+fact_alert_dispositions")


def at(minutes: float) -> str:
    """So many minutes after the start, as the warehouse writes it."""
    return f"{START + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def moment(minutes: float) -> datetime:
    """The same, as the warehouse answers it: UTC without a zone."""
    return datetime.fromisoformat(at(minutes))


def land(market, symbol: str, start: float, published: float, landed: float, session: str = TODAY, **values) -> None:
    """A metric of the minute that began so many minutes after the start; -10000 is a week ago."""
    of = bar(symbol, at(start)[:19])
    market.land([of], at(landed), at(published))
    market.land([metric(of, session, **values)], at(landed), at(published))


@pytest.fixture(scope="module")
def built(market, dbt):
    land(market, "AAPL", 0, 1.1, 3, rvol=1.0, log_return=0.01)
    land(market, "AAPL", 1, 2.1, 3, rvol=2.0, log_return=0.02)
    land(market, "MSFT", 1, 2.1, 3, rvol=5.0)
    raised = alert("abnormal_volume", "AAPL", at(1)[:19], date=TODAY, rarity_sessions=40.0)
    market.land([raised], at(3), at(2.095))
    unlabelled = alert("price_gap", "MSFT", at(1)[:19], date=TODAY)
    market.land([unlabelled], at(3), at(2.095))
    market.land([decide(raised, 1, "in_review"), decide(raised, 2, "closed", "true_positive")], at(3.5), at(3))
    assert dbt("run", "--select", *MODELS).success
    land(market, "AAPL", 1, 91, 121, rvol=9.0, log_return=0.02)
    land(market, "AAPL", 0, 95, 121, rvol=7.0, log_return=0.01)
    land(market, "AAPL", -10_000, 100, 121, LAST_WEEK, rvol=70.0, log_return=0.5)
    assert dbt("run", "--select", *MODELS).success
    result = dbt("test", "--select", "feature_bar_v1", "feature_symbol_day_v1")
    assert result.success, [(r.node.name, r.message) for r in result.result if r.status not in ("success", "pass")]
    return market


def test_each_message_is_a_row_known_since_it_was_published(built):
    rows = built.query(
        "select rvol, known_at, is_newest from analytics.feature_bar_v1 where symbol = 'AAPL' order by known_at"
    )
    assert rows == [
        (1.0, moment(1.1), True),
        (2.0, moment(2.1), True),
        (9.0, moment(91), True),
        (7.0, moment(95), False),  # corrects an earlier bar
        (70.0, moment(100), False),  # was brought by a backfill
    ]


def test_a_session_is_a_row_each_time_that_it_stands_otherwise(built):
    rows = built.query(
        "select session_date, highest_rvol, alerts, rarity_sessions, known_at, is_newest "
        "from analytics.feature_symbol_day_v1 where symbol = 'AAPL' order by known_at, session_date"
    )
    today, last_week = date.fromisoformat(TODAY), date.fromisoformat(LAST_WEEK)
    assert rows == [
        (today, 2.0, 1, 40.0, moment(3), True),
        (last_week, 70.0, 0, None, moment(121), False),
        (today, 9.0, 1, 40.0, moment(121), True),
    ]


def test_a_full_refresh_forgets_nothing(built, dbt):
    count = "select count(*) from analytics.feature_bar_v1"
    (before,) = built.query(count)
    assert dbt("run", "--full-refresh", "--select", "feature_bar_v1").success
    assert built.query(count) == [before]


def entity_rows(moments: list[tuple[str, datetime]]) -> str:
    rows = [
        f"select '{symbol}' as \"symbol\", 'minute' as \"timespan\", "
        f"'{when:%Y-%m-%d %H:%M:%S.%f}'::timestamp_ntz as \"event_timestamp\""
        for symbol, when in moments
    ]
    return " union all ".join(rows)


def known(built, model: str, column: str) -> list[tuple]:
    """All rows that are served, as (symbol, known at, value), in the order of time."""
    sql = f"select symbol, known_at, {column} from analytics.{model} where is_newest order by known_at"
    return [(symbol, when.replace(tzinfo=UTC), value) for symbol, when, value in built.query(sql)]


def as_known(rows: list[tuple], symbol: str, asked: datetime) -> float | None:
    """An oracle without a join: the last row of the symbol that is not later, unless it is too old."""
    before = [(when, value) for of, when, value in rows if of == symbol and when <= asked]
    if not before or before[-1][0] < asked - timedelta(days=5):
        return None
    return before[-1][1]


def test_no_moment_shows_what_was_not_known_yet(built, ask):
    chosen = random.Random(1)
    minutes = [1.099, 1.1, 2.099, 2.1, 90.999, 91, 95, 100, 120.999, 121, 60 * 24 * 6]
    minutes += [chosen.uniform(-1, 130) for _ in range(40)]
    moments = [(symbol, START + timedelta(minutes=late)) for late in minutes for symbol in ("AAPL", "MSFT", "NONE")]
    (rows,) = ask(["as_known", entity_rows(moments)])
    found = {(row["symbol"], datetime.fromisoformat(row["event_timestamp"]).replace(tzinfo=UTC)): row for row in rows}
    assert len(found) == len(set(moments))
    for model, column in (("feature_bar_v1", "rvol"), ("feature_symbol_day_v1", "highest_rvol")):
        expected = known(built, model, column)
        assert {key: row[column] for key, row in found.items()} == {
            (symbol, when): as_known(expected, symbol, when) for symbol, when in moments
        }


def test_a_labelled_alert_has_what_was_known_when_it_was_raised(built, ask):
    """The bar's own measures, stamped after it, and not what corrected them; the session stood nowhere yet."""
    ((row,),) = ask(["as_known"])
    assert (row["rule"], row["label"], row["rvol"], row["highest_rvol"]) == (
        "abnormal_volume", "true_positive", 2.0, None,
    )  # fmt: skip


def test_online_equals_offline(built, ask):
    moments = [START + timedelta(minutes=minutes) for minutes in (30, 125)]
    symbols = ("AAPL", "MSFT", "NONE")
    commands = []
    for when in (*moments, moments[0]):  # what is older does not replace what is newer
        commands += [["serve", when.isoformat()], *(["online", symbol] for symbol in symbols)]
    commands += [["as_known", entity_rows([(symbol, when) for symbol in symbols])] for when in (*moments, moments[1])]
    answers = ask(*commands)
    online = [answers[1:4], answers[5:8], answers[9:12]]
    for served, rows in zip(online, answers[12:], strict=True):
        offline = {row["symbol"]: row for row in rows}
        for row in served:
            assert row == {name: offline[row["symbol"]][name] for name in row}
    assert [row["rvol"] for served in online for row in served] == [2.0, 5.0, None, 9.0, 5.0, None, 9.0, 5.0, None]


def test_the_command_line_serves_and_shows_both(built, run):
    """Runs last: what it serves is what is known now."""
    assert "served what is known at" in run("include.feature_store", "serve")
    shown = run("include.feature_store", "show", "--symbol", "AAPL")
    online, _, labelled = shown.partition("1 labelled alerts, with what was known when each was raised:")
    assert "rvol               9.0" in online
    (row,) = labelled.strip().splitlines()[1:]
    assert "true_positive" in row
    assert " 2.0 " in row
