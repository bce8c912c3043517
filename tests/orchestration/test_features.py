"""The task runs in another Python, which learns the connections by variables."""

from __future__ import annotations

import json
import os
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG

from include.orchestration import features
from include.surveillance.errors import ConfigurationError

STORE = """
from contextlib import contextmanager

NAMES = ("ACCOUNT", "USER", "PASSWORD", "HOST", "PORT", "PRIVATE_KEY_PATH")

@contextmanager
def open_store(environment):
    yield [environment[f"SNOWFLAKE_{name}"] for name in NAMES] + [environment["FEATURE_STORE_REDIS"]]

def serve(store):
    return store
"""


@pytest.fixture
def connected(monkeypatch) -> None:
    warehouse = {"account": "acme", "host": "h", "port": 443, "database": "MARKET", "private_key_file": "/key"}
    login = {"conn_type": "snowflake", "login": "me", "password": "phrase", "extra": warehouse}
    redis = {"conn_type": "redis", "host": "r", "port": 6379, "schema": "3", "password": "a/b:c"}
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(login))
    monkeypatch.setenv("AIRFLOW_CONN_FEATURE_STORE", json.dumps(redis))
    # What a worker's own shell says is not what the connection says.
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", "another")


def serve(dag_id: str = "serve_features") -> object:
    with DAG(dag_id, schedule=None):
        task = features.ServeFeaturesOperator(task_id="serve")
    return task.execute({"ti": SimpleNamespace(bundle_instance=None)})


@pytest.mark.usefixtures("connected")
def test_the_connections_reach_the_other_python_and_its_answer_comes_back(monkeypatch, tmp_path: Path):
    package = tmp_path / "include" / "feature_store"
    package.mkdir(parents=True)
    (package / "store.py").write_text(STORE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    venv.create(tmp_path / "venv")  # one that has no Airflow
    monkeypatch.setenv("FEATURES_PYTHON", str(tmp_path / "venv" / "bin" / "python"))
    assert serve() == ["acme", "me", "phrase", "h", "443", "/key", "redis://:a%2Fb%3Ac@r:6379/3"]
    assert os.environ["SNOWFLAKE_PASSWORD"] == "another"


@pytest.mark.usefixtures("connected")
def test_without_the_virtualenv_it_says_who_makes_it(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("FEATURES_PYTHON", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="start the local stack with FEATURES=1"):
        serve()
