"""Secrets of a stack that its logs must not hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SHORTEST = 12  # characters: a shorter value may stand in a log by accident


def leaked_credentials(folder: Path, credentials: Mapping[str, str]) -> list[str]:
    """Name each credential in each file below ``folder``, as ``file: NAME``, never with its value."""
    secrets = {name: value.encode() for name, value in credentials.items() if len(value) >= SHORTEST}
    leaks = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        leaks += [f"{file.relative_to(folder)}: {name}" for name, value in secrets.items() if value in content]
    return leaks
