"""dbt's documentation site, copied to the folder that a web server shows."""

from __future__ import annotations

from typing import Any

# Before Cosmos itself: it must be imported after Airflow and with its telemetry off.
from include.orchestration.marts.render import PROFILE, PROJECT, publish_files

from cosmos import InvocationMode  # isort: skip
from cosmos.operators.local import DbtDocsLocalOperator  # isort: skip

FILES = ["index.html", "manifest.json", "catalog.json"]


def dbt_docs(task_id: str, **arguments: Any) -> DbtDocsLocalOperator:
    """Make a task that writes the site to the folder named by DBT_DOCS_DIR, or nowhere when that is not set."""
    return DbtDocsLocalOperator(
        task_id=task_id,
        project_dir=PROJECT,
        profile_config=PROFILE,
        invocation_mode=InvocationMode.DBT_RUNNER,
        install_deps=False,
        append_env=True,
        callback=publish_files,
        callback_args={"names": FILES},
        **arguments,
    )
