"""The feature store's virtualenv, made once from its lock."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from include.deployment import FEATURES_DATABASE
from include.feature_store import REDIS
from include.local_stack.environment import ROOT
from include.local_stack.errors import StackError

LOCK = ROOT / "include" / "feature_store" / "requirements.lock"
MADE_OF = "made-of"


def ensure_virtualenv(folder: Path) -> Path:
    """Make the virtualenv in ``folder``, 0.6 GB, unless it is there as the lock has it; return its Python.

    Raises:
        StackError: a package cannot be installed; the message carries the end of what the installer said.
    """
    python, stamp = folder / "bin" / "python", folder / MADE_OF
    wanted = f"{sys.version} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    if not (stamp.exists() and stamp.read_text() == wanted):
        stamp.unlink(missing_ok=True)
        _run("venv", "--clear", "--python", sys.executable, str(folder))
        options = ("--compile-bytecode", "--require-hashes", "--python", str(python))
        _run("pip", "sync", *options, str(LOCK))
        stamp.write_text(wanted)
    return python


def show_features(environment: Mapping[str, str], redis: str, arguments: list[str]) -> int:
    """Run the feature store's ``show`` with the stack's environment; return its exit code.

    Args:
        redis: the address of the stack's Redis, redis://:password@host:port.

    Raises:
        StackError: the stack was never started with the feature store.
    """
    python = environment["FEATURES_PYTHON"]
    if not Path(python).exists():
        raise StackError("there is no feature store yet: start the stack with FEATURES=1, which makes it")
    command = [python, "-W", "ignore", "-m", "include.feature_store", "show", *arguments]
    return subprocess.run(command, env={**environment, REDIS: f"{redis}/{FEATURES_DATABASE}"}).returncode


def _run(*arguments: str) -> None:
    command = [str(Path(sys.executable).parent / "uv"), *arguments, "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        tail = " / ".join(run.stderr.strip().splitlines()[-3:])
        raise StackError(f"`uv {' '.join(arguments)}` ended with {run.returncode}: {tail}; correct it and start again")
