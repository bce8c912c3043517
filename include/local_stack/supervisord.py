"""supervisord as it is, but that each line of a component's log begins with a time, and that memory has a limit."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime

import psutil
from supervisor import dispatchers, supervisord

# As Airflow, Kafka and PostgreSQL begin their lines, also within brackets.
TIMED = re.compile(rb"\W?\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
# What is still no line then is written as one.
LONGEST_LINE = 64 * 1024
# Of each component with all its processes, in MiB; unless it is set, half of what the machine has.
MEMORY_LIMIT = "COMPONENT_MEBIBYTES"
LOOK_SECONDS = 10.0


class TimedOutput(dispatchers.POutputDispatcher):
    """Writes a component's output by whole lines; one without a time of its own gets that of its arrival."""

    _begun = b""

    def _log(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > LONGEST_LINE:
            lines, self._begun = [*lines, self._begun], b""
        super()._log(b"".join(self._time(line) for line in lines))

    def close(self) -> None:
        """Write what the component left unfinished, too."""
        if self._begun and not self.closed:
            self._log(b"\n")
        super().close()

    def _time(self, line: bytes) -> bytes:
        now = b"" if TIMED.match(line) else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} ".encode()
        return (now + line).rstrip() + b"\n"


class MemoryLimited(supervisord.Supervisor):
    """Ends a component that takes more memory than it may, which is then started anew, before the kernel chooses."""

    _due = 0.0

    def tick(self, now: float | None = None) -> None:
        super().tick(now)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LOOK_SECONDS
            self._end_the_large()

    def _end_the_large(self) -> None:
        limit = int(os.environ.get(MEMORY_LIMIT) or 0) * 2**20 or psutil.virtual_memory().total // 2
        children = _children()
        for group in self.process_groups.values():
            for component in group.processes.values():
                tree = _tree(component.pid, children)
                if (taken := _measure(tree, limit)) > limit:
                    self.options.logger.critical(
                        "%(name)s takes %(taken)d MiB (allowed %(limit)d) and is ended; %(setting)s sets the limit",
                        name=component.config.name,
                        taken=taken // 2**20,
                        limit=limit // 2**20,
                        setting=MEMORY_LIMIT,
                    )
                    for process in tree:
                        with suppress(psutil.Error):
                            process.send_signal(signal.SIGKILL)


def _children() -> dict[int, list[psutil.Process]]:
    children = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process)
    return children


def _tree(pid: int, children: dict[int, list[psutil.Process]]) -> list[psutil.Process]:
    """List a process and all that came of it, the parent first."""
    if not pid:
        return []
    with suppress(psutil.Error):
        tree = [psutil.Process(pid)]
        for process in tree:
            tree += children.get(process.pid, [])
        return tree
    return []


def _measure(tree: list[psutil.Process], limit: int) -> int:
    """Add up the bytes of a tree; what processes share is counted once, but only where it makes a difference."""
    resident = shared_once = 0
    for process in tree:
        with suppress(psutil.Error):
            resident += process.memory_info().rss
    if resident <= limit:
        return resident
    for process in tree:
        with suppress(psutil.Error):
            shared_once += process.memory_full_info().pss
    return shared_once


if __name__ == "__main__":
    dispatchers.POutputDispatcher = TimedOutput
    supervisord.Supervisor = MemoryLimited
    supervisord.main()
