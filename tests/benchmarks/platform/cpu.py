"""The processor time and memory of each component of a running stack, with its whole tree of processes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING

import psutil

from tests.soak import usage

if TYPE_CHECKING:
    from include.local_stack.stack import Stack

CORES = psutil.cpu_count() or 1


def measure_tree(pid: int) -> float:
    """Return the CPU seconds of a process and all below it, with those that have ended and been waited for."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def measure_components(stack: Stack) -> dict[str, float]:
    """Return component -> CPU seconds since it was started."""
    return {info["name"]: measure_tree(info["pid"]) for info in stack.supervisor.states() if info["pid"]}


@dataclass
class Meter:
    """Measures from ``start`` to ``stop``.

    Attributes:
        seconds: measured time.
        spent: component -> CPU seconds in it.
        machine: CPU seconds of everything on the machine, the harness too.
        memory: component -> MB at each sample, when ``every`` is given.
    """

    stack: Stack
    every: float | None = None
    seconds: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    machine: float = 0.0
    memory: dict[str, list[float]] = field(default_factory=dict)

    def start(self) -> Meter:
        self._over, self._begun = Event(), time.monotonic()
        self._before, self._busy = measure_components(self.stack), _busy()
        if self.every:
            Thread(target=self._sample, daemon=True).start()
        return self

    def stop(self) -> Meter:
        self._over.set()
        self.seconds, self.machine = time.monotonic() - self._begun, _busy() - self._busy
        now = measure_components(self.stack)
        # A component that was started again in between counts from zero.
        self.spent = {name: max(0.0, spent - self._before.get(name, 0.0)) for name, spent in now.items()}
        return self

    def share(self, *names: str) -> float:
        """Return the share of all cores, 0-1; of every component but the simulated vendor when none is named."""
        wanted = names or [name for name in self.spent if name != "simulator"]
        return sum(self.spent.get(name, 0.0) for name in wanted) / (self.seconds * CORES)

    def shares(self) -> dict[str, float]:
        """Component -> share of all cores, and ``everything on the machine``."""
        shares = {name: self.share(name) for name in self.spent}
        return shares | {"everything on the machine": self.machine / (self.seconds * CORES)}

    def _sample(self) -> None:
        while not self._over.wait(self.every):
            for info in self.stack.supervisor.states():
                with suppress(psutil.Error):
                    self.memory.setdefault(info["name"], []).append(usage.measure_tree(info["pid"]).memory)


def _busy() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
