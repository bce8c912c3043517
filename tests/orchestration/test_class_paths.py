"""An airflow.env that names a class where it no longer stands is refused by every component, in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT
from tests.project.files import dotenv

OLD = {
    "AIRFLOW__CORE__EXECUTOR": "include.orchestration.paced_executor.PacedCeleryExecutor",
    "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "include.orchestration.celery_warmup.CELERY_CONFIG",
    "AIRFLOW__SDK__COORDINATORS": '{"lane": {"classpath": "include.orchestration.fast_lane.InProcessCoordinator"}}',
}
SCHEDULER = "from airflow.executors.executor_loader import ExecutorLoader; ExecutorLoader.get_default_executor()"
WORKER = "import airflow.providers.celery.executors.celery_executor_utils as utils; utils.celery_configuration"
# What a component imports of ours first: the initialisation, before which no other starts, the scheduler by its
# executor, a worker by Celery's settings, the others by a DAG file or a plugin.
COMPONENTS = {
    "initialisation": (["-m", "include.orchestration.apply_settings"], set(OLD)),
    "scheduler": (["-c", SCHEDULER], {"AIRFLOW__CORE__EXECUTOR"}),
    "worker": (["-c", WORKER], {"AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS"}),
    "plugin": (["-c", "import plugins.market_sessions"], set(OLD)),
}


@pytest.mark.parametrize(
    ("component", "variable"), [(name, variable) for name, (_, read) in COMPONENTS.items() for variable in sorted(read)]
)
def test_an_old_class_path_is_refused_with_the_new_one_and_the_file(component, variable, tmp_path):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *COMPONENTS[component][0]],
        env=environment | {variable: OLD[variable]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    module = OLD[variable].partition("include.orchestration.")[2].partition(".")[0]
    assert last.startswith("include.surveillance.errors.ConfigurationError: ")
    assert f"include.orchestration.{module}, " in last
    assert f"include.orchestration.runtime.{module}: " in last
    assert variable in last
    assert "airflow.env" in last


def test_the_example_is_accepted():
    environment = os.environ | dotenv(ROOT / "airflow.env.example")
    command = [sys.executable, "-c", "import include.orchestration"]
    assert subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode == 0
