"""The command that a task's ``dbt build`` runs in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT


def test_it_is_dbt_and_wants_nothing_of_airflow(tmp_path):
    """Airflow takes its database away from the processes of tasks: to import Airflow's models there is an error."""
    project = ROOT / "dbt_project"
    given = {f"SNOWFLAKE_{name}": "any" for name in ("ACCOUNT", "USER", "PASSWORD", "WAREHOUSE", "ROLE")}
    given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            *(ROOT / "include/orchestration/marts/dbt", "parse", "--project-dir", project, "--profiles-dir", project),
            *("--target-path", tmp_path, "--log-path", tmp_path, "--no-partial-parse"),
        ],
        env=os.environ | given | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "airflow-db-not-allowed:///"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "manifest.json").exists()
