"""The memory, descriptors and threads of processes, and the size of folders."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MB = 1024 * 1024


@dataclass
class Usage:
    """What a process and all below it use. Memory is MB, proportional: a page shared by n counts an nth in each."""

    memory: float = 0.0
    descriptors: int = 0
    threads: int = 0
    processes: int = 0


def measure_tree(pid: int) -> Usage:
    """Measure a process and all below it, which come and go.

    Raises:
        psutil.NoSuchProcess: the process is gone.
    """
    root, total = psutil.Process(pid), Usage()
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess), process.oneshot():
            memory, descriptors, threads = process.memory_full_info().pss, process.num_fds(), process.num_threads()
            total.memory += memory / MB
            total.descriptors += descriptors
            total.threads += threads
            total.processes += 1
    return total


def measure_folder(folder: Path) -> float:
    """MB of the files in a folder; files that vanish meanwhile count or do not."""
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(inside, name).lstat().st_size
    return total / MB
