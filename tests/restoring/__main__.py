"""Run the platform, copy it, let it run on; lose everything, restore the older copy, run on, and compare.

Between the copy and the loss people are told of alerts that the copy does not know. Afterwards every one of them is
there again, nobody was told twice, and the restored log replays to what ran live.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from include.local_stack.backup import back_up, restore
from include.local_stack.demo import Demo
from include.local_stack.patience import Patience
from include.local_stack.stack import Stack, clean
from include.surveillance import broker, wire
from include.surveillance.alerts.log_breaks import RULE as LOG_BREAK
from include.surveillance.errors import SurveillanceError
from include.surveillance.records import Alert
from tests.faults.people import People
from tests.ground import move_to
from tests.paths import MEASURED

console = Console(highlight=False, soft_wrap=True)
OUTBOX_SECONDS = 120
FRESHNESS = "feed_freshness"


@dataclass
class Life:
    """What one life of the platform has made, when everything was caught up.

    Attributes:
        alerts: id -> status, as the application's database has it.
        landed: ids of the alerts in the warehouse.
    """

    alerts: dict[str, str] = field(default_factory=dict)
    landed: set[str] = field(default_factory=set)


def main(
    seconds: Annotated[
        float, typer.Option(help="Live seconds before the copy, after it, and after the restore.")
    ] = 150,
    out: Annotated[Path, typer.Option(help="Folder for restoring.json.")] = MEASURED / "restoring",
) -> None:
    """Rehearse the restore of an older copy; the exit code is 1 when something is missing or was told twice."""
    people, base = People(), Path(tempfile.mkdtemp(prefix="restoring-"))
    base.chmod(0o755)
    state, copy, secrets = base / "state", base / "copy", base / "secrets"
    move_to(state, **people.settings())
    took: dict[str, float] = {}
    with timed(took, "first start"), Stack(console=console) as stack:
        demo = prepare(stack)
        demo.watch(seconds)
        with timed(took, "copy"):
            back_up(stack, copy, secrets)
        told_by_copy = len(people.told())
        demo.watch(seconds)
        failures = demo.finish().failures()
        first = look(demo, people)
        lost_at = datetime.now(UTC)
    told_before = Counter(versions(people))
    libs = (state / "kafka" / "libs").readlink()
    clean(state)
    (state / "kafka").mkdir(parents=True)
    (state / "kafka" / "libs").symlink_to(libs)
    with timed(took, "restore"):
        restore(lambda: Stack(console=console), state, copy, secrets, "--told-until", f"{lost_at:%Y-%m-%dT%H:%M:%SZ}")
    with timed(took, "second start"), Stack(console=console) as stack:
        demo = prepare(stack)
        demo.watch(seconds)
        failures += demo.finish().failures()
        second = look(demo, people)
        failures += compare(demo, people, first, second)
    told_after = Counter(versions(people))
    counts = {
        "alerts_before_the_loss": len(first.alerts),
        "alerts_at_the_end": len(second.alerts),
        "told_before_the_copy": told_by_copy,
        "told_between_copy_and_loss": len(told_before) - told_by_copy,
        "told_after_the_restore": sum((told_after - told_before).values()),
        "copy_megabytes": round(sum(path.stat().st_size for path in copy.rglob("*") if path.is_file()) / 1e6, 1),
    }
    for name in ("told_between_copy_and_loss", "told_after_the_restore"):
        if not counts[name]:
            failures.append(f"{name} is 0: nothing was tried; give more --seconds")
    report = {**counts, "seconds": {name: round(it, 1) for name, it in took.items()}, "failures": failures}
    console.print_json(json.dumps(report))
    out.mkdir(parents=True, exist_ok=True)
    (out / "restoring.json").write_text(json.dumps(report, indent=2) + "\n")
    if failures:
        console.print(f"logs and data of the run are in {base}")
        raise typer.Exit(1)
    clean(state)


class timed:  # noqa: N801 - reads as a statement
    """Note the seconds of a block."""

    def __init__(self, into: dict[str, float], name: str):
        self.into, self.name = into, name

    def __enter__(self) -> None:
        self.begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.into[self.name] = time.monotonic() - self.begun


def prepare(stack: Stack) -> Demo:
    demo = Demo(stack)
    demo.prepare()
    return demo


def look(demo: Demo, people: People) -> Life:
    """Look at what there is when nothing waits to be sent.

    Raises:
        SurveillanceError: something waits for long.
    """
    patience = Patience(OUTBOX_SECONDS)
    while waits := demo.database("select count(*) from outbox where sent_at is null and kind = 'alert'")[0][0]:
        if patience.is_over():
            raise SurveillanceError(f"{waits} messages still wait after {patience.describe()}")
        time.sleep(0.5)
    alerts = dict(demo.database("select alert_id, status from alerts"))
    return Life(alerts, {event_id for (event_id,) in demo.warehouse("select event_id from raw.raw_alerts")})


def versions(people: People) -> list[tuple[str, str, bool]]:
    """List what people were told: alert, severity, and whether it was withdrawn."""
    return [(it, severity, withdrawn) for it, states in people.told().items() for severity, withdrawn in states]


def compare(demo: Demo, people: People, first: Life, second: Life) -> list[str]:
    """Name what is missing or double."""
    failures = []
    # What was withdrawn may never have fired again: the corrected bar came first. How late a feed was is of the polls
    # of the first life.
    standing = {
        it for it, status in first.alerts.items() if status != "retracted" and not it.startswith(f"{FRESHNESS}|")
    }
    failures += [f"alert {it} is missing" for it in sorted(standing - second.alerts.keys())]
    landed = first.landed & standing
    failures += [f"alert {it} is missing in the warehouse" for it in sorted(landed - second.landed)]
    failures += [
        f"alert {it} was told twice: {state}"
        for it, states in people.told().items()
        for state, following in pairwise(states)
        if state == following
    ]
    told = people.told()
    due = demo.database("select distinct subject from outbox where kind = 'alert' and channel = 'webhook'")
    failures += [f"alert {it} was not told" for (it,) in due if it not in told]
    messages = broker.read(demo.kafka, dict.fromkeys(demo.positions(broker.ALERTS)), limit=10_000_000).messages
    failures += [
        f"{count} times on the topic: {value!r}"
        for value, count in Counter(it.value for it in messages).items()
        if count > 1
    ]
    alerts = [record for record in (wire.decode(it.value) for it in messages) if isinstance(record, Alert)]
    failures += [f"{it.event_id}: {it.explanation}" for it in alerts if it.rule == LOG_BREAK]
    return failures


if __name__ == "__main__":
    try:
        typer.run(main)
    except SurveillanceError as error:
        console.print(f"{error}", markup=False)
        sys.exit(1)
