"""Ground for a local stack of its own, beside whatever else runs on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from include.local_stack.clients import Clients
from include.local_stack.ports import Ports, variable
from include.surveillance import broker
from include.surveillance.broker import Position, Received
from include.surveillance.places import Place
from tests.conftest import JARS, free_port


def ground(state: Path) -> dict[str, str]:
    """Make the state folder, with Kafka's jars when they are there; return the variables that put a stack on it."""
    (state / "kafka").mkdir(parents=True)
    if JARS.exists():
        (state / "kafka" / "libs").symlink_to(JARS)
    ports = {variable(name): str(free_port()) for name in vars(Ports())}
    return {"STACK_STATE": str(state), "POLYGON_API_KEY": "", **ports}


def literal_rules(state: Path) -> dict[str, str]:
    """Write parameters of literal rules into the folder; return the variable that names them.

    Robust rules judge nothing before there are profiles: without history there would be no market alert to follow.
    """
    file = state / "parameters.yaml"
    file.write_text("base: {rules: literal}\n")
    return {"PARAMETERS_FILE": str(file)}


def move_to(state: Path, **settings: str) -> dict[str, str]:
    """Put the stacks of this process on a folder; return the variables that were set.

    What the shell says of Airflow, the simulator and polling is taken out of the environment.
    """
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "SIMULATOR_", "POLL_"))]:
        del os.environ[name]
    given = ground(state) | settings
    os.environ.update(given)
    return given


def ends(kafka: broker.Kafka, positions: Iterable[Position]) -> dict[Position, int]:
    """Where each partition ends now, for readers of committed messages."""
    with broker.Bounds(kafka) as bounds:
        return {position: bounds(position)[1] for position in positions}


def read_since(kafka: broker.Kafka, offsets: Mapping[Position, int]) -> Sequence[Received]:
    """Every message from these offsets on, e.g. from former ``ends``."""
    places = {position: Place(offset) for position, offset in offsets.items()}
    return broker.read(kafka, places, limit=10_000_000).messages


def landed_offsets(clients: Clients) -> dict[Position, int]:
    """The next offset to land of each partition that has been landed from."""
    rows = clients.warehouse("select topic, partition_id, next_offset from raw.landed_offsets")
    return {(topic, partition): offset for topic, partition, offset in rows if offset is not None}
