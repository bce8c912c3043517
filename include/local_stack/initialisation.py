"""The one-shot steps before Airflow starts: its tables and ours, topics, pools, variables, roles, dbt's manifest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from include.local_stack.environment import ROOT
from include.local_stack.errors import StackError, log_end

DBT_PROJECT = ROOT / "dbt_project"
MANIFEST = DBT_PROJECT / "target" / "manifest.json"
GENERATED = {"target", "logs", "dbt_packages"}


def initialise(environment: Mapping[str, str], logs: Path) -> None:
    """Run the steps of Airflow and of dbt side by side.

    Raises:
        StackError: a step failed; the message carries the end of its log.
    """
    with ThreadPoolExecutor() as pool:
        steps = [pool.submit(_airflow, environment, logs / "init.log")]
        if manifest_is_old():
            steps.append(pool.submit(parse_dbt, environment, logs / "dbt-parse.log"))
    for step in steps:
        step.result()


def manifest_is_old() -> bool:
    """Whether a file of the dbt project is newer than the manifest that the DAGs are rendered from."""
    written = MANIFEST.stat().st_mtime if MANIFEST.exists() else 0
    return any(
        path.is_file() and path.relative_to(DBT_PROJECT).parts[0] not in GENERATED and path.stat().st_mtime > written
        for path in DBT_PROJECT.rglob("*")
    )


def _airflow(environment: Mapping[str, str], log: Path) -> None:
    _run([sys.executable, "-m", "airflow", "db", "migrate"], environment, log)
    if "," in environment["AIRFLOW__CORE__FERNET_KEY"]:
        # The first key is new: what the others have encrypted is encrypted anew.
        _run([sys.executable, "-m", "airflow", "rotate-fernet-key"], environment, log)
    # None needs another's work; each mostly waits for Airflow's imports.
    modules = (f"include.orchestration.{name}" for name in ("migrate", "apply_settings", "accounts.apply_roles"))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda module: _run([sys.executable, "-m", module], environment, log), modules))


def parse_dbt(environment: Mapping[str, str], log: Path) -> None:
    """Write dbt's manifest; the SNOWFLAKE_* variables must be set, to any value.

    Raises:
        StackError: the project has a mistake; the message carries the end of the log.
    """
    folders = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    _run([str(Path(sys.executable).parent / "dbt"), "parse", *folders], environment, log)


def _run(command: list[str], environment: Mapping[str, str], log: Path) -> None:
    with log.open("a") as output:
        run = subprocess.run(command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    if run.returncode:
        raise StackError(f"`{' '.join(command[1:])}` ended with {run.returncode}; {log_end(log)}")
