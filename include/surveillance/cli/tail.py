"""``tail``: alerts as they come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import typer

from include.surveillance import broker, wire
from include.surveillance.alerts.severity import format_alert
from include.surveillance.broker import Position, Received
from include.surveillance.cli import options
from include.surveillance.cli.options import read_kafka_client
from include.surveillance.places import Place
from include.surveillance.records import Alert

POLL_SECONDS = 1.0


def tail(
    kafka: options.Kafka = "127.0.0.1:9092",
    last: Annotated[int, typer.Option(help="Alerts of the past to print first.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on printing as alerts come.")] = True,
) -> None:
    """Print alerts from Kafka, one readable line each."""
    client = read_kafka_client(kafka)
    positions: Mapping[Position, Place | None] = {
        (broker.ALERTS, partition): None for partition in broker.partitions_of(client, broker.ALERTS)
    }
    past: list[Received] = []
    for batch in broker.read_all(client, positions):
        past = [*past, *batch.messages][-last:] if last else []
        positions = batch.places
    _print(past)
    while follow:
        batch = broker.read(client, positions)
        positions = batch.places
        _print(batch.messages)
        time.sleep(POLL_SECONDS)


def _print(messages: list[Received]) -> None:
    for message in sorted(messages, key=lambda message: message.timestamp_ms):
        record = wire.decode(message.value)
        if isinstance(record, Alert):
            typer.echo(format_alert(record))
