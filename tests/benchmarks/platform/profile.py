"""A flame graph of what costs most, where a target was missed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .figures import Result
from .stage import Stage

PY_SPY, SECONDS = "py-spy==0.4.3", 30
NOT_PYTHON = {"kafka", "postgres", "redis", "simulator"}


def attach(stage: Stage, result: Result, folder: Path) -> None:
    """Watch the costliest component of a result that missed a target, while the load goes on; adds a note to it."""
    ours = {info["name"]: info["pid"] for info in stage.stack.supervisor.states() if info["name"] not in NOT_PYTHON}
    if result.held or not (costs := {name: result.cpu[name] for name in ours if name in result.cpu}):
        return
    name = max(costs, key=costs.get)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"profile-{result.name}-{name}.svg"
    options = (
        "--subprocesses",
        "--nonblocking",
        "--duration",
        str(SECONDS),
        "--output",
        file,
        "--pid",
        str(ours[name]),
    )
    uv = Path(sys.executable).parent / "uv"
    run = subprocess.run([uv, "tool", "run", "--quiet", PY_SPY, "record", *options], capture_output=True, text=True)
    found = f"`{file.name}`, {SECONDS} s" if file.exists() else f"none: {run.stderr.strip()[-200:]}"
    result.notes.append(f"Profile of {name}, the costliest: {found}.")
