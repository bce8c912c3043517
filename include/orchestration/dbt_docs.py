"""dbt's documentation site, copied to the folder that a web server shows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

# Before Cosmos itself: it must be imported after Airflow and with its telemetry off.
from include.orchestration.dbt_render import PROJECT

from cosmos import InvocationMode, ProfileConfig  # isort: skip
from cosmos.operators.local import DbtDocsLocalOperator  # isort: skip
from cosmos.profiles import SnowflakeUserPasswordProfileMapping  # isort: skip

FILES = ("index.html", "manifest.json", "catalog.json")


def dbt_docs(task_id: str, **arguments: Any) -> DbtDocsLocalOperator:
    """A task that writes the site to the folder named by DBT_DOCS_DIR, or nowhere when that is not set."""
    mapping = SnowflakeUserPasswordProfileMapping(conn_id="snowflake_default", profile_args={"schema": "ANALYTICS"})
    return DbtDocsLocalOperator(
        task_id=task_id,
        project_dir=PROJECT,
        profile_config=ProfileConfig(profile_name="market", target_name="snowflake", profile_mapping=mapping),
        invocation_mode=InvocationMode.DBT_RUNNER,
        install_deps=False,
        append_env=True,
        callback=publish,
        **arguments,
    )


def publish(project: str, **_: Any) -> None:
    """Copy the site out of dbt's target folder; each file appears whole or not at all."""
    if not (folder := os.environ.get("DBT_DOCS_DIR")):
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in FILES:
        unfinished = Path(folder, f".{name}")
        shutil.copyfile(Path(project, "target", name), unfinished)
        unfinished.replace(Path(folder, name))
