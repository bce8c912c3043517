"""Ground for a local stack of its own, beside whatever else runs on the machine."""

from __future__ import annotations

from pathlib import Path

from include.local_stack.ports import Ports, variable
from tests.conftest import JARS, free_port


def ground(state: Path) -> dict[str, str]:
    """Make the state folder, with Kafka's jars when they are there; returns the variables that put a stack on it."""
    (state / "kafka").mkdir(parents=True)
    state.chmod(0o755)  # PostgreSQL's user must enter
    if JARS.exists():
        (state / "kafka" / "libs").symlink_to(JARS)
    ports = {variable(name): str(free_port()) for name in vars(Ports())}
    return {"STACK_STATE": str(state), "POLYGON_API_KEY": "", **ports}
