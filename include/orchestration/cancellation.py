"""Ends a task that shares its process with others from outside: it is told, since nobody may kill its thread."""

from __future__ import annotations

import time
from contextvars import ContextVar
from threading import Event


class Cancellation:
    """Whether one task is still wanted. Its threads look here before what others would see."""

    def __init__(self) -> None:
        self._event, self._why = Event(), BaseException()

    @property
    def is_set(self) -> bool:
        """Whether the task was cancelled."""
        return self._event.is_set()

    def set(self, why: BaseException) -> None:
        """Cancel the task: ``why`` is raised in it where it looks next; no Exception, which the task might handle."""
        self._why = why
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait so long, and raise why the task was cancelled as soon as it is."""
        if self._event.wait(max(0.0, seconds)):
            raise self._why


CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def check_wanted() -> None:
    """Raise why the task of this thread was cancelled, if it was; in a process of its own nothing can be."""
    if (current := CURRENT.get()) is not None:
        current.wait(0)


def sleep(seconds: float) -> None:
    """Sleep, and raise at once when the task of this thread is cancelled meanwhile."""
    if (current := CURRENT.get()) is not None:
        current.wait(seconds)
    else:
        time.sleep(max(0.0, seconds))
