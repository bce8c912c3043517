"""Reads the tasks' logs from the folder that all components share."""

from __future__ import annotations

from typing import Any

from airflow.utils.log.file_task_handler import FileTaskHandler


class SharedTaskLogs(FileTaskHandler):
    """Asks no worker and no triggerer for the log of a task that runs or waits: none serves it."""

    def _read_from_logs_server(self, ti: Any, worker_log_rel_path: str) -> Any:
        return [], []
