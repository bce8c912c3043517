"""The start's one command: tables and topics before new code, and no warehouse needed for detection."""

import json

import pytest

from include.orchestration import migrate
from include.surveillance.errors import WarehouseError


def test_everything_is_made_and_a_warehouse_that_is_away_is_told(database, topics, monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": topics}))
    away = {"conn_type": "snowflake", "login": "x", "password": "x", "schema": "X"}
    away["extra"] = {"account": "x", "host": "127.0.0.1", "port": 1, "login_timeout": 1, "network_timeout": 1}
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(away))
    migrate.main()
    told = capsys.readouterr()
    assert told.out == "application database: nothing to do\ntopics: nothing to do\n"
    assert "warehouse: not migrated, run DAG bootstrap_platform later" in told.err
    with pytest.raises(WarehouseError, match="look at the session"):
        migrate.check_warehouse()
