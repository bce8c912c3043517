"""The error of the local stack; each message says in one line what to do."""

from pathlib import Path

from include.surveillance.errors import SurveillanceError


class StackError(SurveillanceError):
    """The local stack cannot start or go on."""


def log_end(log: Path) -> str:
    """Return a log's last 15 lines under its name, for a message."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ["(no log)"]
    return "\n".join([f"the end of {log}:", *lines[-15:]])
