"""The load under which faults strike: each time the next eight hours of the past of six symbols."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from include.surveillance.errors import SurveillanceError
from include.surveillance.timespans import HOUR_MS, now_ms, write_utc
from tests.faults.stage import LOAD, Stage
from tests.faults.topics import Topics

DAG = "backfill_market_data"
CHUNK_MS = 8 * HOUR_MS
DAYS_AGO = 40
IN_FLIGHT_SECONDS = 120.0


@dataclass
class Load:
    """Chunks of past time, oldest first and without gaps: what is older than what a series has seen is not evaluated.

    Attributes:
        windows: [from, to) of every chunk that has been asked for, epoch milliseconds.
    """

    stage: Stage
    topics: Topics
    windows: list[tuple[int, int]] = field(default_factory=list)
    run_id: str = ""

    def begin(self) -> None:
        """Ask for the next chunk, some 2,900 bars, and queue some messages to people."""
        self.stage.people.queue(self.stage)
        first = now_ms() // HOUR_MS * HOUR_MS - DAYS_AGO * 24 * HOUR_MS
        start = self.windows[-1][1] if self.windows else first
        self.windows.append((start, start + CHUNK_MS))
        span = {"from": write_utc(start), "to": write_utc(start + CHUNK_MS)}
        about = {"symbols": list(LOAD), "timespan": "minute", "chunk_days": 1, "news": False}
        self.run_id = self.stage.airflow.trigger(DAG, about | span)

    def await_first_bars(self) -> None:
        """Return as soon as a bar of the newest chunk is on Kafka.

        Raises:
            SurveillanceError: none came.
        """
        deadline = time.monotonic() + IN_FLIGHT_SECONDS
        start, _ = self.windows[-1]
        while not any((symbol, "minute") in self.topics.newest_from(start) for symbol in LOAD):
            if time.monotonic() > deadline:
                raise SurveillanceError(
                    f"no bar of the load came within {IN_FLIGHT_SECONDS:.0f} s; see run {self.run_id}"
                )
            time.sleep(0.2)
            self.topics.read_bars()

    def state(self) -> str:
        """The state of the newest chunk's run, as Airflow calls it."""
        return next((run["state"] for run in self.stage.airflow.runs(DAG) if run["dag_run_id"] == self.run_id), "gone")
