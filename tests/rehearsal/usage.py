"""What the containers take: memory, and the processor time of their health checks."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from include.surveillance.errors import SurveillanceError
from tests.rehearsal.engine import Engine

MIB = 1024**2
UNITS = {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024**3}
SAMPLE_SECONDS, QUIET_SECONDS = 5.0, 60.0
# A check is run so often in a row, because the platform's own work makes a single one hard to see.
CHECKS = 10


@dataclass
class Usage:
    """Memory in MiB and processor time in seconds.

    Attributes:
        idle: each service's memory while the platform is live between two polls.
        peak: each service's highest memory from the first start on.
        check_s: each service's processor time of one health check, the engine's share included.
        checks_a_minute: how often each service is checked.
        platform: processors that everything took together in a quiet minute of the live market, checks included.
    """

    idle: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    check_s: dict[str, float] = field(default_factory=dict)
    checks_a_minute: dict[str, float] = field(default_factory=dict)
    platform: float = 0.0

    @property
    def checks(self) -> float:
        """How many processors the health checks of all services take together."""
        return sum(seconds * self.checks_a_minute[name] / 60 for name, seconds in self.check_s.items())


@contextmanager
def watch_memory(engine: Engine, usage: Usage) -> Iterator[None]:
    """Note each service's highest memory meanwhile."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            try:
                now = memory(engine)
            except SurveillanceError:
                continue  # a container went away between two answers
            for name, size in now.items():
                usage.peak[name] = max(size, usage.peak.get(name, 0.0))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def memory(engine: Engine) -> dict[str, float]:
    """Return each running service's memory in MiB, without what the kernel may take back of files."""
    lines = engine.run("docker", "stats", "--no-stream", "--format", "{{json .}}").splitlines()
    sizes = {}
    for container in map(json.loads, lines):
        amount, unit = re.match(r"([\d.]+)(\w+)", container["MemUsage"]).groups()
        sizes[service(container["Name"])] = float(amount) * UNITS[unit] / MIB
    return sizes


def measure_checks(engine: Engine, usage: Usage, containers: list[str]) -> None:
    """Run every container's own health check as the engine does, and see what all of it takes more than before."""
    usage.platform = _processors(engine, lambda: time.sleep(QUIET_SECONDS))[0]
    for container in containers:
        inspected = json.loads(engine.run("docker", "inspect", container))[0]["Config"]["Healthcheck"]
        kind, *test = inspected["Test"]
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test

        def check(container: str = container, command: list[str] = command) -> None:
            for _ in range(CHECKS):
                engine.run("docker", "exec", container, *command)

        used, seconds = _processors(engine, check)
        # What else goes on has its share, which is that of the quiet minute.
        usage.check_s[service(container)] = max(0.0, (used - usage.platform) * seconds / CHECKS)
        usage.checks_a_minute[service(container)] = 60e9 / inspected["Interval"]


def service(container: str) -> str:
    """Return the service that a container of Compose is one of."""
    return re.sub(r"^market-surveillance-|-\d+$", "", container)


def _processors(engine: Engine, act: Callable[[], None]) -> tuple[float, float]:
    begun, before = time.monotonic(), engine.cpu_seconds()
    act()
    seconds = time.monotonic() - begun
    return (engine.cpu_seconds() - before) / seconds, seconds
