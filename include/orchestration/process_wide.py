"""What a process needs once, however many threads ask for it in the same moment: clients, patches, handlers."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import update_wrapper
from threading import Lock
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OncePerProcess(Generic[P, T]):
    """A function whose result is kept for the process: one thread makes it while the others wait for it.

    ``functools.lru_cache`` would let all threads that come before the first is done make one each. Other arguments
    take the place of those before. What fails is tried again by the next; a fork makes its own, because neither
    threads nor connections live on in it.
    """

    def __init__(self, make: Callable[P, T]):
        self._make = make
        self._kept: tuple[object, T] | None = None
        update_wrapper(self, make, updated=())
        self.cache_clear()
        os.register_at_fork(after_in_child=self.cache_clear)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        asked, kept = (args, kwargs), self._kept
        if kept is None or kept[0] != asked:
            with self._making:
                kept = self._kept
                if kept is None or kept[0] != asked:
                    kept = self._kept = asked, self._make(*args, **kwargs)
        return kept[1]

    def cache_clear(self) -> None:
        """Forget what was made."""
        self._making, self._kept = Lock(), None


def once_per_process(make: Callable[P, T]) -> OncePerProcess[P, T]:
    """Decorate a function whose result is to be one per process."""
    return OncePerProcess(make)
