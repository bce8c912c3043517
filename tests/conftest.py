"""Real services for the tests: each is started once per session, on free ports, in a temporary folder."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from include.local_stack import kafka as kafka_broker
from include.local_stack import postgres as server
from include.local_stack.credentials import GENERATORS
from include.local_stack.ports import HOST
from tests.paths import ROOT

START_SECONDS = 120
JARS = ROOT / ".local" / "kafka" / "libs"

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def service(command: list[str], ready: Callable[[], bool], log: Path, stop: int = signal.SIGTERM) -> Iterator[None]:
    """Run a server until the block ends; fail with its log when it does not become ready."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not become ready:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A temporary folder that other users (PostgreSQL's) can enter."""
    path = Path(tempfile.mkdtemp(prefix="surveillance-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(folder: Path) -> Iterator[dict[str, str]]:
    """A real Kafka broker; yields the client configuration."""
    with kafka_server(folder / "kafka") as client:
        yield client


@contextmanager
def kafka_server(home: Path) -> Iterator[dict[str, str]]:
    """Run a Kafka broker of one's own; yields the client configuration."""
    kafka_broker.ensure_jars(JARS)
    port = free_port()
    kafka_broker.prepare(home, JARS, port, free_port())
    bootstrap = f"127.0.0.1:{port}"
    with service(kafka_broker.command(home, JARS), lambda: kafka_broker.answers(bootstrap), Path(f"{home}.log")):
        yield {"bootstrap.servers": bootstrap}


@pytest.fixture(scope="session")
def redis_url(folder: Path) -> Iterator[str]:
    """A real Redis; yields the address of its database 2."""
    port = free_port()
    url = f"redis://{HOST}:{port}/2"

    def ready() -> bool:
        try:
            return redis.Redis.from_url(url).ping()
        except redis.RedisError:
            return False

    command = ["redis-server", "--bind", HOST, "--port", str(port), "--save", "", "--dir", str(folder)]
    with service(command, ready, folder / "redis.log"):
        yield url


@pytest.fixture(scope="session")
def postgres_server(folder: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """A real PostgreSQL with the databases airflow and surveillance; yields its port and the roles' passwords."""
    with postgres_cluster(folder) as cluster:
        yield cluster


@contextmanager
def postgres_cluster(folder: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Run a PostgreSQL of one's own; yields its port and the roles' passwords."""
    credentials = {name: generate() for name, generate in GENERATORS.items()}
    password, port, data = credentials["POSTGRES_PASSWORD"], free_port(), folder / "postgres"
    server.create_cluster(data, password)
    command = [*server.as_server_user(), *server.command(data, port)]
    with service(command, lambda: server.answers(port, password), folder / "postgres.log", stop=signal.SIGINT):
        server.create_databases(port, credentials)
        yield port, credentials


# Login in PostgreSQL -> the secret that is its password.
LOGINS = {
    "surveillance": "SURVEILLANCE_DB_PASSWORD",
    "surveillance_reader": "SURVEILLANCE_READER_PASSWORD",
    "surveillance_desk": "SURVEILLANCE_DESK_PASSWORD",
}


def address_database(cluster: tuple[int, dict[str, str]], login: str) -> str:
    """Return the address, login and password of the application's database as one URI."""
    port, credentials = cluster
    return f"postgresql://{login}:{credentials[LOGINS[login]]}@{HOST}:{port}/surveillance"


@pytest.fixture(scope="session")
def postgres(postgres_server: tuple[int, dict[str, str]]) -> str:
    """The address, login and password of the application's database in a real PostgreSQL, as one URI."""
    return address_database(postgres_server, "surveillance")


@pytest.fixture(scope="session")
def postgres_reader(postgres_server: tuple[int, dict[str, str]]) -> str:
    """The same database as ``postgres``, for a role that only reads."""
    return address_database(postgres_server, "surveillance_reader")


@pytest.fixture(scope="session")
def postgres_desk(postgres_server: tuple[int, dict[str, str]]) -> str:
    """The same database as ``postgres``, for the role that writes what people do with alerts."""
    return address_database(postgres_server, "surveillance_desk")
