"""What people did is found years later: copied before it is pruned, once, and by nobody changed or removed unseen."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.orchestration import connections, maintenance
from include.orchestration.application.audit import Act, record_acts, update_audit, verify_audit
from include.orchestration.application.database import migrate_database
from include.surveillance.errors import ConfigurationError, SurveillanceError

NOW = datetime.now(UTC)
YEARS_AGO = NOW - timedelta(days=7 * 365.25)


@pytest.fixture
def database(empty_database):
    """The application's tables in a schema of the test's own; a function that asks them."""
    migrate_database()

    def ask(sql, *arguments):
        with connections.application_database() as opened, opened.cursor() as cursor:
            cursor.execute(sql, arguments)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    return ask


@pytest.fixture
def airflow(metadata):
    """A function that writes to Airflow's table log; it is empty at first."""
    begin, tables = metadata
    with begin() as connection:
        connection.execute(tables["log"].delete())

    def write(event, at=NOW, who="nina", **fields):
        with begin() as connection:
            row = {"event": event, "dttm": at, "owner": who, "owner_display_name": who, **fields}
            connection.execute(tables["log"].insert().values(row))

    return write


def events(ask):
    return [event for (event,) in ask("select event from audit_log order by audit_id")]


def test_yesterdays_pause_is_still_found_after_maintenance(database, airflow, metadata):
    yesterday = NOW - timedelta(days=1)
    details = json.dumps({"is_paused": True, "method": "PATCH"})
    airflow("patch_dag", yesterday, dag_id="ingest_market_data", extra=details)
    # What a task notes of itself, a thousand times as much.
    airflow("running", yesterday, who="surveillance", owner_display_name=None, dag_id="ingest_market_data")
    assert update_audit(YEARS_AGO)["added"] == 1
    maintenance.clean_metadata(NOW - timedelta(hours=12), NOW - timedelta(hours=6))
    begin, tables = metadata
    with begin() as connection:
        left = connection.execute(tables["log"].select().where(tables["log"].c.dag_id.is_not(None))).all()
    assert left == [], "Airflow has forgotten it"
    assert database("select occurred_at, event, actor, dag_id, details from audit_log") == [
        (yesterday, "patch_dag", "nina", "ingest_market_data", details)
    ]
    verify_audit()


def test_people_are_told_from_machines(database, airflow):
    airflow("trigger_dag_run", dag_id="land_raw", run_id="r")
    airflow("cli_dags_pause", who="root", owner_display_name=None)
    airflow("paused", who="scheduler", dag_id="land_raw")
    airflow("delete_connection", who="anonymous", owner_display_name="")
    for event in ("running", "success", "failed", "heartbeat timeout"):
        airflow(event, who="surveillance", owner_display_name=None, task_id="t")
    assert update_audit(YEARS_AGO)["added"] == 4
    assert events(database) == ["trigger_dag_run", "cli_dags_pause", "paused", "delete_connection"]


def test_copying_again_adds_only_what_is_new(database, airflow):
    airflow("pause")
    first = update_audit(YEARS_AGO)
    assert update_audit(YEARS_AGO) == first | {"added": 0}
    airflow("unpause")
    second = update_audit(YEARS_AGO)
    assert second["added"] == 1
    assert second["newest"] != first["newest"]
    assert events(database) == ["pause", "unpause"]


def test_a_new_metadata_database_counts_anew_and_nothing_is_taken_for_known(database, airflow, metadata):
    begin, tables = metadata
    airflow("before", NOW - timedelta(days=1), id=1)
    update_audit(YEARS_AGO)
    with begin() as connection:
        connection.execute(tables["log"].delete())
    airflow("after", id=1)
    assert update_audit(YEARS_AGO)["added"] == 1
    assert events(database) == ["before", "after"]


def test_two_copies_at_once_add_each_act_once(database, airflow):
    for number in range(50):
        airflow(f"act {number}")
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: update_audit(YEARS_AGO), range(4)))
    assert sum(copy["added"] for copy in done) == 50
    assert events(database) == [f"act {number}" for number in range(50)]
    verify_audit()


@pytest.mark.parametrize(
    "change",
    [
        "update audit_log set actor = 'somebody else'",
        "update audit_log set occurred_at = now() - interval '9 years'",
        "delete from audit_log",
        "delete from audit_log where audit_id = (select max(audit_id) from audit_log)",
        "truncate audit_log",
        "insert into audit_log select * from audit_log on conflict (log_id, occurred_at) do update set actor = 'x'",
    ],
)
def test_the_platforms_own_role_cannot_change_a_row(database, airflow, change):
    airflow("pause")
    update_audit(YEARS_AGO)
    before = database("select * from audit_log")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="audit_log only grows"):
        database(change)
    assert database("select * from audit_log") == before


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("update audit_log set actor = 'somebody else' where event = 'act 1'", 2),
        ("update audit_log set details = 'x', hash = hash where event = 'act 2'", 3),
        ("delete from audit_log where event = 'act 1'", 3),
        ("update audit_log set exported_at = now() + interval '1 day' where event = 'act 0'", 1),
    ],
)
def test_who_takes_the_triggers_away_is_found_out(database, airflow, change, row):
    for number in range(4):
        airflow(f"act {number}")
    update_audit(YEARS_AGO)
    database("alter table audit_log disable trigger refuse_to_change_audit")
    assert database(change) == 1
    database("alter table audit_log enable trigger refuse_to_change_audit")
    with pytest.raises(SurveillanceError, match=rf"row {row} of table audit_log, .* is not what was written"):
        update_audit(YEARS_AGO)


def test_what_is_older_than_audit_years_goes_and_the_rest_is_one_chain(database, airflow):
    for years in (9, 8, 6, 4, 0):
        airflow(f"{years} years ago", NOW - timedelta(days=years * 365.25))
    update_audit(NOW - timedelta(days=20 * 365.25))
    assert len(events(database)) == 5
    assert update_audit(YEARS_AGO)["added"] == 0
    assert events(database) == ["6 years ago", "4 years ago", "0 years ago"]
    verify_audit()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="delete is refused"):
        update_audit(NOW - timedelta(days=365))
    update_audit(NOW - timedelta(days=5 * 365.25 + 1))
    assert events(database) == ["4 years ago", "0 years ago"]


def test_hostile_text_is_text(database, airflow):
    text = "'; drop table audit_log; -- \u2028 \\ \" %s {{ 7*7 }} 漢"
    airflow("trigger_dag_run", extra=text, who=text)
    update_audit(YEARS_AGO)
    assert database("select actor, details from audit_log") == [(text, text)]
    verify_audit()


def test_without_the_connection_nothing_is_said_to_be_copied(database, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_AIRFLOW_DB", raising=False)
    with pytest.raises(ConfigurationError, match="connection airflow_db is not defined"):
        update_audit(YEARS_AGO)


def test_the_desks_chain_hashes_as_postgresql_does(database):
    """Two means to the same hash: what PostgreSQL writes is what the verification expects, whatever the text."""

    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
    notes = st.dictionaries(texts, texts | st.integers() | st.floats(allow_nan=False) | st.none(), max_size=3)
    acts = st.builds(
        Act,
        actor=texts,
        event=texts,
        object_kind=st.sampled_from(["alert", "case"]),
        object_id=texts,
        before=st.none() | notes,
        after=st.none() | notes,
        details=st.none() | texts,
    )

    @given(st.lists(acts, min_size=1, max_size=4))
    @settings(max_examples=100)
    def add(drawn):
        with connections.application_database() as opened, opened.cursor() as cursor:
            record_acts(cursor, drawn)

    add()
    assert verify_audit() >= 100
    (wrong,) = database("select count(*) from audit_log where hash <> hash_audit(audit_log)")
    assert wrong == (0,)


def test_whoever_changes_the_hashing_too_is_found_out(database, airflow):
    for number in range(3):
        airflow(f"act {number}")
    update_audit(YEARS_AGO)
    database("alter table audit_log disable trigger refuse_to_change_audit")
    database(
        "create or replace function hash_audit(entry audit_log) returns bytea"
        " language sql immutable as 'select entry.hash'"
    )
    database("update audit_log set actor = 'somebody else' where event = 'act 1'")
    with pytest.raises(SurveillanceError, match="row 2 of table audit_log"):
        verify_audit()


def test_acts_of_airflow_and_of_the_desk_are_one_chain(database, airflow):
    airflow("pause")
    update_audit(YEARS_AGO)
    with connections.application_database() as opened, opened.cursor() as cursor:
        record_acts(cursor, [Act("nina", "close", "alert", "a", {"version": 1}, {"version": 2}, "why")])
    airflow("unpause")
    update_audit(YEARS_AGO)
    assert events(database) == ["pause", "close", "unpause"]
    assert verify_audit() == 3
    database("alter table audit_log disable trigger refuse_to_change_audit")
    database("update audit_log set after = '{\"version\": 3}' where event = 'close'")
    with pytest.raises(SurveillanceError, match="row 2 of table audit_log"):
        verify_audit()


def test_whoever_acts_at_once_makes_one_chain(database):
    """However many threads add however many acts, those that are undone among them, the chain has no break."""

    @given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=2, max_size=8))
    @settings(max_examples=15)
    def act(drawn):
        before, together = verify_audit(), Barrier(len(drawn))

        def add(number):
            count, undone = drawn[number]
            together.wait()
            with suppress(KeyError), connections.application_database() as opened, opened.cursor() as cursor:
                record_acts(cursor, [Act(f"person {number}", f"{place}", "case", "1") for place in range(count)])
                if undone:
                    raise KeyError

        with ThreadPoolExecutor(len(drawn)) as pool:
            list(pool.map(add, range(len(drawn))))
        assert verify_audit() - before == sum(count for count, undone in drawn if not undone)
        added = database("select actor, event from audit_log where audit_id > %s order by audit_id", before)
        # Of each transaction all rows lie together, in their order.
        done = [person for person, place in added if place == "0"]
        assert added == [(person, f"{place}") for person in done for place in range(drawn[int(person[7:])][0])]

    act()
