"""``cosmos``: the dbt project as Airflow tasks against one plain ``dbt build``, both warm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median

from include.local_stack.initialisation import DBT_PROJECT
from include.surveillance.errors import SurveillanceError
from tests.benchmarks.platform.cpu import Meter
from tests.benchmarks.platform.figures import Figure, Result, ratio
from tests.benchmarks.platform.stage import Stage

TIMES = 2


def cosmos(stage: Stage) -> Result:
    """Run each once to warm up, then in turns."""
    for dag_id in ("ingest_market_data", "land_raw"):
        stage.airflow.pause(dag_id)
    tasks, whole, plain = [], [], []
    for number in range(TIMES + 1):
        meter = Meter(stage.stack).start()
        group_s, run_s = graph(stage)
        meter.stop()
        seconds = _plain(stage)
        stage.say(f"build {number}: graph {group_s:.1f} s, run {run_s:.1f} s, dbt build {seconds:.1f} s")
        if number:
            tasks.append(group_s)
            whole.append(run_s)
            plain.append(seconds)
    return Result(
        "cosmos",
        f"DAG build_marts against `dbt build` of the same nodes, same warehouse, in turns, warm, medians of {TIMES}.",
        [
            Figure("task graph over plain dbt build", ratio(median(tasks), median(plain)), "x", most=1.5),
            Figure("task graph: start of the run to the end of its last dbt task", median(tasks), "s"),
            Figure("whole run, with the documentation site", median(whole), "s"),
            Figure("plain dbt build", median(plain), "s"),
        ],
        cpu=meter.shares(),
        notes=["The costs are those of the last run of the DAG."],
    )


def graph(stage: Stage) -> tuple[float, float]:
    """Seconds of one run of the DAG: to the end of its last dbt task, and whole."""
    stage.airflow.unpause("build_marts")
    run = stage.airflow.run("build_marts", 600)
    # What its schedule has begun meanwhile must not run beside dbt.
    stage.airflow.pause("build_marts")
    stage.until(lambda: not stage.airflow.runs("build_marts", state="running"), 300, "build_marts rests")
    begun, ended = _seconds(run["start_date"]), _seconds(run["end_date"])
    tasks = stage.airflow.tasks("build_marts", run["dag_run_id"])
    last = max(_seconds(task["end_date"]) for task in tasks if task["task_id"].startswith("dbt.") and task["end_date"])
    return last - begun, ended - begun


def _plain(stage: Stage) -> float:
    """Seconds of one dbt process, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
        command = [
            *(str(Path(sys.executable).parent / "dbt"), "build", "--exclude-resource-type", "unit_test"),
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--target-path", folder, "--log-path", folder),
        ]
        for warm in (False, True):  # the first parses the project; a later one reads what it wrote
            begun = time.monotonic()
            run = subprocess.run(
                command if warm else [command[0], "parse", *command[4:]],
                env=os.environ | stage.environment,
                capture_output=True,
                text=True,
            )
            if run.returncode:
                raise SurveillanceError(f"{' '.join(command)} ended with {run.returncode}: {run.stdout[-2000:]}")
        return time.monotonic() - begun


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
