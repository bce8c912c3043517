"""What is sampled is there: in processes, folders and a database of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg2
import pytest

from include.local_stack.ports import HOST
from include.orchestration.application.database import migrate_database
from include.surveillance.warehouse import rows, schema
from tests.embedded_warehouse.launcher import Launcher
from tests.soak import sample, usage

HUNGRY = """
import sys, threading
sys.stdin.readline()
held, files = bytearray(64 * 1024 * 1024), [open("/dev/null") for _ in range(50)]
for _ in range(5): threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hungry_child():
    with subprocess.Popen([sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.stdin.close()


def test_a_process_counts_with_those_below_it(hungry_child):
    before = usage.measure_tree(os.getpid())
    hungry_child.stdin.write(b"eat\n")
    hungry_child.stdin.flush()
    hungry_child.stdout.readline()
    child, after = usage.measure_tree(hungry_child.pid), usage.measure_tree(os.getpid())
    assert child.memory > 64
    assert child.descriptors >= 53
    assert (child.threads, child.processes) == (6, 1)
    assert after.processes >= 2
    assert after.descriptors >= before.descriptors + 40


def test_a_folder_counts_with_those_below_it(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "a" / "b"):
        (folder / "file").write_bytes(bytes(usage.MB))
    assert usage.measure_folder(tmp_path) == 2
    assert usage.measure_folder(tmp_path / "nowhere") == 0


def test_a_database_has_a_size_and_rows(postgres_server, postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    migrate_database()
    port, credentials = postgres_server
    login = {"host": HOST, "port": port, "user": "postgres", "password": credentials["POSTGRES_PASSWORD"]}
    with closing(psycopg2.connect(**login, dbname="surveillance")) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from alerts")
        rows = cursor.fetchone()[0]
        values = sample.measure_database(cursor, "surveillance")
    assert values.keys() == {"database.surveillance", "rows.alerts"}
    assert values["rows.alerts"] == rows
    assert 1 < values["database.surveillance"] < 1000


def test_landings_have_an_age_and_each_table_its_rows(tmp_path, monkeypatch):
    launcher = Launcher(tmp_path).start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
    session = launcher.connect()
    schema.migrate_raw(session)
    clients = SimpleNamespace(
        stack=None,
        partitions=range(2),
        positions=lambda topic: [(topic, 0), (topic, 1)],
        warehouse=lambda query: session.cursor().execute(query).fetchall(),
    )
    sampler = sample.Sampler(clients)
    sampler.made -= timedelta(hours=1)
    assert 3600 <= sampler.landed()["landing.age"] < 3900, "nothing has landed"
    landed = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=100)
    session.cursor().execute(
        "insert into raw.kafka_offsets_bars (topic, partition_id, next_offset, updated_at)"
        " values ('polygon.bars.raw', 0, 7, %s)",
        (landed,),
    )
    values = sampler.landed()
    launcher.close_sessions()
    launcher.stop()
    assert 100 <= values.pop("landing.age") < 400
    assert len(values) == len(rows.TABLES)
    assert set(values.values()) == {0}
    assert {name.partition(".")[0] for name in values} == {"raw", "kept"}
