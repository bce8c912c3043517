"""The programs that the stack consists of, in the order in which they start."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from include.local_stack import health, kafka, postgres
from include.local_stack.access import withheld
from include.local_stack.market import Market
from include.local_stack.ports import HOST, Ports

# Of work: where five processes import Airflow at the same time, each gets a part of the machine and of the second.
AIRFLOW_SECONDS = 240
PYTHON = [sys.executable, "-m"]
# From above: who watches, where tasks are started and run, the servers that these report to, the services below all.
WATCH, TOP, SERVERS, SERVICES = 3, 2, 1, 0
# The process that runs its triggers does not end when it is asked, within half a minute; what they wait for is in
# Airflow's database and in Kafka, and whoever starts next goes on waiting.
STOP_SECONDS = {"triggerer": 5}
# What nobody waits for gives way to what must be on time; the scheduler has queued a minute's polls before it closes.
GIVES_WAY = {"scheduler": 10, "dag-processor": 10, "worker-batch": 10}


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Component:
    """One program under supervisord.

    ``healthy`` gets the time of its start (epoch seconds); ``sign`` names what it looks for. ``prepare`` runs before
    the start, ``complete`` once it is healthy. ``address`` is what a person would open or connect to.
    ``limit_seconds`` are of a machine that has nothing else to do. What has the same ``floor`` stops at once, and what
    stands on it before.
    """

    name: str
    command: list[str]
    healthy: Callable[[float], bool]
    sign: str = "sign of life"
    floor: int = SERVICES
    address: str = ""
    prepare: Callable[[], None] = _nothing
    complete: Callable[[], None] = _nothing
    limit_seconds: int = 180
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 30

    @property
    def program(self) -> list[str]:
        """Return the command, run without the secrets that the component must not have."""
        return ["env", *(f"--unset={name}" for name in withheld(self.name)), *self.command]


def services(state: Path, ports: Ports, credentials: Mapping[str, str], market: Market) -> list[Component]:
    """The services that Airflow and its tasks talk to."""
    cluster, libs, broker = postgres.data_folder(state), state / "kafka" / "libs", state / "kafka"
    password, bootstrap = credentials["POSTGRES_PASSWORD"], f"{HOST}:{ports.kafka}"
    warehouse = state / "warehouse"

    def prepare_kafka() -> None:
        kafka.ensure_jars(libs)
        kafka.prepare(broker, libs, ports.kafka, ports.kafka_controller)

    components = [
        Component(
            "postgres",
            postgres.command(cluster, ports.postgres),
            lambda _: postgres.accepts(ports.postgres, password),
            "login of the administrator",
            address=f"{HOST}:{ports.postgres}",
            prepare=partial(postgres.create_cluster, cluster, password),
            complete=partial(postgres.create_databases, ports.postgres, credentials),
            user=postgres.server_user(),
            stop_signal="INT",
        ),
        Component(
            "redis",
            _redis(state / "redis", ports.redis, credentials["REDIS_PASSWORD"]),
            lambda _: health.redis_answers(ports, credentials["REDIS_PASSWORD"]),
            "answer to a ping",
            address=f"{HOST}:{ports.redis}",
            prepare=partial((state / "redis").mkdir, exist_ok=True),
        ),
        Component(
            "kafka",
            kafka.command(broker, libs),
            lambda _: kafka.answers(bootstrap),
            "list of brokers",
            address=bootstrap,
            prepare=prepare_kafka,
        ),
        Component(
            "warehouse",
            _module(
                "include.embedded_warehouse",
                *("--db-path", warehouse / "data", "--port", ports.warehouse, "--tls", warehouse / "tls"),
            ),
            lambda _: health.http(f"https://{HOST}:{ports.warehouse}/health", warehouse / "tls" / "ca-bundle.pem"),
            f"answer at https://{HOST}:{ports.warehouse}/health",
            address=f"https://{HOST}:{ports.warehouse}",
        ),
    ]
    if market.mode != "vendor":
        components.append(
            Component(
                "simulator",
                _module("include.polygon_simulator", "--port", ports.simulator, *market.simulator_arguments()),
                lambda _: health.http(f"http://{HOST}:{ports.simulator}/health"),
                f"answer at http://{HOST}:{ports.simulator}/health",
                address=f"http://{HOST}:{ports.simulator}",
            )
        )
    return components


def airflow(state: Path, ports: Ports, environment: Mapping[str, str]) -> list[Component]:
    """Airflow's processes and the server of dbt's documentation."""

    def reports(name: str) -> Callable[[float], bool]:
        return lambda started: health.airflow_component(ports, name, started)

    docs = Path(environment["DBT_DOCS_DIR"])
    # Logs are read from the shared folder; the servers for remote logs would listen on every interface.
    return [
        Component(
            "api-server",
            _module("airflow", "api-server", "--apps", "core"),
            reports("metadatabase"),
            f"answer at http://{HOST}:{ports.airflow}/api/v2/monitor/health",
            SERVERS,
            address=environment["AIRFLOW__API__BASE_URL"],
            limit_seconds=AIRFLOW_SECONDS,
        ),
        # Tasks report to a server of their own: without the user interface's layers a call costs a third less, and a
        # minute's thousand calls do not hold up a page.
        Component(
            "execution-api",
            _module("airflow", "api-server", "--apps", "execution", "--port", ports.execution_api),
            lambda _: health.http(f"http://{HOST}:{ports.execution_api}/execution/health"),
            f"answer at http://{HOST}:{ports.execution_api}/execution/health",
            SERVERS,
            limit_seconds=AIRFLOW_SECONDS,
        ),
        *(
            Component(
                name,
                _airflow(name, name, *options),
                reports(job),
                f"heartbeat of the {name} since its start in Airflow's database, by way of api-server",
                TOP,
                limit_seconds=AIRFLOW_SECONDS,
                stop_seconds=STOP_SECONDS.get(name, 30),
            )
            for name, job, options in (
                ("scheduler", "scheduler", ()),
                ("dag-processor", "dag_processor", ()),
                ("triggerer", "triggerer", ("--skip-serve-logs",)),
            )
        ),
        *_workers(state, ports, environment),
        Component(
            "dbt-docs",
            _module("http.server", ports.dbt_docs, "--bind", HOST, "--directory", docs),
            lambda _: health.http(f"http://{HOST}:{ports.dbt_docs}"),
            f"answer at http://{HOST}:{ports.dbt_docs}",
            TOP,
            address=f"http://{HOST}:{ports.dbt_docs}",
            prepare=partial(docs.mkdir, exist_ok=True),
        ),
    ]


def watchdog(state: Path) -> Component:
    """Who watches all the others: the last that starts and the first that stops, for it tells of what is not there."""
    return Component(
        "watchdog",
        _module("include.watchdog"),
        lambda started: health.was_touched(state / "watchdog.beat", started),
        "look at the others since its start",
        WATCH,
        limit_seconds=AIRFLOW_SECONDS,
    )


def _workers(state: Path, ports: Ports, environment: Mapping[str, str]) -> list[Component]:
    """One Celery worker for each kind of work, so that none waits for another; detection on as many as are set."""
    # Besides a partition each: the notifier, four channels and one to spare.
    detecting = int(environment["KAFKA_PARTITIONS"]) + 6
    # Threads where the fast lane is on; a process with threads must not fork.
    threads = "poll" in json.loads(environment.get("AIRFLOW__SDK__QUEUE_TO_COORDINATOR") or "{}")
    wanted = {"worker-poll": ("poll,short", 640 if threads else 8), "worker-detect": ("detect", detecting)}
    for number in range(2, int(environment.get("DETECT_WORKERS") or 1) + 1):
        wanted[f"worker-detect-{number}"] = ("detect", detecting)
    wanted["worker-batch"] = ("default,warehouse", 4)

    def worker(name: str, queues: str, slots: int) -> Component:
        options = ("--queues", queues, "--concurrency", slots, "--celery-hostname", f"{name}@%h")
        own = ("--skip-serve-logs", "--pid", state / "airflow" / f"{name}.pid")
        pool = ["env", "AIRFLOW__CELERY__POOL=threads"] if threads and name == "worker-poll" else []
        return Component(
            name,
            [*pool, *_airflow(name, "celery", "worker", *options, *own)],
            lambda _: health.worker_answers(environment["AIRFLOW__CELERY__BROKER_URL"], name),
            "answer to a ping by way of redis",
            TOP,
            limit_seconds=AIRFLOW_SECONDS,
            # TERM lets running tasks end and takes no new one.
            stop_seconds=40,
        )

    return [worker(name, queues, slots) for name, (queues, slots) in wanted.items()]


def _airflow(name: str, *arguments: object) -> list[str]:
    return [*(["nice", "-n", str(GIVES_WAY[name])] if name in GIVES_WAY else []), *_module("airflow", *arguments)]


def _module(name: str, *arguments: object) -> list[str]:
    return [*PYTHON, name, *map(str, arguments)]


def _redis(folder: Path, port: int, password: str) -> list[str]:
    # Every write is in the log before it is answered: queued tasks survive a kill.
    keep = ("--save", "", "--appendonly", "yes")
    # The command line, which every user can see, has a digest of the password.
    user = ("default", "on", f"#{hashlib.sha256(password.encode()).hexdigest()}", "~*", "&*", "+@all")
    return ["redis-server", "--bind", HOST, "--port", str(port), "--dir", str(folder), *keep, "--user", *user]
