"""dbt's graph as Airflow tasks, one per dbt node and one for its data tests, and the task of its documentation site.

The task ``dbt_producer_watcher`` runs one ``dbt build`` for all of them; every other task then reports the outcome of
its own node. That costs one start of dbt a run instead of one per node.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule  # before cosmos, which imported first leaves Airflow half imported
from cosmos import (
    DbtTaskGroup,
    ExecutionConfig,
    ExecutionMode,
    InvocationMode,
    LoadMode,
    ProfileConfig,
    ProjectConfig,
    RenderConfig,
    TestBehavior,
)
from cosmos.constants import PRODUCER_WATCHER_TASK_ID
from cosmos.operators._watcher.base import BaseConsumerSensor
from cosmos.operators.local import DbtDocsLocalOperator
from cosmos.operators.watcher import DbtProducerWatcherOperator
from cosmos.profiles import BaseProfileMapping, get_automatic_profile_mapping
from cosmos.profiles.snowflake.base import SnowflakeBaseProfileMapping

from include.orchestration.callbacks import report_task_failure
from include.orchestration.dag_defaults import Pool
from include.orchestration.marts.runs import choose_rows
from include.orchestration.queues import Queue
from include.orchestration.timetables import load_sessions
from include.surveillance.errors import SurveillanceError
from include.surveillance.settings import Settings
from include.surveillance.timespans import now_ms

if TYPE_CHECKING:
    from include.surveillance.sessions import Sessions

LOG = logging.getLogger(__name__)
PROJECT = Path(__file__).resolve().parents[3] / "dbt_project"
MANIFEST = PROJECT / "target" / "manifest.json"
BUILD_TIMEOUT = timedelta(minutes=25)
KILL_SECONDS = 20.0
# A year and more: so long the marts may stand still without losing a session.
CALENDAR_SESSIONS = 300
# What dbt calls nodes that failed by themselves, not because of another.
FAILED = ("error", "fail", "runtime error")


class ConnectionProfile(SnowflakeBaseProfileMapping):  # type: ignore[misc]  # Cosmos ships no types
    """Chooses Cosmos's mapping for what the connection holds, a password or a key pair, when a task runs.

    Drawing the graph asks for no connection.
    """

    airflow_connection_type = dbt_profile_type = "snowflake"

    @cached_property
    def _mapping(self) -> BaseProfileMapping:
        return get_automatic_profile_mapping(self.conn_id, self.profile_args)

    @property
    def profile(self) -> dict[str, Any]:
        return dict(self._mapping.profile)

    @property
    def env_vars(self) -> dict[str, str]:
        return dict(self._mapping.env_vars)


PROFILE = ProfileConfig(
    profile_name="market",
    target_name="snowflake",
    profile_mapping=ConnectionProfile(
        conn_id="snowflake_default", profile_args={"schema": "ANALYTICS", "query_tag": "build_marts"}
    ),
)


class DbtBuild(DbtProducerWatcherOperator):  # type: ignore[misc]  # Cosmos ships no types
    """Runs the one ``dbt build``, on every try: all that it does can be done again. dbt is told of the calendar."""

    env: dict[str, str] | None

    def execute(self, context: dict[str, Any], **kwargs: Any) -> Any:
        settings = Settings.from_env()
        sessions = load_sessions(settings.market_calendar, settings.market_shift_ms)
        self.env = {**(self.env or {}), "MARKET_SESSIONS": describe_sessions(sessions, now_ms())}
        # Cosmos skips every other try, for its other tasks have already begun: ours wait for the last one to end.
        first = context["ti"].model_copy(update={"try_number": 1})
        return super().execute(context={**context, "ti": first}, **kwargs)

    def on_kill(self) -> None:
        """Interrupt dbt, which cancels its statements; one that hangs is killed."""
        process = self.subprocess_hook.sub_process
        if process is None:
            return
        with suppress(ProcessLookupError):
            super().on_kill()
            try:
                process.wait(KILL_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def describe_sessions(sessions: Sessions, at_ms: int) -> str:
    """Write the latest sessions that have opened by a time (UTC epoch ms) as JSON, for the macro ``market_calendar``.

    An environment variable takes 128 KiB; this is a third of that.
    """
    return json.dumps([asdict(session) for session in sessions.recent(CALENDAR_SESSIONS, at_ms)])


def dbt_task_group() -> DbtTaskGroup:
    """Make a task group of the whole dbt project; call it inside a DAG.

    Cosmos copies the project to a temporary folder for each run, so dbt writes nothing into the project's own.

    Raises:
        CosmosValueError: the manifest is missing; ``dbt parse`` makes it.
    """
    group = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(
            dbt_project_path=PROJECT,
            manifest_path=MANIFEST,
            install_dbt_deps=False,
            # unit tests prove the code, not the data: they belong to CI
            env_vars={"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"},
        ),
        profile_config=PROFILE,
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.AFTER_EACH,
            emit_datasets=False,
            exclude=["resource_type:exposure"],
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            # Inside the task each of dbt's thousands of debug events would become JSON and every step of a node an
            # XCom: a build took twice as long.
            invocation_mode=InvocationMode.SUBPROCESS,
            dbt_executable_path=Path(__file__).with_name("dbt"),
            setup_operator_args={
                "callback": [publish_files, raise_failed_nodes],
                "callback_args": {"names": ["run_results.json"]},
                # Only this task speaks to the warehouse. Cosmos would take the default queue, whatever the DAG's.
                "pool": Pool.WAREHOUSE,
                "queue": Queue.WAREHOUSE,
                "pre_execute": choose_rows,
                "execution_timeout": BUILD_TIMEOUT,
                "on_failure_callback": report_task_failure,
            },
        ),
        operator_args={
            "append_env": True,
            "retries": 1,
            # To learn the outcome takes milliseconds.
            "queue": Queue.SHORT,
            "execution_timeout": None,
            "on_failure_callback": report_unless_dbt_failed,
        },
    )
    _release_all_at_once(group)
    return group


def dbt_docs(task_id: str, **arguments: Any) -> DbtDocsLocalOperator:
    """Make a task that writes dbt's documentation site to the folder named by DBT_DOCS_DIR, or nowhere without one."""
    return DbtDocsLocalOperator(
        task_id=task_id,
        project_dir=PROJECT,
        profile_config=PROFILE,
        invocation_mode=InvocationMode.DBT_RUNNER,
        install_deps=False,
        append_env=True,
        callback=publish_files,
        callback_args={"names": ["index.html", "manifest.json", "catalog.json"]},
        **arguments,
    )


def _release_all_at_once(group: DbtTaskGroup) -> None:
    """Let every task report its node's outcome as soon as dbt, which has kept the order, is done.

    Each layer of the graph that waited for the one before would cost a loop of the scheduler, and tasks that wait
    while dbt runs take the processor from it. The edges between the nodes are for the eye.
    """
    producer = group.children[f"{group.group_id}.{PRODUCER_WATCHER_TASK_ID}"]
    producer.__class__ = DbtBuild  # Cosmos takes its own for granted
    for task in group.iter_tasks():
        if isinstance(task, BaseConsumerSensor):
            task.trigger_rule = TriggerRule.ONE_DONE if task.upstream_task_ids else TriggerRule.ALL_DONE
            # At the first look Cosmos would run a node on its own for which a failed dbt left no outcome.
            task.poke_retry_number = 1
            # And on every other try: a lost or cleared task reports what dbt has left, and starts no dbt of its own.
            task._handle_retry = _look_again
            producer >> task


def _look_again(*_: Any) -> None:
    """Have a task read its node's outcome, whichever try it is."""


def publish_files(project: str, names: Iterable[str], **_: Any) -> None:
    """Copy files out of dbt's target folder to the one named by DBT_DOCS_DIR, or nowhere when that is not set.

    Each file appears whole or not at all; one that dbt died too early to write is left as it was.
    """
    if not (folder := os.environ.get("DBT_DOCS_DIR")):
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        if (written := Path(project, "target", name)).exists():
            unfinished = Path(folder, f".{name}")
            shutil.copyfile(written, unfinished)
            unfinished.replace(Path(folder, name))


def raise_failed_nodes(project: str, **_: Any) -> None:
    """Fail with the names of the nodes that failed, where dbt lived to write its results.

    Raises:
        SurveillanceError: at least one node failed.
    """
    if not (written := Path(project, "target", "run_results.json")).exists():
        return
    results = json.loads(written.read_text())["results"]
    failed = [f"{result['unique_id']} ({result['status']})" for result in results if result["status"] in FAILED]
    if failed:
        raise SurveillanceError(f"dbt found wrong: {', '.join(failed)}")


def report_unless_dbt_failed(context: dict[str, Any]) -> None:
    """Notify of a failed task, but not of each node of a failed build, which the task that runs dbt has reported."""
    ti, producer = context["ti"], context["task"].producer_task_id
    try:
        state = ti.get_task_states(ti.dag_id, task_ids=[producer], run_ids=[ti.run_id])[ti.run_id][producer]
    except Exception:
        LOG.exception("the state of %s is unknown", producer)
        state = None
    if state != "failed":
        report_task_failure(context)
