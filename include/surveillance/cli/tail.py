"""``tail``: alerts as they come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import typer

from include.surveillance import broker, wire
from include.surveillance.alerts.transcript import Transcript
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
    """Print alerts from Kafka as people are notified of them: one readable line each, and one for its end."""
    client = read_kafka_client(kafka)
    positions: Mapping[Position, Place | None] = {
        (broker.ALERTS, partition): None for partition in broker.partitions_of(client, broker.ALERTS)
    }
    transcript, past = Transcript(), []
    for batch in broker.read_all(client, positions):
        past += batch.messages
        positions = batch.places
    lines = transcript.tell(_decode(past))
    for line in lines[-last:] if last else ():
        typer.echo(line)
    while follow:
        batch = broker.read(client, positions)
        positions = batch.places
        for line in transcript.tell(_decode(batch.messages)):
            typer.echo(line)
        time.sleep(POLL_SECONDS)


def _decode(messages: list[Received]) -> list[Alert]:
    records = (wire.decode(message.value) for message in sorted(messages, key=lambda it: it.timestamp_ms))
    return [record for record in records if isinstance(record, Alert)]
