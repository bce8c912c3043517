"""Says what this machine lacks for the platform: memory, processors, free disk.

As a command it prints a line for each and goes on: ``python -m include.machine``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import typer

GIB = 1024**3
# What 24 symbols take, and room for the system beside it (make rehearse).
MEMORY_BYTES, PROCESSORS, DISK_BYTES = 5.5 * GIB, 2, 10 * GIB


def list_shortages(folder: Path) -> list[str]:
    """Return a line for each thing of which there is less than the platform asks for; free disk is ``folder``'s."""
    memory, processors, disk = psutil.virtual_memory().total, os.cpu_count() or 1, shutil.disk_usage(folder).free
    return [
        f"{what}: {has}, of which the platform asks for {wants}; {cure}"
        for what, enough, has, wants, cure in (
            ("memory", memory >= MEMORY_BYTES, _gib(memory), "6 GB", "components may be killed while they work"),
            ("processors", processors >= PROCESSORS, str(processors), str(PROCESSORS), "alerts may be late"),
            ("free disk", disk >= DISK_BYTES, _gib(disk), _gib(DISK_BYTES), "Kafka and PostgreSQL stop on a full disk"),
        )
        if not enough
    ]


def _gib(amount: float) -> str:
    return f"{amount / GIB:.1f} GB"


if __name__ == "__main__":
    for shortage in list_shortages(Path.cwd()):
        typer.echo(f"WARNING: too little {shortage}")
