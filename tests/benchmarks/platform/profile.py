"""The profile of the costliest components of a result that missed a target: which functions take the time."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise, zip_longest
from pathlib import Path

from tests.benchmarks.platform.figures import Result
from tests.benchmarks.platform.stage import Stage

# A whole minute of live polls. Threads that wait are not counted.
PY_SPY, SECONDS = "py-spy==0.4.3", 60
COMPONENTS, ROWS = 2, 10
NOT_PYTHON = {"kafka", "postgres", "redis", "simulator"}
PROCESSES = re.compile(r'^process \d+:".*";')
Stacks = Counter[tuple[str, ...]]


def attach(stage: Stage, result: Result, folder: Path, load: Callable[[], object]) -> None:
    """Watch the costliest components of a result that missed a target while ``load`` runs; add the profiles to it."""
    ours = {info["name"]: info["pid"] for info in stage.stack.supervisor.states() if info["name"] not in NOT_PYTHON}
    if result.held or not (costs := {name: result.cpu[name] for name in ours if name in result.cpu}):
        return
    folder.mkdir(parents=True, exist_ok=True)
    uv, profilers = Path(sys.executable).parent / "uv", {}
    for name in sorted(costs, key=costs.get, reverse=True)[:COMPONENTS]:
        file = folder / f"profile-{result.name}-{name}.txt"
        file.unlink(missing_ok=True)
        command = [
            *(uv, "tool", "run", "--quiet", PY_SPY, "record", "--subprocesses", "--nonblocking", "--nolineno"),
            *("--format", "raw", "--duration", str(SECONDS), "--output", file, "--pid", str(ours[name])),
        ]
        profilers[name] = file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        load()
    finally:
        said = {name: process.communicate()[0] for name, (_, process) in profilers.items()}
    for name, (file, _) in profilers.items():
        if not file.exists():
            result.notes.append(f"No profile of {name}: {' '.join(said[name].split())[:200]}")
            continue
        stacks = read(file.read_text())
        file.write_text("".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items())))
        result.tables[f"Where {name} spends its time, {SECONDS} s, collapsed stacks in `{file.name}`"] = leading(stacks)


def read(text: str) -> Stacks:
    """Samples per stack, outermost function first; the same stack of several processes is one."""
    stacks = Stacks()
    for line in text.splitlines():
        stack, _, count = PROCESSES.sub("", line).rpartition(" ")
        if stack and count.isdigit():
            stacks[tuple(stack.split(";"))] += int(count)
    return stacks


def leading(stacks: Stacks) -> list[tuple[str, ...]]:
    """Rows of the functions that take most: alone, and with what they call."""
    alone, together, calls = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for stack, count in stacks.items():
        alone[stack[-1]] += count
        together.update(dict.fromkeys(stack, count))
        calls.update(dict.fromkeys(pairwise(stack), count))
    # What only passes on to one other function says nothing that this one does not.
    for caller in {a for (a, b), count in calls.items() if a != b and count > 0.9 * together[a]}:
        del together[caller]
    whole = stacks.total()
    columns = (
        [(f"`{name}`", f"{100 * count / whole:.0f}") for name, count in counts.most_common(ROWS) if count]
        for counts in (alone, together)
    )
    rows = [(*one, *two) for one, two in zip_longest(*columns, fillvalue=("", ""))]
    return [("function alone", "%", "with what it calls", "%"), *rows]
