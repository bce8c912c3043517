"""A task's own log in a process of many tasks: what its thread logs or prints stands there.

The worker's log has what is amiss, too, and the lines that operators follow; of hundreds of tasks a minute not more.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOBase
from typing import Any, TextIO

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict

from include.orchestration.process_wide import once_per_process

# Of a record's ``extra``: a line that its worker's log has, too.
FOR_OPERATORS = "for_operators"
_LOG: ContextVar[Any] = ContextVar("task_log", default=None)


@contextmanager
def write_to(log: Any, what: Any) -> Iterator[None]:
    """Let what this thread logs or prints meanwhile stand in the log of task instance ``what``."""
    _attach()
    about = {"dag_id": what.dag_id, "run_id": what.run_id, "task_id": what.task_id, "map_index": what.map_index}
    before = _LOG.set(log)
    try:
        with bound_contextvars(ti_id=str(what.id), try_number=what.try_number, **about):
            yield
    finally:
        _LOG.reset(before)


def fold_errors(log: Any) -> Any:
    """Return the log with errors under the name by which Airflow's page shows them as folded tracebacks.

    What a task in a process of its own writes, Airflow's supervisor renames; here nobody stands between.
    """
    bound = log.bind()
    *prepare, write = bound._processors
    return structlog.wrap_logger(
        bound._logger, processors=[*prepare, _rename_error, write], wrapper_class=type(bound)
    ).bind(**bound._context)


def _rename_error(_: Any, __: str, event: EventDict) -> EventDict:
    if error := event.pop("exception", None):
        event["error_detail"] = error
    return event


@once_per_process
def _attach() -> None:
    """With the first task: when it starts, Celery replaces what others have put there, and takes its own level."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_for_the_worker)
    logging.getLogger().addHandler(_Handler(logging.INFO))
    logging.getLogger("include").setLevel(logging.INFO)
    sys.stdout = _Lines(sys.stdout)


def _is_for_the_worker(record: logging.LogRecord) -> bool:
    """Whether the worker's own log has the record, too: what no task says, what is amiss, and what operators follow."""
    return _LOG.get() is None or record.levelno >= logging.WARNING or hasattr(record, FOR_OPERATORS)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if (log := _LOG.get()) is not None:
            log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


class _Lines(TextIOBase):
    """Standard output: a task's lines go to its log, all others where they went before."""

    def __init__(self, before: TextIO):
        self._before = before

    def write(self, text: str) -> int:
        if (log := _LOG.get()) is None:
            return self._before.write(text)
        if line := text.rstrip():
            log.info(line, logger="task.stdout")
        return len(text)

    def flush(self) -> None:
        self._before.flush()
