"""What the exporter counts in a real database, with the login that only reads."""

from __future__ import annotations

import json
import time

import psycopg2
import pytest
from prometheus_client import CollectorRegistry

from include.monitoring.application import Application
from include.monitoring.catalogue import Catalogue
from include.monitoring.silence import ASK_SECONDS, Silence
from include.orchestration.application.database import migrate_database
from include.surveillance.errors import SurveillanceError
from tests.conftest import LOGINS, postgres_cluster

FILLED = (
    "rule, symbol, timespan, severity, score, direction, value, threshold, session_phase, session_date, data_age_ms, "
    "source, explanation, event_ids"
)
VALUES = "'price_gap', 'ACME', 'minute', 'high', 1, 'up', 1, 1, 'regular', '2026-03-04', 1, 'live', 'it', '{}'"


@pytest.fixture(scope="module")
def cluster(folder):
    own = folder / "exporter"
    own.mkdir(mode=0o755)
    with postgres_cluster(own) as (port, credentials):
        login = {"host": "127.0.0.1", "port": port, "schema": "surveillance"}
        connections = {
            name: json.dumps({"conn_type": "postgres", **login, "login": name, "password": credentials[secret]})
            for name, secret in LOGINS.items()
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", connections["surveillance"])
            migrate_database()
        yield connections


@pytest.fixture
def execute(cluster):
    given = json.loads(cluster["surveillance"])
    names = {"host": "host", "port": "port", "login": "user", "password": "password", "schema": "dbname"}
    connection = psycopg2.connect(**{theirs: given[ours] for ours, theirs in names.items()})
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("truncate alerts, batches, outbox cascade")
        yield cursor.execute
    connection.close()


def value(catalogue, name, **labels):
    return catalogue.registry.get_sample_value(f"surveillance_{name}", labels)


@pytest.fixture
def catalogue():
    return Catalogue(CollectorRegistry())


@pytest.fixture
def application(cluster, execute, catalogue):
    return Application(cluster["surveillance_reader"], catalogue)


def test_runs_are_counted_once_and_from_the_start_on(application, catalogue, execute):
    execute(
        "insert into batches (dag_id, run_id, stage, started_at, ended_at, tasks, failed, rows) values"
        " ('land_raw', 'old', 'land', now() - interval '9 minutes', now() - interval '8 minutes', 1, 0, 100)"
    )
    application.look(0.0)
    assert time.time() - value(catalogue, "run_end_timestamp_seconds", stage="land") == pytest.approx(480, abs=60)
    assert value(catalogue, "landed_rows_total") == 0
    execute(
        "insert into batches (dag_id, run_id, stage, started_at, ended_at, tasks, failed, rows) values"
        " ('land_raw', 'new', 'land', now() - interval '20 seconds', now(), 1, 0, 7),"
        " ('land_raw', 'bad', 'land', now() - interval '20 seconds', now(), 2, 1, null)"
    )
    application.look(0.0)
    application.look(0.0)
    assert value(catalogue, "landed_rows_total") == 7
    assert value(catalogue, "runs_total", stage="land", outcome="ok") == 1
    assert value(catalogue, "runs_total", stage="land", outcome="failed") == 1
    assert value(catalogue, "run_duration_seconds_sum", stage="land") == pytest.approx(40)


def test_the_outbox_has_an_age_while_something_waits(application, catalogue, execute):
    execute(
        "insert into outbox (channel, kind, subject, version, severity, known_at, message) values"
        " ('slack', 'alert', 'a', '1', 'high', to_timestamp(1000), '{}'),"
        " ('slack', 'alert', 'b', '1', 'high', to_timestamp(2000), '{}')"
    )
    application.look(0.0)
    assert value(catalogue, "outbox_messages", channel="slack") == 2
    assert value(catalogue, "outbox_oldest_timestamp_seconds", channel="slack") == 1000
    execute("update outbox set sent_at = now()")
    application.look(0.0)
    assert value(catalogue, "outbox_oldest_timestamp_seconds", channel="slack") is None


def test_the_desks_queue_holds_open_market_alerts_and_a_market_event_once(application, catalogue, execute):
    for alert_id, changes in {
        "one": "",
        "two": "",
        "member": "incident = 'market', ",
        "done": "closed = true, ",
        "feed": "kind = 'operations', ",
        "old": "source = 'backfill', ",
    }.items():
        execute(f"insert into alerts (alert_id, bar_at, {FILLED}) values (%s, now(), {VALUES})", (alert_id,))
        execute(f"update alerts set {changes} score = 2 where alert_id = %s", (alert_id,))
    execute("update alerts set bar_at = to_timestamp(5000) where alert_id = 'two'")
    application.look(0.0)
    assert value(catalogue, "desk_alerts", severity="high") == 2
    assert value(catalogue, "desk_alerts", severity="low") == 0
    assert value(catalogue, "desk_oldest_alert_timestamp_seconds", severity="high") == 5000
    # Of the newest session, whoever has closed them.
    assert value(catalogue, "session_alerts", timespan="minute") == 2


def test_an_alert_is_timed_when_people_are_told_first(application, catalogue, execute):
    execute(
        f"insert into alerts (alert_id, bar_at, bar_closed_at, published_at, {FILLED})"
        f" values ('one', now(), now() - interval '5 seconds', now(), {VALUES})"
    )
    application.look(0.0)
    execute("update alerts set notification = 'outbox', notified_at = published_at + interval '2 seconds'")
    application.look(0.0)
    execute("update alerts set notified_at = published_at + interval '60 seconds'")
    application.look(0.0)
    assert value(catalogue, "alert_latency_seconds_count", step="alert_to_told") == 1
    assert value(catalogue, "alert_latency_seconds_sum", step="alert_to_told") == 2
    assert value(catalogue, "alert_latency_seconds_sum", step="close_to_told") == 7


def test_a_database_that_is_gone_is_said_and_found_again(application, catalogue, execute):
    application.look(0.0)
    application._database.close()
    with pytest.raises(SurveillanceError, match="does not answer"):
        application.look(0.0)
    application.look(0.0)


def test_a_rules_silence_is_by_the_half_hours_in_which_polls_went(cluster, execute, catalogue):
    # At the other end of the day, so that none of these half-hours ends between the looks.
    execute(
        f"insert into alerts (alert_id, bar_at, {FILLED})"
        f" select 'day ' || day, now() - day * interval '1 day' - interval '12 hours', {VALUES}"
        " from generate_series(5, 25) as day"
    )
    silence = Silence(cluster["surveillance_reader"], catalogue)
    silence.look(time.time())
    assert value(catalogue, "rule_silence_probability", rule="price_gap", timespan="minute") == 1.0
    execute(
        "insert into batches (dag_id, run_id, stage, interval_end, started_at, ended_at, tasks, failed)"
        " select 'ingest', minute, 'poll', ended, ended, ended, 1, 0"
        " from generate_series(now() - interval '25 days', now(), interval '10 minutes')"
        " with ordinality as it (ended, minute)"
    )
    silence.look(time.time() + ASK_SECONDS + 1)
    known = value(catalogue, "rule_silence_probability", rule="price_gap", timespan="minute")
    assert 0.001 < known < 0.2
    # An alert of yesterday's, and the rule is not surprising.
    execute(f"insert into alerts (alert_id, bar_at, {FILLED}) values ('new', now() - interval '1 hour', {VALUES})")
    silence.look(time.time() + 3 * ASK_SECONDS)
    assert value(catalogue, "rule_silence_probability", rule="price_gap", timespan="minute") > 0.8
