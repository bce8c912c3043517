"""The services of docker-compose.yml take every password: their own start scripts, on the real programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import psycopg2
import pytest
import redis
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kombu import Connection as Broker
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from include.deployment import write_variables
from include.local_stack import postgres
from include.local_stack.clients import database_arguments
from include.local_stack.credentials import GENERATORS
from include.local_stack.ports import HOST
from tests.conftest import JARS, free_port, service
from tests.paths import ROOT
from tests.project.files import filled

NASTY = r"""a"b\c@d/e%f:g#h i'j$k{l}&m?n=é€😀"""
NASTY_ASCII = NASTY.encode("ascii", "ignore").decode()


@pytest.fixture(scope="module")
def compose() -> dict:
    words = dict.fromkeys(GENERATORS, "word")
    return filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), words)


def reach(port: int, password: str) -> list[int]:
    """Both ways into PostgreSQL: Airflow's URL and a connection's fields."""
    given = {"POSTGRES": f"{HOST}:{port}", "AIRFLOW_DB_PASSWORD": password, "SURVEILLANCE_DB_PASSWORD": password}
    written = write_variables(given)
    with create_engine(written["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]).connect() as connection:
        first = connection.execute(text("select 1")).scalar_one()
    login = database_arguments(written, "SURVEILLANCE_DB")
    with psycopg2.connect(**login) as session, session.cursor() as cursor:
        cursor.execute("select 2")
        return [first, cursor.fetchone()[0]]


@pytest.fixture
def server(postgres_server):
    """The tests' PostgreSQL, whose passwords are put back afterwards."""
    yield postgres_server
    postgres.create_databases(*postgres_server)


def test_postgres_takes_them_from_the_local_stack(server):
    port, credentials = server
    postgres.create_databases(port, credentials | {"AIRFLOW_DB_PASSWORD": NASTY, "SURVEILLANCE_DB_PASSWORD": NASTY})
    assert reach(port, NASTY) == [1, 2]


def test_postgres_takes_them_from_the_script_of_compose_and_takes_new_ones_later(server, compose, tmp_path):
    port, credentials = server
    script = tmp_path / "roles.sql"
    script.write_text(compose["configs"]["roles"]["content"])
    command = [*compose["services"]["postgres-roles"]["command"][:-1], f"--file={script}"]
    psql = next(Path("/usr/lib/postgresql").glob("*/bin/psql"))
    for password in ("first", NASTY):
        environment = {
            "PGHOST": HOST,
            "PGPORT": str(port),
            "PGUSER": "postgres",
            "PGPASSWORD": credentials["POSTGRES_PASSWORD"],
            **{
                name: password
                for name in compose["services"]["postgres-roles"]["environment"]
                if name.endswith("_PASSWORD")
            },
        }
        run = subprocess.run([psql, *command[1:]], env=environment, capture_output=True, text=True)
        assert run.stderr == ""
        assert run.returncode == 0
        assert reach(port, password) == [1, 2]
    with pytest.raises(OperationalError, match="password authentication failed"):
        reach(port, "first")


def test_redis_takes_them_and_nobody_else(compose, tmp_path):
    port = free_port()
    shell, option, script = compose["services"]["redis"]["command"]
    script = script.replace("redis-server", f"redis-server --bind {HOST} --port {port} --dir {tmp_path}")
    given = {"REDIS": f"{HOST}:{port}", "REDIS_PASSWORD": NASTY}
    url = write_variables(given)["AIRFLOW__CELERY__BROKER_URL"]

    def ready() -> bool:
        try:
            return redis.Redis.from_url(url).ping()
        except redis.ConnectionError:
            return False

    with service(["env", f"REDISCLI_AUTH={NASTY}", shell, option, script], ready, tmp_path / "redis.log"):
        assert Broker(url).ensure_connection(max_retries=1).connected
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(HOST, port).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(HOST, port, password="wrong").ping()


@pytest.fixture
def broker(compose, tmp_path):
    """Kafka as its image starts it: the script of compose, the image's own translation of variables, the broker."""
    ports = {name: free_port() for name in ("19092", "9092", "29093")}
    shell, option, script = compose["services"]["kafka"]["command"]
    for name in ("default", "mounted", "final"):
        (tmp_path / name).mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (tmp_path / "default" / name).touch()
    java = f"java -Xmx512m -cp '{JARS}/*'"
    folders = " ".join(f"--{name}-configs-dir {tmp_path / name}" for name in ("default", "mounted", "final"))
    translate = f"{java} kafka.docker.KafkaDockerWrapper setup {folders}"
    start = f"exec {java} kafka.Kafka {tmp_path}/final/server.properties"
    script = script.replace("exec /etc/kafka/docker/run", f"{translate} && {start}")
    environment = {name: str(value) for name, value in compose["services"]["kafka"]["environment"].items()}
    environment["KAFKA_LOG_DIRS"] = str(tmp_path / "data")
    for name, value in environment.items():
        value = value.replace("://kafka:", f"://{HOST}:").replace("://:", f"://{HOST}:")
        for known, own in ports.items():
            value = value.replace(f":{known}", f":{own}")
        environment[name] = value
    environment["SASL_PASSWORD"] = NASTY_ASCII
    address = f"{HOST}:{ports['19092']}"
    client = json.loads(
        write_variables({"KAFKA": address, "KAFKA_PASSWORD": NASTY_ASCII})["AIRFLOW_CONN_KAFKA_DEFAULT"]
    )

    def ready() -> bool:
        try:
            return bool(AdminClient({**client["extra"], "log_level": 0}).list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    command = [f"{name}={value}" for name, value in environment.items()]
    with service(["env", *command, shutil.which(shell), option, script], ready, tmp_path / "kafka.log"):
        yield client["extra"], f"{HOST}:{ports['9092']}"


def test_kafka_takes_them_and_nobody_else(broker):
    client, outside = broker
    assert AdminClient(client).list_topics(timeout=10).brokers
    others = {"bootstrap.servers": outside, "log_level": 0}
    for wrong in (others, {**client, **others, "sasl.password": "wrong"}):
        with pytest.raises(KafkaException):
            AdminClient(wrong).list_topics(timeout=3)


def test_kafka_refuses_what_its_file_cannot_hold(compose):
    shell, option, script = compose["services"]["kafka"]["command"]
    run = subprocess.run(
        [shell, option, script], env={"PATH": os.environ["PATH"], "SASL_PASSWORD": "é"}, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (1, "KAFKA_PASSWORD may hold ASCII characters only\n")
