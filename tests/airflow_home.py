"""A throw-away Airflow for the tests: its own home, an SQLite metadata database, our DAGs and plugins.

Imported by the conftest files of the folders whose tests import Airflow, before Airflow reads its settings.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.paths import ROOT

if "SURVEILLANCE_TEST_HOME" not in os.environ:
    HOME = Path(tempfile.mkdtemp(prefix="airflow-test-"))
    atexit.register(shutil.rmtree, HOME, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    os.environ.update(
        {
            "SURVEILLANCE_TEST_HOME": str(HOME),
            "AIRFLOW_HOME": str(HOME),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__API_AUTH__JWT_SECRET": "not-a-secret-" * 6,
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__FAB__CONFIG_FILE": str(ROOT / "include" / "orchestration" / "accounts" / "login.py"),
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
            "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
            "DO_NOT_TRACK": "1",
        }
    )


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """The migrated metadata database."""
    return migrate_metadata()


def migrate_metadata() -> Path:
    """Make the metadata database; returns its file."""
    from airflow.utils.db import initdb

    initdb()
    return Path(os.environ["AIRFLOW_HOME"]) / "airflow.db"
