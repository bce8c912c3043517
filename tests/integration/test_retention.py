"""Old rows leave RAW, forgotten files leave the stage; what is young, or kept for ever, stays."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from include.surveillance.warehouse.retention import CLASSES, delete_old_rows, remove_staged_files
from include.surveillance.warehouse.rows import TABLES
from include.surveillance.warehouse.schema import migrate_raw

BEFORE = datetime(2026, 3, 9, 14, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection(launcher):
    with closing(launcher.connect(database="RETENTION")) as opened:
        migrate_raw(opened)
        yield opened


def test_old_rows_go_and_those_kept_for_ever_stay(connection):
    cursor = connection.cursor()
    for table in TABLES:
        for name, age in (("old", 1), ("young", 0)):
            landed_at = (BEFORE - timedelta(seconds=age)).replace(tzinfo=None)
            cursor.execute(f"insert into raw.{table} (event_id, landed_at) select %s, %s", (name, landed_at))

    deleted = delete_old_rows(connection, dict.fromkeys(CLASSES, BEFORE))

    bounded = ("RAW_BARS", "RAW_METRICS", "RAW_NEWS", "RAW_WATERMARKS", "RAW_REJECTED", "RAW_PROFILES")
    assert deleted == dict.fromkeys(bounded, 1)
    left = {
        table: {name for (name,) in cursor.execute(f"select event_id from raw.{table}").fetchall()} for table in TABLES
    }
    assert {table for table, names in left.items() if names == {"young"}} == set(deleted)
    assert all(names == {"old", "young"} for table, names in left.items() if table not in deleted)


def test_each_class_has_its_time(connection):
    cursor = connection.cursor()
    for table in ("RAW_BARS", "RAW_REJECTED"):
        cursor.execute(f"delete from raw.{table}")
        landed_at = (BEFORE - timedelta(days=10)).replace(tzinfo=None)
        cursor.execute(f"insert into raw.{table} (event_id, landed_at) select 'x', %s", (landed_at,))
    before = dict.fromkeys(CLASSES, BEFORE - timedelta(days=20)) | {"raw_reject_days": BEFORE - timedelta(days=5)}
    deleted = delete_old_rows(connection, before)
    assert (deleted["RAW_BARS"], deleted["RAW_REJECTED"]) == (0, 1)


def test_a_profile_that_an_alert_cites_stays(connection):
    cursor = connection.cursor()
    cursor.execute("delete from raw.raw_profiles")
    cursor.execute("delete from raw.raw_alerts")

    def insert(table: str, payload: dict | None) -> None:
        cursor.execute(
            f"insert into raw.{table} (payload, landed_at) select parse_json(%s), '2020-01-01'::timestamp_ntz",
            (json.dumps(payload) if payload else None,),
        )

    for revision in ("cited", "of the ticker before", "forgotten"):
        insert("raw_profiles", profile(revision))
    insert("raw_profiles", profile("cited") | {"timespan": "hour"})
    insert("raw_profiles", None)
    insert("raw_alerts", {"symbol": "A", "timespan": "minute", "profile_version": "2026-03-06|cited"})
    insert("raw_alerts", {"symbol": "B", "timespan": "minute", "profile_version": "2026-03-06|of the ticker before"})
    insert("raw_alerts", {"symbol": "A", "timespan": "minute", "profile_version": None})

    assert delete_old_rows(connection, dict.fromkeys(CLASSES, BEFORE))["RAW_PROFILES"] == 3

    left = cursor.execute("select payload:timespan::varchar, payload:revision::varchar from raw.raw_profiles")
    assert sorted(left.fetchall()) == [("minute", "cited"), ("minute", "of the ticker before")]


def profile(revision: str) -> dict[str, str]:
    return {"symbol": "A", "timespan": "minute", "last_date": "2026-03-06", "revision": revision}


def test_files_of_killed_landings_go(connection, launcher, tmp_path):
    names = {kind: f"{uuid.uuid4().hex}.parquet" for kind in ("forgotten", "of a landing that goes on")}
    names["of somebody else"] = "theirs.csv"
    for name in names.values():
        (tmp_path / name).write_text("rows")
        connection.cursor().execute(f"put 'file://{tmp_path}/{name}' @raw.landing auto_compress=false")
    for name in (names["forgotten"], names["of somebody else"]):
        (staged,) = launcher.folder.rglob(f"stages/**/{name}")
        os.utime(staged, (BEFORE.timestamp() - 1,) * 2)

    assert remove_staged_files(connection, BEFORE) == 1

    listed = connection.cursor().execute("list @raw.landing").fetchall()
    assert {row[0].rpartition("/")[2] for row in listed} == set(names.values()) - {names["forgotten"]}
