"""Copies the stack's data into a folder and restores it into an empty state folder; the secrets go a way of their own.

What is copied and how, is ``include.orchestration.backup``'s; here services are started for it where none run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from include.local_stack import market
from include.local_stack.credentials import write_secret
from include.local_stack.environment import ROOT
from include.local_stack.errors import StackError
from include.local_stack.stack import SECRETS, Stack

MODULE = "include.orchestration.backup"


def back_up(stack: Stack, to: Path, secrets: Path | None) -> None:
    """Copy the data of a stack, running or not, into a new folder; its secrets into a file, if one is named.

    Raises:
        StackError: the stack has no data yet, or the copy failed; its output has said why.
    """
    if market.Market.stored(stack.state) is None:
        raise StackError(f"{stack.state} holds no data yet; `make up` or `make demo` starts the stack")
    if secrets is not None:
        if secrets.exists():
            raise StackError(f"{secrets} is there already; name another file for the secrets")
        secrets.parent.mkdir(parents=True, exist_ok=True)
        write_secret(secrets, (stack.state / SECRETS).read_text())
    with nullcontext() if stack.supervisor.is_running() else stack.services():
        _run(stack, "make", str(to))
    shutil.copyfile(stack.state / market.FILE, to / market.FILE)
    stack.console.print(
        f"secrets: {secrets}" if secrets else "the secrets are not in it: SECRETS=file copies them, for another disk"
    )


def restore(open_stack: Callable[[], Stack], state: Path, folder: Path, secrets: Path | None, *options: str) -> None:
    """Restore a copy into a state folder without data, and leave the stack stopped.

    Args:
        open_stack: makes the stack of the state folder, when that has secrets and market of the copy.
        options: of ``restore`` in include/orchestration/backup.

    Raises:
        StackError: the state folder has other secrets than the copy, or none; or the copy cannot be restored.
    """
    _place(secrets, state / SECRETS, "SECRETS=file names what `make backup SECRETS=file` has written")
    if (folder / market.FILE).exists():
        _place(folder / market.FILE, state / market.FILE, "")
    stack = open_stack()
    _run(stack, "check", str(folder))
    with stack.services():
        _run(stack, "restore", str(folder), *options)
        stack.initialise()
    stack.console.print("restored, and stopped: `make up` goes on where the copy was, with the DAGs as they were")


def _place(copy: Path | None, file: Path, hint: str) -> None:
    """Put a file of a copy into the state folder, unless the same is there."""
    if copy is None and not file.exists():
        raise StackError(
            f"{file} does not exist: without the secrets of the copy nothing encrypted can be read; {hint}"
        )
    if copy is None:
        return
    if not copy.is_file():
        raise StackError(f"{copy} does not exist; {hint}")
    if file.exists() and file.read_text() != copy.read_text():
        raise StackError(
            f"{file} is another one than {copy}: restore into an empty state folder, after `make clean` or with "
            "STACK_STATE"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_secret(file, copy.read_text())


def _run(stack: Stack, *arguments: str) -> None:
    command = [sys.executable, "-m", MODULE, *arguments]
    if subprocess.run(command, env=stack.environment, cwd=ROOT, check=False).returncode:
        raise StackError(f"{arguments[0]} of {arguments[1]} failed; the lines above say why")
