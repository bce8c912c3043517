"""The outcomes as a table and as JSON."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from xml.etree import ElementTree

from include.local_stack.kafka import POM
from include.local_stack.prerequisites import postgres_programs
from tests.benchmarks import machine
from tests.faults.recovery import LIMIT_SECONDS, REQUIRED_SECONDS
from tests.faults.stage import LAND_EVERY_SECONDS, LIVE, LOAD, LOCKED_SECONDS

LIBRARIES = ("apache-airflow", "celery", "confluent-kafka", "snowflake-connector-python", "fakesnow")
COUNTS = {"bars": "bars published", "metrics": "metrics", "alerts": "alerts", "rows": "rows landed"}
HEAD = ("fault", "at", "recovered after s", *COUNTS.values(), "lost", "doubled", "verdict")
SHOWN = 5


@dataclass
class Outcome:
    """One row. ``bars`` to ``rows`` are what has been added since the row before.

    Attributes:
        recovered_s: from the fault (frozen: from its end) until the platform had caught up; None: not in time.
        lost, doubled, wrong: one line per thing, see ``truth``; wrong is also what kept the row from being judged.
        waited: what was lacking until then.
        replayed: alerts that a replay of the log was compared with; None: not in this row.
    """

    fault: str
    at: str
    recovered_s: float | None = None
    bars: int = 0
    metrics: int = 0
    alerts: int = 0
    rows: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    replayed: int | None = None
    waited: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        late = self.recovered_s is not None and self.recovered_s > REQUIRED_SECONDS
        return [
            *([f"took longer than {REQUIRED_SECONDS:.0f} s"] if late else []),
            *self.wrong,
            *(f"lost: {it}" for it in self.lost),
            *(f"doubled: {it}" for it in self.doubled),
        ]

    @property
    def passed(self) -> bool:
        return not self.problems

    def cells(self) -> list[str]:
        recovered = "" if self.recovered_s is None else f"{self.recovered_s:.0f}"
        counts = [f"{getattr(self, name):,}" for name in COUNTS]
        verdict = "passed" if self.passed else "**failed**"
        return [self.fault, self.at[11:19], recovered, *counts, str(len(self.lost)), str(len(self.doubled)), verdict]


def facts() -> dict[str, str]:
    """Return the machine and the versions of what runs on it."""
    kafka = ElementTree.parse(POM).findtext(".//{*}dependency/{*}version") or ""
    about = {name: str(value) for name, value in machine.facts().items()} | {name: version(name) for name in LIBRARIES}
    programs = {
        "PostgreSQL": [str(postgres_programs() / "postgres"), "--version"],
        "Redis": ["redis-server", "--version"],
    }
    texts = {name: subprocess.run(command, capture_output=True, text=True).stdout for name, command in programs.items()}
    return about | {"Kafka": kafka} | {name: text.strip() for name, text in texts.items()}


def markdown(outcomes: Sequence[Outcome], about: dict[str, str], command: str, seconds: float) -> str:
    """Return the matrix and what was wrong, as Markdown."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    recoveries = [outcome.recovered_s for outcome in outcomes if outcome.recovered_s is not None]
    libraries = ", ".join(f"{name} {about[name]}" for name in LIBRARIES)
    replays = [outcome for outcome in outcomes if outcome.replayed is not None]
    lines = [
        "# Faults",
        "",
        f"{about['date']}, {about['cpu']}, {about['cores']} cores, {about['memory']}. {about['system']}.",
        f"Python {about['python']}, {libraries}, Kafka {about['Kafka']}, {about['PostgreSQL']}, {about['Redis']}.",
        (
            f"`{command}`, {seconds / 60:.0f} minutes: {len(outcomes)} rows, {len(failed)} failed, "
            f"slowest recovery {max(recoveries, default=0):.0f} s."
        ),
        "",
        (
            f"{len(LIVE)} symbols are polled live. Before each fault a backfill of eight hours of {len(LOAD)} other "
            "symbols begins; the fault strikes when its first bars are on Kafka, fail points when a process reaches "
            "them, and logs are broken between two polls, when all is at rest; the backfill begins after that."
        ),
        f"Landing runs every {LAND_EVERY_SECONDS} s; `build_marts`, `build_baselines` and `maintain_platform` are off.",
        (
            "Recovered: the component is healthy, every bar of the vendor is on Kafka, the backfill has succeeded, "
            "detection, notification and landing have come to the end of their topics, all at the same time. "
            "Counted from the fault, for *frozen* and *past its time limit* from its end, for *restart* from the "
            "command."
        ),
        (
            f"A row fails when that takes longer than {REQUIRED_SECONDS:.0f} s (given up after {LIMIT_SECONDS:.0f} s), "
            "or when anything is lost, doubled or otherwise wrong. Compared after each row: bars, metrics, alerts, "
            "rows of the warehouse and of the application's database; with a replay of the whole log after "
            f"{len(replays)} rows."
        ),
        (
            f"The warehouse keeps the locks of who dies within a transaction for {LOCKED_SECONDS} idle seconds, as "
            "Snowflake does; who lands next does not wait for that."
        ),
        "",
        "| " + " | ".join(HEAD) + " |",
        "| --- | --- |" + " ---: |" * (len(HEAD) - 3) + " --- |",
        *("| " + " | ".join(outcome.cells()) + " |" for outcome in outcomes),
    ]
    for outcome in failed:
        more = len(outcome.problems) - SHOWN
        lines += ["", f"**{outcome.fault}**", "", *(f"- {it}" for it in outcome.problems[:SHOWN])]
        lines += [f"- ... and {more} more"] if more > 0 else []
    return "\n".join(lines) + "\n"


def as_dict(outcomes: Sequence[Outcome], about: dict[str, str], command: str, seconds: float) -> dict[str, object]:
    rows = [asdict(outcome) | {"passed": outcome.passed} for outcome in outcomes]
    return {"machine": about, "command": command, "seconds": round(seconds), "rows": rows}
