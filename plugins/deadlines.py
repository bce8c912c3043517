"""Mends what Airflow does with the deadlines of cleared and of paused runs."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.runtime.deadlines import patch_deadlines


class Deadlines(AirflowPlugin):
    name = "deadlines"

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        patch_deadlines()
