"""Watch the watcher: is data coming in, being looked at, landed and told of? Each check fails with one sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.orchestration import connections
from include.orchestration.application import statements
from include.surveillance.errors import SurveillanceError

if TYPE_CHECKING:
    from include.surveillance.detection.missing_minutes import Missing
    from include.surveillance.records import Profile, Record

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
    from include.surveillance.records import Watermark

    newest: dict[str, int] = {}
    for record in _newest(broker.BARS):
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
    from include.surveillance.live import detector
    from include.surveillance.settings import Settings

    partitions = range(Settings.from_env().kafka_partitions)
    positions = [position for partition in partitions for position in detector.positions_of(partition)]
    behind = broker.lag(connections.kafka(), detector.GROUP, positions)
    if behind > limit:
        raise QualityError(f"detection is {behind} messages behind (allowed {limit}); look at DAG detect_anomalies")
    return behind


def landing(now: datetime, allowed: timedelta = timedelta(minutes=15)) -> float:
    """Seconds since the warehouse last stored offsets.

    Raises:
        QualityError: longer than ``allowed`` ago, or never.
    """
    with connections.warehouse() as warehouse, warehouse.cursor() as cursor:
        last = cursor.execute(statements.statement("last_landing")).fetchone()[0]
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
    from include.surveillance.records import Reject

    # By id: each poll's overlap rejects the same bar again.
    different = {
        record.event_id: record.reason
        for record in _newest(broker.REJECTED)
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
        cursor.execute(statements.statement("pending_alerts"), {"before": now - allowed})
        pending, overdue = cursor.fetchone()
    if overdue:
        raise QualityError(f"nobody has been told of {overdue} alerts for {allowed}; look at DAG notify_alerts")
    return pending


def utc(ts_ms: float) -> str:
    return f"{datetime.fromtimestamp(ts_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


EVERY, SETTLING, SPAN = timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=30)


def missing_minutes(now: datetime) -> dict[str, int]:
    """Missing minute bars of the last half hour per cause, added up over the symbols.

    The newest five minutes are left out: polls ask for them again.

    Raises:
        QualityError: among the five minutes before those, the provider left some out or nobody asked for some.
    """
    from include.orchestration.ingest import polling
    from include.surveillance import broker
    from include.surveillance.detection.missing_minutes import count
    from include.surveillance.detection.missing_minutes import missing_minutes as classified
    from include.surveillance.records import Bar, Watermark
    from include.surveillance.sessions import Sessions
    from include.surveillance.settings import Settings

    settings = Settings.from_env()
    until_ms = round((now - SETTLING).timestamp() * 1_000)
    since_ms = until_ms - round(SPAN.total_seconds() * 1_000)
    watched = set(polling.symbols())
    records = [
        record
        for record in broker.records_since(connections.kafka(), broker.BARS, settings.kafka_partitions, since_ms)
        if isinstance(record, Bar) or (isinstance(record, Watermark) and record.source == "live")
        if record.symbol in watched
    ]
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    rows = classified(records, _profiles(until_ms), sessions, since_ms, until_ms)
    # Every check looks back over half an hour, and tells of what the check before could not see yet.
    newest_ms = until_ms - round(EVERY.total_seconds() * 1_000)
    faults = [row for row in rows if row.cause in ("provider gap", "our outage") and row.end_ms > newest_ms]
    if faults:
        raise QualityError("; ".join(_described(cause, rows) for cause, rows in _by_cause(faults).items()))
    return count(rows)


def _by_cause(rows: Iterable[Missing]) -> dict[str, list[Missing]]:
    by_cause = defaultdict(list)
    for row in rows:
        by_cause[row.cause].append(row)
    return by_cause


def _described(cause: str, rows: Sequence[Missing]) -> str:
    symbols = sorted({row.symbol for row in rows})
    named = f"{', '.join(symbols[:5])}{' and more' if len(symbols) > 5 else ''}"
    what, look = {
        "provider gap": ("the provider sent no bars", "ask the provider; detection goes on over the bars that exist"),
        "our outage": ("nobody asked for the bars", "look at DAG ingest_market_data"),
    }[cause]
    start_ms, end_ms = min(row.start_ms for row in rows), max(row.end_ms for row in rows)
    return f"{what} of {len(symbols)} symbols ({named}) between {utc(start_ms)} and {utc(end_ms)}; {look}"


def _profiles(at_ms: int) -> dict[str, Profile]:
    """The newest profile of minute bars of each symbol that is in force."""
    from include.surveillance import broker, wire
    from include.surveillance.records import Profile

    newest: dict[str, Profile] = {}
    for key, value in broker.read_compacted(connections.kafka(), broker.BASELINES).items():
        # By key, for the topic also holds the profiles of other timespans and all corporate actions.
        if key.startswith("profile|") and "|minute|" in key:
            profile = wire.decode(value)
            held = newest.get(profile.symbol)
            if isinstance(profile, Profile) and profile.effective_ms <= at_ms:
                newest[profile.symbol] = max(profile, held, key=_effective) if held else profile
    return newest


def _effective(profile: Profile) -> int:
    return profile.effective_ms


def _newest(topic: str) -> list[Record]:
    from include.surveillance import broker
    from include.surveillance.settings import Settings

    return broker.newest_records(connections.kafka(), topic, Settings.from_env().kafka_partitions)
