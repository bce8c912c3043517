"""Ways in which the compose file has been or could be wrong: a rehearsal that passes one of them rehearses nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from include.surveillance.errors import SurveillanceError
from tests.rehearsal.engine import Engine
from tests.rehearsal.rehearsal import HOME, Rehearsal

Change = Callable[[str], str]


def _replace(old: str, new: str, after: str = "") -> Change:
    """Make a change of the first ``old`` after a text."""

    def change(text: str) -> str:
        place = text.index(old, text.index(after))
        return text[:place] + new + text[place + len(old) :]

    return change


BREAKAGES: dict[str, Change] = {
    "two services build the image": _replace("  scheduler:\n", "  scheduler:\n    build: .\n"),
    "an image that nobody has": _replace("redis:7.2", "redis:99.2"),
    "a health check that cannot pass": _replace("$$0.heartbeat", "$$0.heart"),
    "a port that does not answer": _replace("HOST://:9092", "HOST://:9192"),
    "a secret that is not handed over": _replace("*queue, *application", "*queue", after="  worker-detect:\n"),
    "a volume that is missing": _replace("      - kafka-data:/var/lib/kafka/data\n", "      - airflow-logs:/unused\n"),
    "a limit of memory that is too low": _replace("2048m", "96m", after="  worker-detect:\n"),
    "a start without the tables": _replace("        python -m include.orchestration.migrate\n", ""),
}


def try_breakages(engine: Engine, bases: Path, console: Console, wanted: str) -> Iterator[tuple[str, str]]:
    """Rehearse each breakage whose name matches ``wanted``; yield its name and what was said, "" when it passed."""
    first = Rehearsal(engine, console)
    first.prepare(bases)
    compose = first.folder / "docker-compose.yml"
    sound = compose.read_text()
    for name, change in BREAKAGES.items():
        if not re.search(wanted, name):
            continue
        compose.write_text(change(sound))
        console.print(f"[bold]{name}[/]")
        try:
            Rehearsal(engine, console).run()
        except SurveillanceError as error:
            yield name, str(error)
        else:
            yield name, ""
        engine.run("docker", "compose", "down", "--volumes", "--timeout=1", "--rmi=local", folder=HOME, timeout=300)
        (first.folder / ".env").unlink()
