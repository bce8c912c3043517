"""Table alerts in a real PostgreSQL: one row per alert, as its last message says it."""

import psycopg
import pytest

from include.orchestration import connections
from include.orchestration.application import alerts as alerts_table
from include.orchestration.application.database import MIGRATIONS, migrate_database
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.notification import LastNotified
from tests.orchestration.conftest import alert, crowd, mark, rows, store


def test_row_says_what_the_alert_says(database):
    store([alert(baseline=100.5, direction="up")])
    columns = "symbol, rule, severity, score, value, threshold, baseline, direction, event_ids"
    ((*values, bar_at),) = rows(f"{columns}, extract(epoch from bar_at)")
    assert values == ["ACME", "price_gap", "high", 70.0, 0.031, 0.02, 100.5, "up", ["bar 1", "bar 2"]]
    assert bar_at == 1_700_000_000


def test_alerts_of_several_statements_are_all_stored_the_last_message_of_each(database, monkeypatch):
    monkeypatch.setattr(alerts_table, "ROWS_PER_STATEMENT", 2)
    stored = store([*crowd(5), alert("S0", firings=2), alert("S3", score=80.0)])
    assert {last for _, last in stored} == {LastNotified()}
    assert len(stored) == 5
    assert rows("symbol, firings, score") == [
        ("S0", 2, 70.0), ("S1", 1, 70.0), ("S2", 1, 70.0), ("S3", 1, 80.0), ("S4", 1, 70.0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "notification"),
    [
        ({}, "pending"),
        ({"source": "backfill"}, "not sent: backfill"),
        ({"status": "retracted"}, "not sent: retracted"),
        ({"inhibited_by": "bars missing before"}, "not sent: bars missing before"),
    ],
)
def test_what_nobody_need_be_notified_of_is_stored_as_such(database, changes, notification):
    store([alert(**changes)])
    assert rows("notification, notified_at is null") == [(notification, notification == "pending")]


def test_what_people_were_notified_of_comes_back_with_the_next_message(database):
    store([alert()])
    mark([alert()], "slack", "fired")
    ((_, last),) = store([alert(severity="critical", status="refired")])
    assert last == LastNotified("fired", "high")
    assert rows("severity, notification, told_status") == [("critical", "slack", "fired")]


def test_a_mark_is_of_the_alerts_it_names(database):
    store(crowd(2))
    mark(crowd(1), "outbox", "fired")
    mark([], "nobody", "retracted")
    assert rows("symbol, notification, told_status") == [("S0", "outbox", "fired"), ("S1", "pending", None)]


def test_stamps_that_a_message_does_not_have_are_null(database):
    stamps = {alert().event_id: LatencyStamps(polled_ms=1_700_000_062_000, published_ms=1_700_000_063_500)}
    store([alert(), alert("ZVZZT")], stamps)
    columns = [f"(extract(epoch from {name}) * 1000)::bigint" for name in ("polled_at", "detected_at", "published_at")]
    assert rows(", ".join(columns)) == [(1_700_000_062_000, None, 1_700_000_063_500), (None, None, None)]


def test_table_of_an_earlier_version_is_upgraded_with_its_rows(postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    earlier = MIGRATIONS[0].sql.partition(";")[0]
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute("drop schema public cascade; create schema public; grant usage on schema public to public")
        cursor.execute(earlier)
        cursor.execute(
            "insert into alerts values (%(id)s, 'price_gap', 'ACME', 'minute', now(), 'high', 70, '', 0.03, 0.02, null,"
            " 'regular', '2023-11-14', 900, 'live', 'said', '{}', now(), now(), 'slack', now())",
            {"id": alert().event_id},
        )
    migrate_database()
    migrate_database()
    assert rows("form, status, firings, told_status, told_severity") == [("literal", "fired", 1, "fired", "high")]
    ((_, last),) = store([alert(status="refired", firings=2)])
    assert last == LastNotified("fired", "high")


@pytest.mark.parametrize(
    "change",
    ["delete from alerts", "update alerts set notification = 'x'", "truncate alerts", "drop table alerts"],
)
def test_the_page_cannot_write(database, change):
    store([alert()])
    with connections.application_reader() as reader, reader.cursor() as cursor:
        cursor.execute("set transaction read write")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cursor.execute(change)
    assert len(rows()) == 1
