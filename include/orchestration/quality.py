"""Watch the watcher: is data coming in, being looked at, landed and told of? Each check fails with one sentence."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from include.orchestration import connections, notifications, recent
from include.surveillance.errors import SurveillanceError

# Per feed that is polled while the market is open: how old its newest watermark may be.
OLDEST = {"minute": timedelta(minutes=5), "5minute": timedelta(minutes=15)}


class QualityError(SurveillanceError):
    """The platform does not keep its promise; the message says which stage and since when."""


def feeds(now: datetime) -> dict[str, float]:
    """Seconds since the newest watermark of each feed.

    Raises:
        QualityError: a feed is older than allowed.
    """
    from include.surveillance import broker
    from include.surveillance.models import Watermark

    newest: dict[str, int] = {}
    for record in recent.tail(broker.BARS):
        if isinstance(record, Watermark) and record.source == "live":
            newest[record.timespan] = max(newest.get(record.timespan, 0), record.as_of_ms)
    ages = {feed: now.timestamp() - newest.get(feed, 0) / 1_000 for feed in OLDEST}
    late = [
        f"{feed}: newest poll is of {utc(newest[feed])}, {ages[feed]:.0f} s ago" if feed in newest else f"{feed}: never"
        for feed, oldest in OLDEST.items()
        if ages[feed] > oldest.total_seconds()
    ]
    if late:
        raise QualityError(f"feeds are late ({'; '.join(late)}); look at DAG ingest_market_data")
    return ages


def detection(limit: int = 50_000) -> int:
    """How many messages detection is behind.

    Raises:
        QualityError: more than ``limit``.
    """
    from include.surveillance import broker
    from include.surveillance.detection import microbatch
    from include.surveillance.settings import Settings

    partitions = range(Settings.from_env().kafka_partitions)
    positions = [position for partition in partitions for position in microbatch.positions_of(partition)]
    behind = broker.lag(connections.kafka(), microbatch.GROUP, positions)
    if behind > limit:
        raise QualityError(f"detection is {behind} messages behind (allowed {limit}); look at DAG detect_anomalies")
    return behind


def landing(now: datetime, allowed: timedelta = timedelta(minutes=15)) -> float:
    """Seconds since the warehouse last stored offsets.

    Raises:
        QualityError: longer than ``allowed`` ago, or never.
    """
    with connections.warehouse() as warehouse, warehouse.cursor() as cursor:
        last = cursor.execute(notifications.statement("last_landing")).fetchone()[0]
    if last is None:
        raise QualityError("nothing has ever been landed; look at DAG land_raw")
    age = now - last.replace(tzinfo=UTC)
    if age > allowed:
        raise QualityError(
            f"nothing landed since {last:%Y-%m-%d %H:%M:%S} UTC (allowed {allowed}); look at DAG land_raw"
        )
    return age.total_seconds()


def rejects(since: datetime, limit: int = 100) -> int:
    """How many different records live polls rejected since then; a backfill may bring up old ones at will.

    Raises:
        QualityError: more than ``limit``; the message names the most frequent reason.
    """
    from include.surveillance import broker
    from include.surveillance.models import Reject

    # By id: each poll's overlap rejects the same bar again.
    different = {
        record.event_id: record.reason
        for record in recent.tail(broker.REJECTED)
        if isinstance(record, Reject) and record.source == "live" and record.polled_ms >= since.timestamp() * 1_000
    }
    reasons = list(different.values())
    if len(reasons) > limit:
        reason, count = Counter(reasons).most_common(1)[0]
        raise QualityError(
            f"{len(reasons)} records rejected since {since:%H:%M} UTC, {count} for {reason!r} (allowed {limit})"
        )
    return len(reasons)


def notification(now: datetime, allowed: timedelta = timedelta(minutes=10)) -> int:
    """How many alerts wait to be told of.

    Raises:
        QualityError: one of them for longer than ``allowed``.
    """
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(notifications.statement("pending_alerts"), {"before": now - allowed})
        pending, overdue = cursor.fetchone()
    if overdue:
        raise QualityError(f"nobody has been told of {overdue} alerts for {allowed}; look at DAG notify_alerts")
    return pending


def utc(ts_ms: float) -> str:
    return f"{datetime.fromtimestamp(ts_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
