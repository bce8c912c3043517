"""One sample: every series' value at one moment."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg2
import redis
import snowflake.connector
from psycopg2 import sql

from include.local_stack.ports import HOST
from include.local_stack.postgres import DATABASES, SERVER_USER
from include.local_stack.summary import database_arguments, warehouse_arguments
from include.orchestration.maintenance import TABLES
from include.surveillance import broker, warehouse
from include.surveillance.live import detector
from include.surveillance.warehouse.retention import FOR_EVER
from tests.soak import usage

if TYPE_CHECKING:
    from include.local_stack.demo import Demo

# Those that maintenance cleans, and those that go with them or clean themselves.
ROWS = {
    "airflow": (*TABLES, "trigger", "deadline", "task_instance_history", "rendered_task_instance_fields"),
    "surveillance": ("alerts",),
}
LAST_LANDING = "select max(updated_at) from raw.kafka_offsets"


class Sampler:
    """Looks at a running platform from the outside. ``pids`` are the components' processes at the last look."""

    def __init__(self, demo: Demo):
        self.stack, self.kafka = demo.stack, demo.kafka
        self.followers = {
            "detector": [place for partition in demo.partitions for place in detector.positions_of(partition)],
            "notifier": [(broker.ALERTS, partition) for partition in demo.partitions],
        }
        self.pids: dict[str, int] = {}

    def sample(self) -> dict[str, float]:
        """Series -> value; a series' name is its kind, a dot and what it is of."""
        return {**self.processes(), **self.databases(), **self.redis(), **self.disk(), **self.lag(), **self.landed()}

    def processes(self) -> dict[str, float]:
        self.pids = {info["name"]: info["pid"] for info in self.stack.supervisor.states()}
        found = {}
        for name, pid in self.pids.items():
            used = usage.of_tree(pid)
            found |= {f"memory.{name}": used.memory, f"descriptors.{name}": used.descriptors}
            found |= {f"threads.{name}": used.threads}
        return found

    def databases(self) -> dict[str, float]:
        found = {}
        password, port = self.stack.credentials["POSTGRES_PASSWORD"], self.stack.ports.postgres
        for name in DATABASES:
            login = {"host": HOST, "port": port, "user": SERVER_USER, "password": password, "dbname": name}
            with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
                found |= of_database(cursor, name)
        return found

    def redis(self) -> dict[str, float]:
        with closing(redis.Redis(HOST, self.stack.ports.redis, db=1, socket_timeout=10)) as client:
            return {"redis.used": client.info("memory")["used_memory"] / usage.MB, "keys.celery": client.dbsize()}

    def disk(self) -> dict[str, float]:
        state = self.stack.state
        runs = (state / "airflow" / "logs").glob("dag_id=*")
        return {
            "logs.runs": sum(usage.of_folder(folder) for folder in runs),
            "disk.kafka": usage.of_folder(state / "kafka" / "data"),
            "disk.warehouse": usage.of_folder(state / "warehouse" / "data"),
            "disk.dag-processor-logs": usage.of_folder(state / "airflow" / "logs" / "dag_processor"),
            "disk.component-logs": usage.of_folder(state / "logs"),
        }

    def lag(self) -> dict[str, float]:
        return {f"lag.{group}": broker.lag(self.kafka, group, places) for group, places in self.followers.items()}

    def landed(self) -> dict[str, float]:
        """Seconds since the last landing, rows of RAW."""
        arguments = warehouse_arguments(self.stack.environment) | {"login_timeout": 10, "network_timeout": 20}
        with closing(snowflake.connector.connect(**arguments)) as connection, connection.cursor() as cursor:
            last = cursor.execute(LAST_LANDING).fetchone()[0].replace(tzinfo=UTC)
            found = {"landing.age": (datetime.now(UTC) - last).total_seconds()}
            for table in warehouse.TABLES.values():
                kind = "kept" if table in FOR_EVER else "raw"
                found[f"{kind}.{table.lower()}"] = cursor.execute(f"select count(*) from raw.{table}").fetchone()[0]
        return found

    def vacuums(self) -> dict[str, int]:
        """Tables of Airflow's metadata -> how often autovacuum has cleared them."""
        login = database_arguments(self.stack.environment, "AIRFLOW_DB")
        with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select relname, autovacuum_count from pg_stat_user_tables where relname = any(%s) order by relname",
                (list(TABLES),),
            )
            return dict(cursor.fetchall())


def of_database(cursor: psycopg2.extensions.cursor, name: str) -> dict[str, float]:
    """Size in MB of the database that the cursor is in, and the rows of its tables that grow."""
    cursor.execute("select pg_database_size(current_database())")
    found = {f"database.{name}": cursor.fetchone()[0] / usage.MB}
    for table in ROWS[name]:
        cursor.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table)))
        found[f"rows.{table}"] = cursor.fetchone()[0]
    return found


def wait_for_followers(sampler: Sampler, seconds: float) -> bool:
    """Whether nothing is left to consume within so many seconds."""
    deadline = time.monotonic() + seconds
    while any(sampler.lag().values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True
