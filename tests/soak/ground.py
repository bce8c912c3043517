"""The local stack in a folder of its own, on free ports, with every DAG of the demo running."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from include.local_stack.demo import Demo
from include.local_stack.stack import Stack, clean
from tests.ground import move_to


@contextmanager
def live_platform(console: Console, marts: bool) -> Iterator[Demo]:
    """The platform at the live minute of the generated market; its folder goes when the block ends without an error."""
    state = Path(tempfile.mkdtemp(prefix="soak-"))
    move_to(state)
    with Stack(console=console) as stack:
        demo = Demo(stack)
        demo.prepare()
        if not marts:
            demo.airflow.pause("gather_landings")
        yield demo
    clean(state)
