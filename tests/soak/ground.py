"""The local stack in a folder of its own, on free ports, with every DAG of the demo running."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from include.local_stack.demo import Demo
from include.local_stack.stack import Stack, clean
from tests.ground import ground


@contextmanager
def running(console: Console, marts: bool) -> Iterator[Demo]:
    """The platform at the live minute of the generated market; its folder goes when the block ends without an error."""
    state = Path(tempfile.mkdtemp(prefix="soak-"))
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    os.environ.update(ground(state))
    with Stack(console=console) as stack:
        # The connector looks for the embedded warehouse's own CA in the environment only.
        os.environ["REQUESTS_CA_BUNDLE"] = stack.environment["REQUESTS_CA_BUNDLE"]
        demo = Demo(stack)
        demo.prepare()
        if not marts:
            demo.airflow.pause("build_marts")
        yield demo
    clean(state)
