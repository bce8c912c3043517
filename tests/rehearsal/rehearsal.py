"""One rehearsal: what somebody types who follows docs/start/docker.md, and whether it does what the page says."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from include.surveillance.errors import SurveillanceError
from include.surveillance.timespans import HOUR_MS, now_ms
from tests.paths import ROOT
from tests.project.files import dotenv, kept_files
from tests.rehearsal.engine import Engine
from tests.rehearsal.images import build_stand_ins
from tests.rehearsal.usage import Usage, measure_checks, memory, watch_memory

HOME = "/root/market-surveillance"
UP_SECONDS, VISIT_SECONDS = 2400.0, 5400.0
# Long enough for market anomalies in the history that an empty form brings.
WATCHED_BEFORE_MS = 4 * HOUR_MS
SETTLED_AFTER = timedelta(hours=1)  # longer than the minutes that a live poll brings once more
# Tries of `up` are one: whoever must type it twice has met a fault.
UP = ("docker", "compose", "up", "-d", "--build")
RAN_ONCE = {"airflow-init", "postgres-roles"}


@dataclass
class Outcome:
    """What one rehearsal took and saw; ``versions`` are those of the engine and of Compose."""

    store: str
    versions: dict[str, str] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    image_mib: float = 0.0
    alerts: int = 0
    live: int = 0
    kept: int = 0
    passing: list[str] = field(default_factory=list)


class Rehearsal:
    """Copies the project to a new machine and runs it there.

    Raises:
        SurveillanceError: what the page promises does not hold; the message says what was seen instead.
    """

    def __init__(self, engine: Engine, console: Console):
        self.engine, self.console = engine, console
        self.outcome = Outcome(engine.store)
        self.folder = engine.root / HOME.lstrip("/")
        self._visits: dict[str, str] = {}

    def prepare(self, bases: Path) -> None:
        """Copy the project, and make the images that it builds on."""
        copy_project(self.folder)
        self._note_versions()
        with self._timed("make the images that the project builds on"):
            build_stand_ins(self.engine, bases, self.folder)

    def run(self) -> Outcome:
        """Go through all of it and return what it took."""
        with self._timed("make env"):
            self._type("make", "env")
            self._set_up()
        with watch_memory(self.engine, self.outcome.usage):
            with self._timed(" ".join(UP)):
                self._type(*UP, timeout=UP_SECONDS)
            self._check_up()
            self._check_image()
            before = self._open()
            self._go_live()
        self._measure()
        with self._timed("docker compose stop"):
            self._type("docker", "compose", "stop", timeout=300)
        self._check_stopped()
        with self._timed("docker compose up -d, again"):
            self._type("docker", "compose", "up", "-d", timeout=UP_SECONDS)
        self._check_up()
        self._check_same(before)
        with self._timed("docker compose down"):
            self._type("docker", "compose", "down", timeout=300)
        self._check_leftovers()
        return self.outcome

    def keep_logs(self, file: Path) -> None:
        """Write what all containers have said, for whoever looks for the cause of a failure."""
        with suppress(SurveillanceError):
            file.write_text(self._type("docker", "compose", "logs", "--no-color", "--timestamps"))

    def _type(self, *command: str, timeout: float = 120) -> str:
        return self.engine.run(*command, folder=HOME, timeout=timeout)

    def _note_versions(self) -> None:
        engine = self.engine.run("docker", "version", "--format", "{{.Server.Version}}").strip()
        compose = self.engine.run("docker", "compose", "version", "--short").strip()
        driver = self.engine.run("docker", "info", "--format", "{{.Driver}}").strip()
        self.outcome.versions = {"engine": engine, "compose": compose, "driver": driver}
        if driver != {"overlay2": "overlay2", "containerd": "overlayfs"}[self.engine.store]:
            raise SurveillanceError(f"the engine stores images with {driver}, not as {self.engine.store} does")

    def _set_up(self) -> None:
        """AKHQ's image cannot be had; without a profile everything else starts. What is brought first has anomalies."""
        file = self.folder / ".env"
        text, count = re.subn(r"^COMPOSE_PROFILES=.*$", "COMPOSE_PROFILES=", file.read_text(), flags=re.MULTILINE)
        if count != 1:
            raise SurveillanceError(".env does not say COMPOSE_PROFILES once; the console cannot be left out")
        watched = f"SIMULATOR_WATCHED_FROM_MS={now_ms() - WATCHED_BEFORE_MS}"
        text, count = re.subn(r"^SIMULATOR_WATCHED_FROM_MS=$", watched, text, flags=re.MULTILINE)
        if count != 1:
            raise SurveillanceError(".env does not ask once when the market is watched; its history would be calm")
        file.write_text(text)
        env = dotenv(file)
        names = ("AIRFLOW_PORT", "AIRFLOW_ADMIN_PASSWORD", "KAFKA_PORT", "KAFKA_PASSWORD")
        self._visits = {name: env[name] for name in names}

    def _containers(self) -> dict[str, dict[str, Any]]:
        lines = self._type("docker", "compose", "ps", "--all", "--format", "json").splitlines()
        return {container["Service"]: container for container in map(json.loads, lines)}

    def _check_up(self) -> None:
        """All services that Compose knows are there, healthy, and have needed no second start."""
        expected = set(self._type("docker", "compose", "config", "--services").split())
        with self._timed("until all are healthy", add=True):
            deadline = time.monotonic() + UP_SECONDS
            while waiting := self._unhealthy():
                if time.monotonic() > deadline:
                    raise SurveillanceError(f"not healthy after {UP_SECONDS:.0f} s: {waiting}")
                time.sleep(2)
        found = self._containers()
        if set(found) != expected:
            raise SurveillanceError(f"Compose knows {sorted(expected)}, and there are {sorted(found)}")
        for name in RAN_ONCE:
            if (found[name]["State"], found[name]["ExitCode"]) != ("exited", 0):
                raise SurveillanceError(f"{name} has not run through: {found[name]['Status']}")
        format_ = "{{.Name}} {{.RestartCount}} {{.State.OOMKilled}}"
        names = [found[name]["Name"] for name in sorted(found)]
        for line in self.engine.run("docker", "inspect", "--format", format_, *names).splitlines():
            if not line.endswith(" 0 false"):
                raise SurveillanceError(f"started again or killed for its memory (name, starts, killed): {line}")

    def _unhealthy(self) -> dict[str, str]:
        found = {name: it for name, it in self._containers().items() if name not in RAN_ONCE}
        if given_up := sorted(name for name, it in found.items() if it["Health"] == "unhealthy"):
            raise SurveillanceError(f"unhealthy: {', '.join(given_up)}; {self._last_check(found[given_up[0]]['Name'])}")
        return {name: it["Status"] for name, it in found.items() if it["Health"] != "healthy"}

    def _last_check(self, container: str) -> str:
        last = "{{with .State.Health}}{{(index .Log 0).ExitCode}}: {{(index .Log 0).Output}}{{end}}"
        return f"{container} answered {self.engine.run('docker', 'inspect', '--format', last, container).strip()}"

    def _check_image(self) -> None:
        """The image was built once, and its kernels and modules are compiled."""
        if dangling := self.engine.run("docker", "images", "--quiet", "--filter", "dangling=true").split():
            raise SurveillanceError(f"the build has left {len(dangling)} images without a name")
        size = self.engine.run("docker", "inspect", "--format", "{{.Size}}", "market-surveillance:latest")
        self.outcome.image_mib = int(size) / 1024**2
        for name in ("worker-detect", "dag-processor"):
            changed = self.engine.run("docker", "diff", self._containers()[name]["Name"]).splitlines()
            if written := [line for line in changed if re.search(r"/(dags|include|plugins)/.*\.(nbi|nbc|pyc)$", line)]:
                raise SurveillanceError(f"{name} has compiled again what is in the image, e.g. {written[0]}")

    def _open(self) -> dict[str, Any]:
        seen = self._visit("open")
        self.outcome.alerts, self.outcome.passing = len(seen["alerts"]), seen["passing"]
        if not seen["alerts"]:
            raise SurveillanceError(
                "the backfill has raised no alert; the logs of worker-detect and of judge_history say why"
            )
        return seen["alerts"]

    def _go_live(self) -> None:
        self._visit("live")

    def _measure(self) -> None:
        usage = self.outcome.usage
        with self._timed("measure"):
            names = [it["Name"] for name, it in self._containers().items() if name not in RAN_ONCE]
            measure_checks(self.engine, usage, sorted(names))
            usage.idle = memory(self.engine)
        for name, size in usage.idle.items():
            usage.peak[name] = max(size, usage.peak.get(name, 0.0))

    def _check_stopped(self) -> None:
        codes = {name: it["ExitCode"] for name, it in self._containers().items()}
        if killed := sorted(name for name, code in codes.items() if code == 137):
            raise SurveillanceError(f"killed because they did not stop in time: {', '.join(killed)}")

    def _check_same(self, before: dict[str, Any]) -> None:
        """What was alerted before is there after the second start, word for word; live minutes have added more.

        Live polls bring the newest minutes of a history once more. From then on these are live, so that an episode of
        history that reached into them is shorter, or has grown; what ended before has not changed.
        """
        after = self._visit("look")["alerts"]
        if lost := sorted(before.keys() - after.keys()):
            raise SurveillanceError(f"{len(lost)} of {len(before)} alerts are gone after a stop, e.g. {lost[0]}")
        same = ("rule", "symbol", "source", "bar_at", "value", "threshold", "baseline", "status", "firings")
        at = {it: datetime.fromisoformat(alert["bar_at"]) for it, alert in before.items()}
        settled = [it for it in before if at[it] < max(at.values()) - SETTLED_AFTER]
        if not settled:
            raise SurveillanceError(f"none of {len(before)} alerts is older than {SETTLED_AFTER}; nothing is compared")
        if other := [it for it in settled if any(before[it][name] != after[it][name] for name in same)]:
            was, now = ({name: alerts[other[0]][name] for name in same} for alerts in (before, after))
            raise SurveillanceError(f"{len(other)} alerts are others after a stop, e.g. {other[0]}: {was}, now {now}")
        self.outcome.kept, self.outcome.live = len(before), len(after) - len(before)

    def _check_leftovers(self) -> None:
        volumes = self.engine.run("docker", "volume", "ls", "--format", "{{.Name}}").split()
        if nameless := [name for name in volumes if not name.startswith("market-surveillance_")]:
            raise SurveillanceError(f"`down` has left {len(nameless)} volumes without a name, e.g. {nameless[0]}")

    def _visit(self, step: str) -> dict[str, Any]:
        command = (sys.executable, "-m", "tests.rehearsal.visit", step)
        result = json.loads(self.engine.visit(*command, timeout=VISIT_SECONDS, env=self._visits))
        for what, seconds in result["took"].items():
            self._note(what, seconds)
        return result

    @contextmanager
    def _timed(self, what: str, add: bool = False) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._note(what, time.monotonic() - begun + (self.outcome.took.get(what, 0.0) if add else 0.0))

    def _note(self, what: str, seconds: float) -> None:
        self.outcome.took[what] = seconds
        self.console.print(f"[green]✓[/] {self.engine.store:<11} {what:<45} [dim]{seconds:6.1f} s[/]")


def copy_project(target: Path) -> None:
    """Copy what is committed, or would be, and nothing else: no secrets, no data."""
    for file in kept_files():
        place = target / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)
