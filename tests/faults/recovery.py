"""Recovery: whether the platform has caught up, asked about every second."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import httpx
import psycopg2
from confluent_kafka import KafkaException
from snowflake.connector.errors import Error as SnowflakeError

from include.surveillance import broker
from include.surveillance.errors import SurveillanceError
from include.surveillance.live import detector
from include.surveillance.timespans import MINUTE_MS, now_ms
from tests.faults.load import Load
from tests.faults.stage import LIVE, LOAD, Stage
from tests.faults.topics import Topics
from tests.faults.vendor import Key, Vendor
from tests.ground import landed_offsets

LIMIT_SECONDS = 180.0
REQUIRED_SECONDS = 90.0
ASK_SECONDS = 1.0
# A bar is published a second after its minute, asked for two seconds after it, and may wait for its turn.
SETTLED_MS = 20_000
NOTIFIER = "notifier"
AWAY = (SurveillanceError, KafkaException, SnowflakeError, psycopg2.Error, httpx.HTTPError, OSError)


@dataclass
class Recovery:
    """Whether the platform has caught up.

    Attributes:
        cut_ms: what closed by then was on Kafka when the platform had last caught up.
        waited: what was lacking, and from which second on.
    """

    stage: Stage
    topics: Topics
    load: Load
    vendor: Vendor
    cut_ms: int = 0
    waited: list[str] = field(default_factory=list)
    _expected: tuple[object, set[Key]] = (None, set())

    def wait(self, component: str | None, since: float) -> tuple[float | None, str]:
        """Seconds from ``since`` (epoch seconds) until all holds at once; None and what lacks after LIMIT_SECONDS.

        ``waited`` then says from which second on what was lacking.
        """
        self.waited = []
        while True:
            asked = time.time()
            lacks = self.lacks(component, since)
            if lacks is None:
                return time.time() - since, ""
            if not self.waited or _kind(self.waited[-1].partition(": ")[2]) != _kind(lacks):
                self.waited.append(f"{asked - since:.0f} s: {lacks}")
            if time.time() - since > LIMIT_SECONDS:
                return None, lacks
            time.sleep(max(0.0, ASK_SECONDS - (time.time() - asked)))

    def lacks(self, component: str | None, since: float) -> str | None:
        """The first thing that does not hold yet; what is cheap to ask, and what others rest on, comes first."""
        try:
            return self._unhealthy(component, since) or self._bars() or self._run() or self.unquiet()
        except AWAY as error:
            return f"{type(error).__name__}: {error}"

    def unquiet(self) -> str | None:
        """Name a stage that has not come to the end of its topics; None when all have."""
        kafka = self.stage.kafka
        positions = [position for partition in self.stage.partitions for position in detector.positions_of(partition)]
        if lag := broker.lag(kafka, detector.GROUP, positions):
            return f"detection is {lag} messages behind"
        if lag := broker.lag(kafka, NOTIFIER, self.stage.positions(broker.ALERTS)):
            return f"notification is {lag} messages behind"
        if waiting := self.stage.people.waiting(self.stage):
            return waiting
        landed = landed_offsets(self.stage)
        behind = {position[0] for position, end in self.topics.ends().items() if landed.get(position, 0) != end}
        return f"landing is behind on {', '.join(sorted(behind))}" if behind else None

    def _unhealthy(self, name: str | None, since: float) -> str | None:
        if name is None:
            return None
        info = self.stage.stack.supervisor.info(name)
        if info["statename"] != "RUNNING":
            return f"{name} is {info['statename']}"
        # It must have shown itself after the fault.
        healthy = self.stage.component(name).healthy(max(since, info["start"]))
        return None if healthy else f"{name} is not healthy"

    def _bars(self) -> str | None:
        """Bars of the vendor that are not on Kafka, of all minutes that ended ``SETTLED_MS`` ago."""
        cut_ms = (now_ms() - SETTLED_MS) // MINUTE_MS * MINUTE_MS
        asked = cut_ms, self.stage.live_from_ms, self.load.windows[-1]
        if self._expected[0] != asked:
            expected, _ = self.vendor.minutes(LIVE, self.stage.live_from_ms, cut_ms)
            loaded, _ = self.vendor.minutes(LOAD, *self.load.windows[-1])
            self._expected = asked, {*expected, *loaded}
        self.topics.read_bars()
        missing = self._expected[1] - self.topics.bars.keys()
        if missing:
            return f"{len(missing)} bars are not on Kafka, first {min(missing, key=lambda key: key[2])}"
        self.cut_ms = cut_ms
        return None

    def _run(self) -> str | None:
        state = self.load.state()
        return None if state == "success" else f"the backfill is {state}"


def _kind(lacks: str) -> str:
    """Without its numbers, which change every second."""
    return re.sub(r"\d+", "", lacks)
