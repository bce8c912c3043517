"""The pulse: how far behind feed, detection, telling and warehouse are by the time of their data, and what is open.

The limits are those of DAG check_quality, which says the same to people when somebody is to be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from threading import Lock, Thread
from typing import Any, NamedTuple

from include.orchestration import connections, notifier, quality
from include.orchestration.application.database import fetch_rows, statement
from include.orchestration.process_wide import once_per_process
from include.orchestration.timetables import load_sessions
from include.surveillance.errors import SurveillanceError
from include.surveillance.settings import Settings
from include.surveillance.timespans import NEW_YORK, to_ms, to_utc

# What Kafka has said holds for so long, and whoever asks waits no longer than this for what it says next.
KEPT_SECONDS, PATIENCE_SECONDS = 5.0, 3.0
COUNTED = timedelta(days=30)
# What Airflow calls the timetable of a DAG without a schedule.
BY_HAND = "NullTimetable"
EMPTY = "the platform is empty: run DAG bootstrap_platform"


class Measured(NamedTuple):
    """Up to when a stage has all data; None and a sentence: nobody knows."""

    at: datetime | None
    problem: str | None = None


SILENT = Measured(None, "Kafka does not answer")


def read_pulse(now: datetime) -> dict[str, Any]:
    """Return the pulse as ``page/answers.py`` describes it. A platform without tables says what to do first.

    Raises:
        OperationalError: the database does not answer.
    """
    from psycopg.errors import UndefinedColumn, UndefinedTable

    settings = Settings.from_env()
    sessions = load_sessions(settings.market_calendar, settings.market_shift_ms)
    phase = sessions.phase(to_ms(now))
    answer: dict[str, Any] = {
        "now": now,
        "ready": True,
        "hint": None,
        "phase": phase,
        "exchange_time": now.astimezone(NEW_YORK),
        "paused": _list_paused(),
    }
    try:
        known = _ask_database(now, list(settings.channels()))
    except (UndefinedTable, UndefinedColumn):
        return answer | {"ready": False, "hint": EMPTY, "stages": [], "open_alerts": {}, "silences": 0}
    feed, detection, notified = _kafka().ask()
    told = min((it for it in (notified.at, known["waiting_since"]) if it), default=now)
    landed = Measured(known["landed_at"], None if known["landed_at"] else "nothing has been landed")
    measured = {
        "feed": ("ingest_market_data", feed, quality.OLDEST["minute"]),
        "detection": ("detect_anomalies", detection, quality.UNDETECTED),
        "telling": ("notify_alerts", Measured(None if notified.problem else told, notified.problem), quality.UNTOLD),
        "warehouse": ("land_raw", landed, quality.UNLANDED),
    }
    # Who polls and lands when the market is closed is nobody.
    asleep = phase == "closed"
    stages = [
        _describe(name, dag, it, limit, now, idle=asleep and name in ("feed", "warehouse"))
        for name, (dag, it, limit) in measured.items()
    ]
    return answer | {"stages": stages, "open_alerts": known["open_alerts"], "silences": known["silences"]}


def _describe(name: str, dag: str, it: Measured, limit: timedelta, now: datetime, *, idle: bool) -> dict[str, Any]:
    seconds = max(0.0, (now - it.at).total_seconds()) if it.at else None
    late = not idle and (seconds is None or seconds > limit.total_seconds())
    told = {"name": name, "dag": dag, "at": it.at, "seconds": seconds, "problem": it.problem}
    return told | {"limit": limit.total_seconds(), "late": late}


def _ask_database(now: datetime, channels: list[str]) -> dict[str, Any]:
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("read_pulse"), {"now": now, "since": now - COUNTED, "channels": channels})
        (row,) = fetch_rows(cursor)
        return row


class _Kafka:
    """How far feed, detection and notification are, asked by one thread of its own, however many want to know."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answer: Future[tuple[Measured, ...]] | None = None
        self._asked_at = self._answered_at = 0.0

    def ask(self) -> tuple[Measured, ...]:
        """Return what Kafka says, or that it does not answer: in PATIENCE_SECONDS since it was asked."""
        with self._lock:
            answer = self._answer
            if answer is None or (answer.done() and time.monotonic() - self._answered_at >= KEPT_SECONDS):
                answer = self._answer = Future()
                self._asked_at = time.monotonic()
                # Nobody waits for it when the server stops.
                Thread(target=self._fill, args=[answer], name="pulse", daemon=True).start()
            until = self._asked_at + PATIENCE_SECONDS
        try:
            return answer.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            return SILENT, SILENT, SILENT

    def _fill(self, answer: Future[tuple[Measured, ...]]) -> None:
        try:
            said = tuple(map(_measure, (_measure_feed, _measure_detection, _measure_notification)))
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._answered_at = time.monotonic()
            answer.set_exception(error)
        else:
            self._answered_at = time.monotonic()
            answer.set_result(said)


@once_per_process
def _kafka() -> _Kafka:
    # What is slow to load is not Kafka's silence.
    from include.surveillance import broker  # noqa: F401

    return _Kafka()


def _measure(ask: Callable[[], datetime | None]) -> Measured:
    try:
        at = ask()
    except SurveillanceError as error:
        return Measured(None, str(error))
    return Measured(at, None if at else "nothing has come yet")


def _measure_feed() -> datetime | None:
    newest = quality.measure_feeds().get("minute")
    return to_utc(newest) if newest else None


def _measure_detection() -> datetime:
    return _oldest(quality.measure_detection)


def _measure_notification() -> datetime:
    from include.surveillance import broker

    kafka = connections.kafka()
    positions = [(broker.ALERTS, partition) for partition in broker.partitions_of(kafka, broker.ALERTS)]
    return _oldest(partial(broker.oldest_unread, kafka, notifier.GROUP, positions))


def _oldest(ask: Callable[[], Any]) -> datetime:
    """Return when the oldest message was stored that is not handled; now, where all are."""
    began = time.time()
    return to_utc(min(ask().values(), default=began * 1_000))


def _list_paused() -> list[str]:
    """Name the DAGs that are paused; those that only people start wait for nothing."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        waiting = (DagModel.is_paused, ~DagModel.is_stale, DagModel.timetable_type != BY_HAND)
        return list(session.scalars(select(DagModel.dag_id).where(*waiting).order_by(DagModel.dag_id)))
