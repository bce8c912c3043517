"""Watch the watcher: is data coming in, looked at, landed and notified of? Each check fails with one sentence.

Kafka's client and what detection loads are imported by the check that needs them, not by whoever parses the DAG.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from include.orchestration import channels, connections
from include.orchestration.application.database import statement
from include.orchestration.ingest import polling
from include.surveillance.errors import ConfigurationError, LogBrokenError, QualityError
from include.surveillance.records import AnyRecord, Bar, Profile, Reject, Watermark
from include.surveillance.settings import Settings
from include.surveillance.timespans import now_ms, to_ms, to_utc

if TYPE_CHECKING:
    from include.surveillance.detection.missing_minutes import Missing

# Per feed that is polled while the market is open: how old its newest watermark may be.
OLDEST = {"minute": timedelta(minutes=5), "5minute": timedelta(minutes=15)}
# How long a message may wait for detection, a record for the warehouse, a person for an alert.
UNDETECTED, UNLANDED, UNTOLD = timedelta(minutes=3), timedelta(minutes=15), timedelta(minutes=10)
# Missing minutes are looked for over SPAN, but for the newest POLLED_AGAIN, and reported by one of the checks EVERY.
EVERY, POLLED_AGAIN, SPAN = timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=30)
# What Airflow calls a component's job -> the component.
COMPONENTS = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag-processor"}
# Whose fault it is that minutes are missing -> what happened, and what to do next.
FAULTS = {
    "provider gap": ("the provider sent no bars", "ask the provider; detection goes on over the bars that exist"),
    "our outage": ("nobody asked for the bars", "look at DAG ingest_market_data"),
}


def check_feeds(now: datetime) -> dict[str, float]:
    """Return the seconds since the newest watermark of each feed.

    Raises:
        QualityError: a feed is older than allowed.
    """
    newest = measure_feeds()
    ages = {feed: now.timestamp() - newest.get(feed, 0) / 1_000 for feed in OLDEST}
    late = [
        f"{feed}: " + (f"newest poll is of {_utc(newest[feed])}, {ages[feed]:.0f} s ago" if feed in newest else "never")
        for feed, oldest in OLDEST.items()
        if ages[feed] > oldest.total_seconds()
    ]
    if late:
        raise QualityError(f"feeds are late ({'; '.join(late)}); look at DAG ingest_market_data")
    return ages


def measure_feeds() -> dict[str, int]:
    """Return of each feed up to when it was asked for last, UTC epoch ms."""
    from include.surveillance import broker

    newest: dict[str, int] = {}
    for record in _read_newest(broker.BARS):
        if isinstance(record, Watermark) and record.source == "live":
            newest[record.timespan] = max(newest.get(record.timespan, 0), record.as_of_ms)
    return newest


def check_detection(allowed: timedelta = UNDETECTED) -> float:
    """Return for how many seconds the oldest message that detection has not seen has been waiting; 0.0: none is.

    Raises:
        QualityError: longer than ``allowed``, or nobody knows.
    """
    try:
        oldest = measure_detection()
    except LogBrokenError as error:
        raise QualityError(f"how far detection is behind is unknown: {error}; look at DAG detect_anomalies") from error
    if not oldest:
        return 0.0
    (topic, partition), stored_ms = min(oldest.items(), key=itemgetter(1))
    age = timedelta(milliseconds=now_ms() - stored_ms)
    if age > allowed:
        raise QualityError(
            f"detection of partition {partition} has not seen a message of {topic} since {_utc(stored_ms)}, "
            f"{age.total_seconds():.0f} s (allowed {allowed.total_seconds():.0f} s); look at DAG detect_anomalies"
        )
    return age.total_seconds()


def measure_detection() -> dict[tuple[str, int], int]:
    """Return when Kafka stored the first message that detection has not seen, by topic and partition, UTC epoch ms.

    Raises:
        LogBrokenError: nobody knows.
    """
    from include.surveillance import broker
    from include.surveillance.live import progress

    kafka = connections.kafka()
    return broker.oldest_unread(kafka, progress.GROUP, progress.list_detected(kafka))


def check_components(allowed: timedelta = timedelta(minutes=2)) -> dict[str, float]:
    """Return the seconds since the newest heartbeat of Airflow's scheduler, triggerer and DAG processor.

    A triggerer that stands still lives, restarts nothing and sends no heartbeat; nor does it send what is to be said
    of late runs, so that nobody else would say it.

    Raises:
        QualityError: one of them has sent none for longer than ``allowed``, or never.
    """
    with connections.metadata_database() as metadata, metadata.cursor() as cursor:
        cursor.execute(statement("newest_heartbeats"))
        seconds: dict[str, float] = dict(cursor.fetchall())
    ages = {name: seconds[job] for job, name in COMPONENTS.items() if job in seconds}
    silent = [
        f"{name}: " + (f"newest heartbeat {ages[name]:.0f} s ago" if name in ages else "none")
        for name in COMPONENTS.values()
        if name not in ages or ages[name] > allowed.total_seconds()
    ]
    if silent:
        raise QualityError(f"components are silent ({'; '.join(silent)}); read their logs and restart them")
    return ages


def check_landing(now: datetime, allowed: timedelta = UNLANDED) -> float:
    """Return the seconds since the warehouse last stored offsets.

    Raises:
        QualityError: longer than ``allowed`` ago, or never.
    """
    from include.surveillance.warehouse.landing import last_landing

    with connections.warehouse() as warehouse:
        last = last_landing(warehouse)
    if last is None:
        raise QualityError("nothing has ever been landed; look at DAG land_raw")
    if now - last > allowed:
        raise QualityError(
            f"nothing landed since {last:%Y-%m-%d %H:%M:%S} UTC (allowed {allowed}); look at DAG land_raw"
        )
    return (now - last).total_seconds()


def check_notification(now: datetime, allowed: timedelta = UNTOLD) -> int:
    """Return how many messages wait to be sent.

    Raises:
        QualityError: one of them for longer than ``allowed``, a channel has taken none for as long or lacks its
            connection, or there is a channel's connection that no setting asks for.
    """
    names = list(Settings.from_env().channels())
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("pending_alerts"), {"before": now - allowed, "channels": names})
        pending: int
        pending, overdue = cursor.fetchone()
        cursor.execute(statement("failing_channels"), {"before": now - allowed, "channels": names})
        wrong = [f"channel {name} fails since {since:%H:%M} UTC: {error}" for name, since, error in cursor.fetchall()]
    if overdue:
        wrong.append(f"nobody has been notified of {overdue} alerts for {allowed}; look at DAG notify_alerts")
    for name in names:
        try:
            channels.open_channel(name).check()
        except ConfigurationError as error:
            wrong.append(str(error))
    if unnamed := channels.find_unnamed(names):
        wrong.append(f"connection {', '.join(unnamed)} is defined, but ALERT_CHANNELS names no such channel; add it")
    if wrong:
        raise QualityError(f"people are not notified as they should be: {'; '.join(wrong)}")
    return pending


def check_rejects(since: datetime, limit: int = 100) -> int:
    """Return how many different records live polls rejected since then; a backfill may bring up old ones at will.

    Raises:
        QualityError: more than ``limit``; the message names the most frequent reason.
    """
    from include.surveillance import broker
    from include.surveillance.validity import NO_TRADE

    # By id: each poll's overlap rejects the same bar again.
    different = {
        record.event_id: record.reason
        for record in _read_newest(broker.REJECTED)
        if isinstance(record, Reject)
        and record.source == "live"
        and record.polled_ms >= to_ms(since)
        # Bars without volume are no fault, and a vendor who sends them sends many.
        and record.reason != NO_TRADE
    }
    if len(different) > limit:
        reason, count = Counter(different.values()).most_common(1)[0]
        raise QualityError(
            f"{len(different)} records rejected since {since:%H:%M} UTC, {count} for {reason!r} (allowed {limit})"
        )
    return len(different)


def check_missing_minutes(now: datetime) -> dict[str, int]:
    """Return the missing minute bars of the last half hour per cause, added up over the symbols.

    The newest five minutes are left out: polls ask for them again.

    Raises:
        QualityError: among the five minutes before those, the provider left some out or nobody asked for some.
    """
    from include.surveillance import broker
    from include.surveillance.detection.missing_minutes import count_minutes, find_missing_minutes
    from include.surveillance.sessions import Sessions

    settings = Settings.from_env()
    until = now - POLLED_AGAIN
    since_ms, until_ms = to_ms(until - SPAN), to_ms(until)
    watched = set(polling.read_watchlist())
    records = [
        record
        for record in broker.records_since(connections.kafka(), broker.BARS, since_ms)
        if isinstance(record, Bar) or (isinstance(record, Watermark) and record.source == "live")
        if record.symbol in watched
    ]
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    rows = find_missing_minutes(records, _read_profiles(until_ms), sessions, since_ms, until_ms)
    faults = defaultdict(list)
    for row in rows:
        if row.cause in FAULTS and row.end_ms > to_ms(until - EVERY):
            faults[row.cause].append(row)
    if faults:
        raise QualityError("; ".join(_describe(*FAULTS[cause], missing) for cause, missing in faults.items()))
    return count_minutes(rows)


def _describe(what: str, next_step: str, rows: Sequence[Missing]) -> str:
    symbols = sorted({row.symbol for row in rows})
    named = f"{', '.join(symbols[:5])}{' and more' if len(symbols) > 5 else ''}"
    start, end = _utc(min(row.start_ms for row in rows)), _utc(max(row.end_ms for row in rows))
    return f"{what} of {len(symbols)} symbols ({named}) between {start} and {end}; {next_step}"


def _read_profiles(at_ms: int) -> dict[str, Profile]:
    """Read the newest profile of minute bars of each symbol that is in force."""
    from include.surveillance import broker, wire

    newest: dict[str, Profile] = {}
    for key, value in broker.read_compacted(connections.kafka(), broker.BASELINES).items():
        # By key, for the topic also holds the profiles of other timespans and all corporate actions.
        if key.startswith("profile|") and "|minute|" in key:
            profile = wire.decode(value)
            if isinstance(profile, Profile) and profile.effective_ms <= at_ms:
                newest[profile.symbol] = max(
                    profile, newest.get(profile.symbol, profile), key=attrgetter("effective_ms")
                )
    return newest


def _read_newest(topic: str) -> list[AnyRecord]:
    from include.surveillance import broker

    return broker.newest_records(connections.kafka(), topic)


def _utc(ts_ms: float) -> str:
    return f"{to_utc(ts_ms):%Y-%m-%d %H:%M:%S} UTC"
