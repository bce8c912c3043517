"""A log that is being written is read from the shared folder, and nobody is asked to serve it."""

import inspect
from types import SimpleNamespace

from airflow._shared.module_loading import import_string
from airflow.utils.log.file_task_handler import FileTaskHandler

from include.orchestration.runtime.component_log import LOGGING_CONFIG


def test_nobody_is_asked_for_the_log_of_a_deferred_task(tmp_path):
    """When this fails: see how Airflow's handler reads the log of a task that has not ended."""
    assert "self._read_from_logs_server(ti, worker_log_rel_path)" in inspect.getsource(FileTaskHandler)
    handler = import_string(LOGGING_CONFIG["handlers"]["task"]["class"])(str(tmp_path))
    assert isinstance(handler, FileTaskHandler)
    waiting = SimpleNamespace(hostname="nowhere.invalid", triggerer_job=object(), state="deferred")
    assert handler._read_from_logs_server(waiting, "attempt=1.log") == ([], [])
