"""Lets people clear runs that are running or have failed."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.runtime.clearing import patch_clearing


class Clearing(AirflowPlugin):
    name = "clearing"

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        patch_clearing()
