import json
import time
import uuid
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace

import psycopg
import pytest

from include.local_stack.ports import HOST
from tests.airflow_home import airflow_database as airflow_database

# isort: split
from include.orchestration import connections
from include.orchestration.application.alerts import mark_alerts, store_alerts
from include.orchestration.application.database import migrate_database
from include.surveillance import broker
from include.surveillance.errors import BrokerError
from include.surveillance.records import Alert
from tests.desk import create_app, password_of
from tests.sinks import HttpSink, SmtpSink, serving

PARTITIONS = 4


@pytest.fixture(scope="session")
def client(airflow_database):
    """Airflow's own API server with our plugins in it, as `airflow api-server` runs it, and a user for each role."""
    from fastapi.testclient import TestClient

    with TestClient(create_app()) as client:
        yield client


@pytest.fixture(scope="session")
def sign_in(client):
    """A function from a role to the headers of somebody who has it."""

    @cache
    def headers(role):
        login = {"username": role.lower(), "password": password_of(role)}
        return {"Authorization": f"Bearer {client.post('/auth/token', json=login).json()['access_token']}"}

    return headers


@pytest.fixture(scope="session")
def viewer(sign_in):
    """The headers of somebody who may look."""
    return sign_in("Viewer")


@pytest.fixture(scope="session")
def topics(kafka):
    """Kafka with our topics; partitions of a new topic have a leader only moments after their creation."""
    broker.ensure_topics(kafka, PARTITIONS)
    everything = {(spec.name, partition): None for spec in broker.TOPICS for partition in range(PARTITIONS)}
    deadline = time.monotonic() + 60
    while True:
        try:
            broker.read(kafka, everything)
            return kafka
        except BrokerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture
def group(topics, monkeypatch):
    """A group of its own at the end of topic BARS, with the connection that the code reads."""
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": topics}))
    name = f"test-{uuid.uuid4().hex}"
    positions = [(broker.BARS, number) for number in range(4)]
    broker.commit(topics, name, broker.read(topics, dict.fromkeys(positions)).places)
    return SimpleNamespace(name=name, kafka=topics, positions=positions, pairs=[list(pair) for pair in positions])


@pytest.fixture
def database(postgres, postgres_reader, monkeypatch):
    """The application's own database in a real PostgreSQL, without alerts."""
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_READER", postgres_reader)
    migrate_database()
    migrate_database()
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute("truncate alerts, outbox, channels, watchlist, silences")


@pytest.fixture
def desk(database, postgres_desk, monkeypatch):
    """The same, with the role of the desk and nothing that people have done; a function that asks it anything."""
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DESK", postgres_desk)

    def ask(sql, *arguments):
        with transaction() as cursor:
            cursor.execute(sql, arguments)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    ask("truncate reviews, silences, cases, attachments restart identity")
    # They only grow, as long as their triggers are there.
    for table in ("audit_log", "report_signatures"):
        ask(f"alter table {table} disable trigger user; truncate {table}; alter table {table} enable trigger user")
    return ask


@pytest.fixture
def empty_database(postgres, monkeypatch):
    """The application's database without tables: a schema of the test's own."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create schema {name}")
        monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", f"{postgres}?options=-csearch_path%3D{name}")
        yield
        connection.execute(f"drop schema {name} cascade")


@contextmanager
def transaction():
    with connections.application_database() as database, database.cursor() as cursor:
        yield cursor


def store(*arguments):
    with transaction() as cursor:
        return store_alerts(cursor, *arguments)


def mark(*arguments):
    with transaction() as cursor:
        mark_alerts(cursor, *arguments)


@pytest.fixture
def metadata(postgres_server, monkeypatch):
    """Airflow's own tables in a real PostgreSQL: a connection's begin, and the tables by name."""
    import sqlalchemy as sa
    from airflow.models.base import Base
    from airflow.utils.db import import_all_models

    import_all_models()
    port, credentials = postgres_server
    url = f"postgresql://airflow:{credentials['AIRFLOW_DB_PASSWORD']}@{HOST}:{port}/airflow"
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_DB", url)
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    yield engine.begin, Base.metadata.tables
    engine.dispose()


def rows(columns="alert_id, notification"):
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute(f"select {columns} from alerts order by alert_id")
        return cursor.fetchall()


def alert(name="ACME", **changes):
    fields = {
        "rule": "price_gap",
        "rule_version": 1,
        "parameters_version": "test",
        "symbol": name,
        "timespan": "minute",
        "ts_ms": 1_700_000_000_000,
        "bar_close_ms": 1_700_000_060_000,
        "value": 0.031,
        "threshold": 0.02,
        "window_start_ms": 1_700_000_000_000,
        "window_end_ms": 1_700_000_060_000,
        "score": 70.0,
        "severity": "high",
        "episode_start_ms": 1_700_000_000_000,
        "session_phase": "regular",
        "session_date": "2023-11-14",
        "data_age_ms": 900,
        "event_ids": ("bar 1", "bar 2"),
        "explanation": f"{name} opened 3.1 % above the previous close",
    }
    return Alert(**(fields | changes))


def crowd(count, **changes):
    return [alert(f"S{number}", **changes) for number in range(count)]


@pytest.fixture
def sink():
    server = HttpSink()
    with serving(server):
        yield server


@pytest.fixture
def smtp():
    server = SmtpSink()
    with serving(server):
        yield server


@pytest.fixture
def webhook(sink, monkeypatch):
    connection = {"conn_type": "http", "host": f"{sink.url}/hook", "extra": {"Authorization": "Bearer of-mine"}}
    monkeypatch.setenv("AIRFLOW_CONN_WEBHOOK_ALERTS", json.dumps(connection))
    return sink


@pytest.fixture
def slack(sink, monkeypatch):
    connection = {"conn_type": "slackwebhook", "host": sink.url, "password": "T0/B0/X"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(connection))
    return sink


@pytest.fixture
def email(smtp, monkeypatch):
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "us@example.com", "to": ["a@example.com"]}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": smtp.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ALERTS", json.dumps(connection))
    return smtp
