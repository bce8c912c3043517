"""URLs and connections hold every password, and a container's program finds them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from airflow.sdk import Connection
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import parse_url
from sqlalchemy import make_url

from include.deployment import KAFKA_USER, write_variables
from tests.paths import ROOT

NASTY = r"""a"b\c@d/e%f:g#h i'j$k{l}&m?n=é€😀"""
PARTS = {
    "POSTGRES": "postgres:5432",
    "REDIS": "redis:6379",
    "KAFKA": "kafka:19092",
    "POLYGON_BASE_URL": "http://simulator:18090",
    **{f"SNOWFLAKE_{name}": name.lower() for name in ("ACCOUNT", "DATABASE", "WAREHOUSE", "ROLE", "USER", "HOST")},
    "SNOWFLAKE_PORT": "443",
}
SECRETS = (
    *("AIRFLOW_DB_PASSWORD", "MAINTENANCE_DB_PASSWORD", "SURVEILLANCE_DB_PASSWORD", "REDIS_PASSWORD"),
    "SURVEILLANCE_READER_PASSWORD",
    "SURVEILLANCE_DESK_PASSWORD",
    *("KAFKA_PASSWORD", "POLYGON_API_KEY", "SNOWFLAKE_PASSWORD"),
)
# What an environment variable can hold.
passwords = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(passwords)
def test_every_password_comes_out_as_it_went_in(password):
    written = write_variables({**PARTS, **dict.fromkeys(SECRETS, password)})
    metadata = make_url(written["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    assert (metadata.password, metadata.host, metadata.database) == (password, "postgres", "airflow")
    for name, database in (("BROKER_URL", "0"), ("RESULT_BACKEND", "1")):
        redis = parse_url(written[f"AIRFLOW__CELERY__{name}"])
        assert (redis["password"], redis["hostname"], redis["virtual_host"]) == (password, "redis", database)
    connections = {name: json.loads(value) for name, value in written.items() if name.startswith("AIRFLOW_CONN_")}
    assert len(connections) == 9
    for name, connection in connections.items():
        kafka = name == "AIRFLOW_CONN_KAFKA_DEFAULT"
        assert (connection["extra"]["sasl.password"] if kafka else connection["password"]) == password, name


def test_airflow_reads_what_is_written(monkeypatch):
    written = write_variables({**PARTS, **dict.fromkeys(SECRETS, NASTY)})
    for name, value in written.items():
        monkeypatch.setenv(name, value)
    database = Connection.get("surveillance_db")
    assert (database.password, database.port, database.schema) == (NASTY, 5432, "surveillance")
    kafka = Connection.get("kafka_default").extra_dejson
    assert (kafka["sasl.username"], kafka["sasl.password"]) == (KAFKA_USER, NASTY)


def test_nothing_is_written_of_what_is_not_given():
    assert write_variables(PARTS | {"KAFKA": ""}) == {}
    assert set(write_variables({**PARTS, "KAFKA": "", "REDIS_PASSWORD": "x"})) == {
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "AIRFLOW_CONN_RATE_LIMIT",
        "AIRFLOW_CONN_FEATURE_STORE",
    }


def test_a_key_pair_is_part_of_the_connection():
    given = {**PARTS, "SNOWFLAKE_PASSWORD": "phrase", "SNOWFLAKE_PRIVATE_KEY_PATH": "/run/secrets/key"}
    extra = json.loads(write_variables(given)["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])["extra"]
    assert (extra["private_key_file"], extra["port"]) == ("/run/secrets/key", 443)


@pytest.mark.parametrize("own", [None, '{"conn_type": "kafka"}'])
def test_a_program_finds_the_variables_and_those_of_the_user_stay(own):
    show = "import os; print(os.environ['AIRFLOW_CONN_KAFKA_DEFAULT'], 'AIRFLOW_CONN_AIRFLOW_DB' in os.environ)"
    given = {**PARTS, "KAFKA_PASSWORD": NASTY, **({"AIRFLOW_CONN_KAFKA_DEFAULT": own} if own else {})}
    run = subprocess.run(
        [sys.executable, "-m", "include.deployment", sys.executable, "-c", show],
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **given},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    written = own or write_variables(given)["AIRFLOW_CONN_KAFKA_DEFAULT"]
    assert run.stdout == f"{written} False\n", run.stderr
