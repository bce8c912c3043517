"""One sample: every series' value at one time."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime

import psycopg2
import redis
from psycopg2 import sql

from include.local_stack.clients import Clients
from include.local_stack.ports import HOST
from include.local_stack.postgres import DATABASES, SERVER_USER
from include.orchestration.maintenance import TABLES
from include.surveillance import broker
from include.surveillance.live import detector
from include.surveillance.warehouse import rows
from include.surveillance.warehouse.retention import CLASSES
from tests.soak import usage

# Those that maintenance cleans, and those that go with them or clean themselves.
ROWS = {
    "airflow": (*TABLES, "trigger", "deadline", "task_instance_history", "rendered_task_instance_fields"),
    "surveillance": ("alerts",),
}
LAST_LANDING = "select max(updated_at) from raw.landed_offsets"


class Sampler:
    """Takes samples of a platform from the outside. ``pids`` are the components' processes at the last one."""

    def __init__(self, clients: Clients):
        self.clients, self.stack = clients, clients.stack
        self.followers = {
            "detector": [it for partition in clients.partitions for it in detector.positions_of(partition)],
            "notifier": clients.positions(broker.ALERTS),
        }
        self.pids: dict[str, int] = {}
        self.made = datetime.now(UTC)

    def sample(self) -> dict[str, float]:
        """Series -> value; a series' name is its kind, a dot and its subject."""
        return {**self.processes(), **self.databases(), **self.redis(), **self.disk(), **self.lag(), **self.landed()}

    def processes(self) -> dict[str, float]:
        self.pids = {info["name"]: info["pid"] for info in self.stack.supervisor.states()}
        values = {}
        for name, pid in self.pids.items():
            tree = usage.measure_tree(pid)
            values |= {f"memory.{name}": tree.memory, f"descriptors.{name}": tree.descriptors}
            values |= {f"threads.{name}": tree.threads}
        return values

    def databases(self) -> dict[str, float]:
        values = {}
        password, port = self.stack.credentials["POSTGRES_PASSWORD"], self.stack.ports.postgres
        for name in DATABASES:
            login = {"host": HOST, "port": port, "user": SERVER_USER, "password": password, "dbname": name}
            with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
                values |= measure_database(cursor, name)
        return values

    def redis(self) -> dict[str, float]:
        address = self.stack.environment["AIRFLOW__CELERY__RESULT_BACKEND"]
        with closing(redis.Redis.from_url(address, socket_timeout=10)) as client:
            return {"redis.used": client.info("memory")["used_memory"] / usage.MB, "keys.celery": client.dbsize()}

    def disk(self) -> dict[str, float]:
        state = self.stack.state
        runs = (state / "airflow" / "logs").glob("dag_id=*")
        return {
            "logs.runs": sum(usage.measure_folder(folder) for folder in runs),
            "disk.kafka": usage.measure_folder(state / "kafka" / "data"),
            "disk.warehouse": usage.measure_folder(state / "warehouse" / "data"),
            "disk.dag-processor-logs": usage.measure_folder(state / "airflow" / "logs" / "dag_processor"),
            "disk.component-logs": usage.measure_folder(state / "logs"),
        }

    def lag(self) -> dict[str, float]:
        return {
            f"lag.{group}": broker.lag(self.clients.kafka, group, positions)
            for group, positions in self.followers.items()
        }

    def landed(self) -> dict[str, float]:
        """Seconds since the last landing, before the first one since the sampler was made; rows of RAW."""
        ((last,),) = self.clients.warehouse(LAST_LANDING)
        since = last.replace(tzinfo=UTC) if last else self.made
        values = {"landing.age": (datetime.now(UTC) - since).total_seconds()}
        bounded = {table for tables in CLASSES.values() for table in tables}
        for table in rows.TABLES:
            kind = "raw" if table in bounded else "kept"
            ((values[f"{kind}.{table.lower()}"],),) = self.clients.warehouse(f"select count(*) from raw.{table}")
        return values

    def vacuums(self) -> dict[str, int]:
        """Tables of Airflow's metadata -> how often autovacuum has cleared them."""
        query = "select relname, autovacuum_count from pg_stat_user_tables where relname = any(%s) order by relname"
        return dict(self.clients.database(query, [list(TABLES)], "AIRFLOW_DB"))


def measure_database(cursor: psycopg2.extensions.cursor, name: str) -> dict[str, float]:
    """Size in MB of the database that the cursor is in, and the rows of its tables that grow."""
    cursor.execute("select pg_database_size(current_database())")
    values = {f"database.{name}": cursor.fetchone()[0] / usage.MB}
    for table in ROWS[name]:
        cursor.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table)))
        values[f"rows.{table}"] = cursor.fetchone()[0]
    return values


def wait_for_followers(sampler: Sampler, seconds: float) -> bool:
    """Whether nothing is left to consume within so many seconds."""
    deadline = time.monotonic() + seconds
    while any(sampler.lag().values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True
