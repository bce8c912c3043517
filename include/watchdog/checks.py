"""Looks at each component as its clients would, with a time limit of its own; none needs another to work.

A check returns what it saw. What it raises says that the component does not answer.
"""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import redis
import requests

from include.connection_texts import read_kafka, read_postgres
from include.surveillance import broker, wire
from include.surveillance.errors import BrokerError, LogBrokenError, SurveillanceError
from include.surveillance.live import progress as detection
from include.surveillance.places import Place
from include.surveillance.records import Bar, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.timespans import MINUTE_MS
from include.surveillance.warehouse import progress as landing
from include.watchdog.causes import Sight
from include.watchdog.settings import WatchdogSettings

LOG = logging.getLogger(__name__)

# A component that is asked and does not answer has so long to be started anew, or to get through a busy moment.
PATIENCE_SECONDS = 60.0
TIMEOUT_SECONDS = 15.0
# A heartbeat is sent every five seconds.
DOUBTFUL_HEARTBEAT, OLDEST_HEARTBEAT = 20.0, 60.0
# What the health of the api-server calls a component -> the component.
HEARTBEATS = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "dag-processor"}
# A polled feed -> the minutes between two polls.
FEEDS = {"minute": 1, "5minute": 5}
# Bars come in nearly every minute if they did in so many of the minutes before.
BUSY_MINUTES, OF_MINUTES = 25, 30
TAIL = 2_000
DETECTION_SECONDS, LANDING_SECONDS = 180.0, 600.0
LANDING_EVERY_SECONDS = 60.0
FULL_PERCENT, FULL_BYTES = 1.0, 64 * 1024 * 1024
# To be over there must be so much more than the limit.
HYSTERESIS = 1.2


class Check(ABC):
    """One look, again and again.

    Attributes:
        name: of the cause when the look itself fails or does not end.
        patience: see ``Sight``; of that.
        second_hand: it asks by way of a component that is looked at by itself: when it fails, nobody knows.
    """

    name: str
    patience = PATIENCE_SECONDS
    second_hand = False

    @abstractmethod
    def look(self, now: float) -> Iterable[Sight]:
        """Return what is to be seen at ``now``, epoch seconds.

        Raises:
            Exception: the component does not answer; the text is for people.
        """


class Postgres(Check):
    """Signs in and asks."""

    name = "postgres"

    def __init__(self, connection: str):
        self._login = read_postgres(connection) | {"connect_timeout": round(TIMEOUT_SECONDS)}

    def look(self, now: float) -> Iterable[Sight]:
        import psycopg2

        try:
            with closing(psycopg2.connect(**self._login)) as connection, connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error as error:
            raise SurveillanceError(f"PostgreSQL does not answer: {_first_line(error)}") from None
        return [Sight(self.name)]


class Redis(Check):
    """Pings."""

    name = "redis"

    def __init__(self, url: str):
        self._client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, health_check_interval=0
        )

    def look(self, now: float) -> Iterable[Sight]:
        try:
            self._client.ping()
        except redis.RedisError as error:
            raise SurveillanceError(f"Redis does not answer: {type(error).__name__}") from None
        return [Sight(self.name)]


class Workers(Check):
    """Asks Celery's workers, over Redis, for a sign of life."""

    name = "workers"
    second_hand = True

    def __init__(self, broker_url: str, names: Iterable[str]):
        import celery

        self._app = celery.Celery(broker=broker_url)
        self._app.conf.broker_transport_options = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
        }
        self._names, self._known = tuple(names), 0

    def look(self, now: float) -> Iterable[Sight]:
        # It waits out its time unless it knows how many answers to wait for.
        answers = self._app.control.ping(timeout=3, limit=self._known or None) or []
        found = [name for answer in answers for name in answer]
        self._known = max(len(self._names), len(found))
        return [
            Sight(name)
            if any(who.startswith(name) for who in found)
            else Sight(name, "failing", f"{name} does not answer; read its log and restart it", PATIENCE_SECONDS)
            for name in self._names
        ]


class Server(Check):
    """Asks an address."""

    def __init__(self, name: str, url: str):
        self.name, self._url, self._session = name, url, requests.Session()

    def look(self, now: float) -> Iterable[Sight]:
        self.ask()
        return [Sight(self.name)]

    def ask(self) -> requests.Response:
        try:
            answer = self._session.get(self._url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        except (OSError, ValueError) as error:
            raise SurveillanceError(f"{self.name} does not answer: {type(error).__name__}") from None
        if answer.status_code >= 400:
            raise SurveillanceError(f"{self.name} answers {answer.status_code}; read its log")
        return answer


class Heartbeats(Server):
    """Asks the api-server when scheduler, triggerer and DAG processor last said that they work.

    One that stands still lives, and its process is there; its heartbeat grows old.
    """

    def __init__(self, address: str):
        super().__init__("api-server", f"{address}/api/v2/monitor/health")

    def look(self, now: float) -> Iterable[Sight]:
        health = self.ask().json()
        if health["metadatabase"]["status"] != "healthy":
            raise SurveillanceError("the api-server cannot reach its database")
        return [Sight(self.name), *(self._judge(key, health.get(key) or {}, now) for key in HEARTBEATS)]

    def _judge(self, key: str, component: Mapping[str, Any], now: float) -> Sight:
        name, newest = HEARTBEATS[key], component.get(f"latest_{key}_heartbeat")
        if newest is None:
            return Sight(name, "failing", f"{name} has never sent a heartbeat; start it", PATIENCE_SECONDS)
        age = now - datetime.fromisoformat(newest).timestamp()
        if age <= DOUBTFUL_HEARTBEAT:
            return Sight(name)
        text = f"{name} stands still: its newest heartbeat is {age:.0f} s old; read its log and restart it"
        return Sight(name, "failing" if age > OLDEST_HEARTBEAT else "doubtful", text)


class Kafka(Check):
    """Follows the topic of bars: does Kafka answer, is each feed polled, do bars come?

    Args:
        feed_seconds: how late a poll may be.
    """

    name = "kafka"

    def __init__(self, kafka: broker.Kafka, settings: Settings, feed_seconds: float):
        self._kafka, self._feed_seconds = kafka, feed_seconds
        self._polled = Sessions(settings.poll_calendar, settings.market_shift_ms)
        self._market = Sessions(settings.market_calendar, settings.market_shift_ms)
        self._feeds = {feed: minutes for feed, minutes in FEEDS.items() if feed in settings.poll_timespans}
        self._bounds: broker.Bounds | None = None
        self._reader: broker.Reader | None = None
        # Feed -> when its newest poll was stored, epoch ms.
        self._stored: dict[str, int] = {}
        # Minutes of which there was a bar; when the newest one was stored.
        self._minutes: set[int] = set()
        self._newest_ms = self._advanced_ms = 0
        self._began = time.time()

    def look(self, now: float) -> Iterable[Sight]:
        try:
            self._read()
        except LogBrokenError:
            self._close()  # another log: from its end on
            return []
        except BrokerError as error:
            self._close()
            raise SurveillanceError(f"Kafka does not answer: {_first_line(error)}") from None
        return [Sight(self.name), self._judge_feeds(now), self._judge_bars(now)]

    def _read(self) -> None:
        if self._reader is None:
            self._bounds = broker.Bounds(self._kafka)
            identity = self._bounds.identify({broker.BARS})[broker.BARS]
            positions = [(broker.BARS, number) for number in range(identity.partitions)]
            ends = {position: self._bounds(position) for position in positions}
            starts = {position: Place(max(low, end - TAIL)) for position, (low, end) in ends.items()}
            self._reader = broker.Reader(self._kafka, starts, bounds=self._bounds)
        for batch in self._reader.read_all():
            for message in batch.messages:
                self._take(message)

    def _take(self, message: broker.Received) -> None:
        try:
            record = wire.decode(message.value)
        except wire.WireError:
            return  # whoever consumes it rejects it
        if isinstance(record, Watermark) and record.source == "live":
            self._stored[record.timespan] = max(self._stored.get(record.timespan, 0), message.timestamp_ms)
        elif isinstance(record, Bar) and record.source == "live" and record.timespan == "minute":
            self._minutes.add(record.ts_ms // MINUTE_MS)
            if record.ts_ms > self._newest_ms:
                self._newest_ms, self._advanced_ms = record.ts_ms, message.timestamp_ms

    def _judge_feeds(self, now: float) -> Sight:
        session = self._polled.at_or_before(round(now * 1_000))
        silent = []
        for feed, minutes in self._feeds.items():
            stored = self._stored.get(feed)
            # What was never polled is not in operation; what has just opened or begun has its whole time.
            if stored is None or session is None or now * 1_000 >= session.close_ms:
                continue
            since = max(stored / 1_000, session.open_ms / 1_000, self._began)
            if now - since > (minutes - 1) * 60 + self._feed_seconds:
                silent.append(f"{feed}: newest poll {now - stored / 1_000:.0f} s ago")
        text = f"nothing is polled ({'; '.join(silent)}); look at DAG ingest_market_data and at the vendor"
        return Sight("feed", "failing" if silent else "well", text)

    def _judge_bars(self, now: float) -> Sight:
        session = self._market.at_or_before(round(now * 1_000))
        newest = self._newest_ms // MINUTE_MS
        self._minutes = {minute for minute in self._minutes if minute > newest - OF_MINUTES}
        quiet = session is None or not session.open_ms <= now * 1_000 < session.close_ms
        since = max(self._advanced_ms / 1_000, self._began, session.open_ms / 1_000 if session else 0.0)
        if quiet or len(self._minutes) < BUSY_MINUTES or now - since <= self._feed_seconds + 30:
            return Sight("bars")
        age = now - self._advanced_ms / 1_000
        text = f"no new bar of any symbol for {age:.0f} s, though they came every minute; ask the vendor"
        return Sight("bars", "failing", text)

    def _close(self) -> None:
        for client in (self._reader, self._bounds):
            if client is not None:
                client.close()
        self._reader = self._bounds = None


class Progress(Check):
    """Asks Kafka for how long the oldest message that a group has not consumed has been waiting.

    Args:
        list_positions: which partitions it consumes.
        every: seconds between two looks; what has been seen holds meanwhile.
    """

    second_hand = True

    def __init__(
        self,
        name: str,
        kafka: broker.Kafka,
        group: str,
        dag: str,
        allowed: float,
        list_positions: Callable[[broker.Kafka], list[broker.Position]],
        every: float = 0.0,
    ):
        self.name, self._dag, self._allowed, self._every = name, dag, allowed, every
        self._kafka, self._group, self._list = kafka, group, list_positions
        self._looked, self._sight = float("-inf"), Sight(name)
        self._probe: broker.LagProbe | None = None

    def look(self, now: float) -> Iterable[Sight]:
        if now - self._looked >= self._every:
            self._looked = now
            try:
                self._sight = self._measure(now)
            except LogBrokenError as error:
                self._close()
                self._sight = Sight(self.name, "failing", f"{self.name}: {error}; look at DAG {self._dag}", 60.0)
            except BrokerError:
                self._close()
                raise
        return [self._sight]

    def _measure(self, now: float) -> Sight:
        if self._probe is None:
            positions = self._list(self._kafka)
            if not positions:
                return Sight(self.name)
            self._probe = broker.LagProbe(self._kafka, self._group, positions)
        oldest = self._probe.oldest_unread()
        if not oldest:
            return Sight(self.name)
        age = now - min(oldest.values()) / 1_000
        text = f"{self.name} is behind: the oldest message that it has not seen is {age:.0f} s old"
        if age > self._allowed:
            return Sight(self.name, "failing", f"{text} (allowed {self._allowed:.0f} s); look at DAG {self._dag}")
        return Sight(self.name)

    def _close(self) -> None:
        if self._probe is not None:
            self._probe.close()
        self._probe = None


class Machine(Check):
    """Looks at free space and available memory."""

    name = "machine"

    def __init__(self, folders: Iterable[str], disk_percent: float, memory_percent: float):
        self._folders, self._disk, self._memory = tuple(folders), disk_percent, memory_percent
        self._low: set[str] = set()

    def look(self, now: float) -> Iterable[Sight]:
        seen: dict[int, str] = {}
        for folder in self._folders:
            if Path(folder).exists():
                seen.setdefault(Path(folder).stat().st_dev, folder)
        several = len(seen) > 1
        for folder in seen.values():
            yield from self._judge_disk(folder, f" {folder}" if several else "")
        memory = psutil.virtual_memory()
        yield self._judge(
            "memory",
            100 * memory.available / memory.total,
            self._memory,
            f"memory is short: {_size(memory.available)} of {_size(memory.total)} available",
            "see which component takes it",
        )

    def _judge_disk(self, folder: str, name: str) -> Iterable[Sight]:
        space = os.statvfs(folder)
        total, free = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
        # Some file systems count no inodes.
        inodes = 100 * space.f_favail / space.f_files if space.f_files else 100.0
        percent = min(100 * free / total if total else 0.0, inodes)
        what = f"{_size(free)} of {_size(total)} free" if percent < inodes or inodes == 100 else "no inodes left"
        full = percent < FULL_PERCENT and (free < FULL_BYTES or percent == inodes)
        text, then = f"the disk of {folder} is", "see what grows, and make room"
        yield (
            Sight(f"disk-full{name}", "failing", f"{text} full: {what}; {then}") if full else Sight(f"disk-full{name}")
        )
        yield self._judge(f"disk{name}", percent, self._disk, f"{text} nearly full: {what}", then)

    def _judge(self, cause: str, percent: float, limit: float, text: str, then: str) -> Sight:
        if percent < limit * (HYSTERESIS if cause in self._low else 1.0):
            self._low.add(cause)
            return Sight(cause, "failing", f"{text} ({percent:.1f} %, allowed {limit:g} %); {then}", PATIENCE_SECONDS)
        self._low.discard(cause)
        return Sight(cause)


def make_checks(given: Mapping[str, str], settings: WatchdogSettings) -> list[Check]:
    """Make the checks of whatever the environment ``given`` says how to reach; say what is not watched."""
    checks: list[Check] = [
        Machine(settings.watchdog_folders, settings.watchdog_disk_percent, settings.watchdog_memory_percent)
    ]

    def watch(variable: str, make: Callable[[str], list[Check]], what: str) -> None:
        if value := given.get(variable, "").strip():
            checks.extend(make(value))
        else:
            LOG.warning("not watched: %s; set %s", what, variable)

    watch("AIRFLOW_CONN_SURVEILLANCE_READER", lambda it: [Postgres(it)], "PostgreSQL")
    watch(
        "AIRFLOW__CELERY__BROKER_URL",
        lambda it: [Redis(it), Workers(it, settings.watchdog_workers)],
        "Redis and the workers",
    )
    watch(
        "WATCHDOG_AIRFLOW",
        lambda it: [Heartbeats(settings.watchdog_airflow)],
        "the api-server, and through it scheduler, triggerer and DAG processor",
    )
    watch(
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        lambda it: [Server("execution-api", f"{it.rstrip('/')}/health")],
        "the execution API",
    )
    watch(
        "WATCHDOG_WAREHOUSE", lambda it: [Server("warehouse", f"{settings.watchdog_warehouse}/health")], "the warehouse"
    )
    watch(
        "AIRFLOW_CONN_KAFKA_DEFAULT",
        lambda it: _kafka_checks(it, Settings.from_env(given), settings),
        "Kafka, the feeds, detection and landing",
    )
    return checks


def _kafka_checks(connection: str, platform: Settings, settings: WatchdogSettings) -> list[Check]:
    kafka = read_kafka(connection)
    return [
        Kafka(kafka, platform, settings.watchdog_feed_seconds),
        Progress("detection", kafka, detection.GROUP, "detect_anomalies", DETECTION_SECONDS, detection.list_detected),
        Progress(
            "landing",
            kafka,
            landing.GROUP,
            "land_raw",
            max(LANDING_SECONDS, 3.0 * platform.land_every_seconds),
            landing.list_landed,
            every=LANDING_EVERY_SECONDS,
        ),
    ]


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _size(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
