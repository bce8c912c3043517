"""``offsets``: where the consumers of Kafka stand, and how to set them back."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import typer

from include.surveillance import broker
from include.surveillance.broker import Kafka, Position
from include.surveillance.cli import options
from include.surveillance.cli.options import console, new_table, read_kafka_client, tell
from include.surveillance.live import detector
from include.surveillance.places import Place

Group = Literal["detector", "history", "notifier"]

offsets = typer.Typer(help="Show and reset the offsets of detection, history and notification.", no_args_is_help=True)


@offsets.command()
def show(kafka: options.Kafka = "127.0.0.1:9092") -> None:
    """Print where each group goes on, what the partition holds, and what is wrong with the place, if anything."""
    client = read_kafka_client(kafka)
    table = new_table("offsets", ["group", "partition", "topic id"], ["goes on at", "oldest", "end"])
    broken = []
    with broker.Bounds(client) as bounds:
        for group in get_args(Group):
            places = broker.committed(client, group, _positions(client, group), settled=False)
            broken += [f"{group}: {it.describe()}" for it in broker.resume(client, places)[1]]
            for (topic, partition), place in places.items():
                low, end = bounds((topic, partition))
                at, topic_id = (f"{place.offset:,}", place.topic_id) if place else ("not yet", "")
                table.add_row(group, f"{topic}[{partition}]", topic_id, at, f"{low:,}", f"{end:,}")
    console.print(table)
    for line in broken:
        tell(line)


@offsets.command()
def reset(
    group: Annotated[Group, typer.Argument(help="Whose offsets.")],
    to: Annotated[Literal["beginning", "end"], typer.Option(help="end: what is unread is never read.")] = "beginning",
    kafka: options.Kafka = "127.0.0.1:9092",
) -> None:
    """Let a group go on at the beginning of its topics, or at their end. Pause its DAG before, and unpause it after.

    From the beginning nothing is lost and nobody is told twice: ids are the same again. Detection rebuilds its state
    from the log up to where it goes on; all history is judged anew.
    """
    client = read_kafka_client(kafka)
    positions = _positions(client, group)
    with broker.Bounds(client) as bounds:
        identities = bounds.identify({topic for topic, _ in positions})
        places = {it: Place(bounds(it)[0 if to == "beginning" else 1], *identities[it[0]]) for it in positions}
    broker.commit(client, group, places)
    tell(f"{group} goes on at the {to} of {', '.join(sorted(identities))}: {len(places)} partitions")


def _positions(kafka: Kafka, group: str) -> list[Position]:
    if group != "notifier":
        partitions = broker.partitions_of(kafka, broker.BARS)
        return [position for partition in partitions for position in detector.positions_of(partition)]
    return [(broker.ALERTS, partition) for partition in broker.partitions_of(kafka, broker.ALERTS)]
