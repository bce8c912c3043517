"""A copy of everything, on real services: run, copy, run on, lose all of it, restore the older copy, run on.

No alert is missing, and nobody is told of one twice. The same on the whole platform: ``make restore-rehearsal``.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import psycopg
import pytest

from include.local_stack.ports import HOST
from tests.airflow_home import HOME as _HOME  # noqa: F401 - before Airflow reads its settings

# isort: split
from include.orchestration import connections, notifier
from include.orchestration.application.database import migrate_database
from include.orchestration.backup import __main__ as backup
from include.orchestration.backup.manifest import FERNET_KEY
from include.surveillance import broker
from include.surveillance.alerts.incidents import FEED
from include.surveillance.alerts.log_breaks import RULE as LOG_BREAK
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar
from include.surveillance.warehouse import landing
from include.surveillance.warehouse.rows import KINDS, TABLES
from include.surveillance.warehouse.schema import migrate_raw
from tests.conftest import kafka_server
from tests.surveillance.live.partition_log import detect, market, settle
from tests.surveillance.live.test_copies import lose_topics

ALERTS = [(broker.ALERTS, 0)]
COPIED, LOST = 75, 130
"""After so many records the copy is made, and everything is lost."""


@pytest.fixture(scope="module")
def kafka(folder):
    """A broker of our own: other tests use the platform's topics."""
    with kafka_server(folder / "kafka-to-back-up") as client:
        yield client


@pytest.fixture
def platform(kafka, launcher, postgres_server, monkeypatch):
    """Let the connections lead to services without data; calling it does so once more, as after a loss."""
    port, credentials = postgres_server
    admin = {"host": HOST, "port": port, "user": "postgres", "password": credentials["POSTGRES_PASSWORD"]}
    made: list[str] = []

    def begin_anew() -> None:
        names = [f"{role}_{uuid.uuid4().hex[:8]}" for role in ("airflow", "surveillance")]
        with psycopg.connect(dbname="postgres", autocommit=True, **admin) as connection:
            for name, role in zip(names, ("airflow", "surveillance"), strict=True):
                connection.execute(f"create database {name} owner {role}")
                password = credentials["AIRFLOW_DB_PASSWORD" if role == "airflow" else "SURVEILLANCE_DB_PASSWORD"]
                conn_id = connections.METADATA if role == "airflow" else connections.APPLICATION
                url = f"postgresql://{role}:{password}@{HOST}:{port}/{name}"
                monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", url)
        made.extend(names)
        warehouse = {"account": "embedded", "host": HOST, "port": launcher.port, "database": f"W{uuid.uuid4().hex[:8]}"}
        given = {"conn_type": "snowflake", "login": "tester", "password": "any", "schema": "RAW", "extra": warehouse}
        monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(given))

    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": kafka}))
    monkeypatch.setenv("KAFKA_PARTITIONS", "1")
    monkeypatch.setenv("ALERT_CHANNELS", "webhook")
    monkeypatch.setenv(FERNET_KEY, "a key")
    begin_anew()
    yield begin_anew
    lose_topics(kafka)
    with psycopg.connect(dbname="postgres", autocommit=True, **admin) as connection:
        for name in made:
            connection.execute(f"drop database {name} with (force)")


def run(kafka, records) -> list[str]:
    """Let the records go through every stage; return the ids of the alerts that people are told of."""
    broker.publish(kafka, records)
    detect(kafka, 0)
    settle(kafka, ALERTS[0])
    notifier.notify_backlog(kafka, ALERTS)
    with connections.warehouse() as warehouse:
        for topic in KINDS:
            landing.land(warehouse, kafka, topic)
    told = execute("select subject from outbox where sent_at is null order by outbox_id")
    execute("update outbox set sent_at = now(), outcome = 'told' where sent_at is null")
    return [subject for (subject,) in told]


def execute(sql: str) -> list[tuple]:
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def raw_rows() -> dict[str, list[tuple]]:
    with connections.warehouse() as warehouse, closing(warehouse.cursor()) as cursor:
        return {
            table: cursor.execute(
                f"select * from raw.{table} order by kafka_topic, kafka_partition, kafka_offset, kafka_timestamp"
            ).fetchall()
            for table in TABLES
        }


def test_an_older_copy_is_restored_and_no_alert_is_missing_or_told_twice(platform, kafka, tmp_path):
    broker.ensure_topics(kafka, 1)
    migrate_database()
    with connections.metadata_database() as metadata:
        metadata.execute("create table dag_run (run_id text); insert into dag_run values ('the last poll')")
    with connections.warehouse() as warehouse:
        migrate_raw(warehouse)
    records = market()
    told = run(kafka, records[:COPIED])
    backup.make(tmp_path / "copy")
    in_copy = raw_rows()
    until_copied = len(told)
    told += run(kafka, records[COPIED:LOST])
    assert len(told) > until_copied > 0
    alerts = execute("select alert_id from alerts order by alert_id")
    lost_at_ms = max(record.ts_ms for record in records[:LOST] if isinstance(record, Bar)) + 60_000

    lose_topics(kafka)
    platform()
    told_until = datetime.fromtimestamp(lost_at_ms / 1000, UTC).replace(tzinfo=None)
    backup.restore(tmp_path / "copy", told_until)
    with connections.metadata_database() as metadata:
        assert metadata.execute("select * from dag_run").fetchall() == [("the last poll",)]
    assert raw_rows() == in_copy
    with connections.warehouse() as warehouse:
        assert landing.list_topics_behind(warehouse, kafka) == []

    assert run(kafka, records[COPIED:LOST]) == []
    assert execute("select alert_id from alerts order by alert_id") == alerts
    told += run(kafka, records[LOST:])
    assert max(Counter(told).values()) == 1
    live = execute("select alert_id from alerts where source = 'live' and inhibited_by is null")
    assert sorted(told) == sorted(alert_id for (alert_id,) in live)
    # Each message is there once: kafka_topic, kafka_partition, kafka_offset, kafka_timestamp.
    assert all(len(rows) == len({row[3:7] for row in rows}) for rows in raw_rows().values())
    # An incident is folded from published alerts and is not published itself.
    published = execute(f"select alert_id from alerts where symbol <> '{FEED}'")
    assert {row[0] for row in raw_rows()["RAW_ALERTS"]} == {alert_id for (alert_id,) in published}
    messages = Counter(message.value for message in broker.read(kafka, dict.fromkeys(ALERTS)).messages)
    assert max(messages.values()) == 1
    assert not execute(f"select 1 from alerts where rule = '{LOG_BREAK}'")


def test_nothing_that_is_there_is_overwritten(platform, kafka, tmp_path):
    broker.ensure_topics(kafka, 1)
    migrate_database()
    with connections.warehouse() as warehouse:
        migrate_raw(warehouse)
    run(kafka, market()[:COPIED])
    backup.make(tmp_path / "copy")
    before = execute("select * from alerts order by alert_id"), raw_rows()
    with pytest.raises(ConfigurationError, match=r"surveillance_db has \d+ tables already"):
        backup.restore(tmp_path / "copy")
    platform()
    with pytest.raises(ConfigurationError, match="topics have messages already"):
        backup.restore(tmp_path / "copy")
    with connections.warehouse() as warehouse:
        migrate_raw(warehouse)
        landing.land(warehouse, kafka, broker.BARS)
    with pytest.raises(ConfigurationError, match=r"schema RAW has rows already: RAW_BARS"):
        backup.restore(tmp_path / "copy")
    assert before[0]
    with pytest.raises(ConfigurationError, match="is not empty; name a new folder"):
        backup.make(tmp_path / "copy")
