"""What the vendor has revised since it was polled: sessions asked for again, and only what differs published."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.orchestration import connections
from include.orchestration.ingest import backfill, polling
from include.orchestration.timetables import load_sessions
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import BARS, NEWS, Bar, NewsItem, Reject
from include.surveillance.settings import Settings
from include.surveillance.timespans import new_york_day_start, to_ms, write_utc

LOG = logging.getLogger(__name__)
# With a plan of few calls a group is asked for in four of the five minutes that a patient client has.
MINUTES_PER_GROUP = 4


class KnownBars:
    """Which bars the log has, values included: eight bytes for each, because a session of a market has millions."""

    def __init__(self, kafka: dict[str, Any], since_ms: int):
        import numpy as np  # with Kafka's client, too heavy for whoever parses the DAG

        from include.surveillance import broker

        records = broker.records_since(kafka, BARS, since_ms)
        # A bar is stored after it has begun, so that what is older need not be read.
        digests = (hash(it.event_id) for it in records if isinstance(it, Bar) and it.ts_ms >= since_ms)
        self._digests = np.unique(np.fromiter(digests, np.int64))

    def __contains__(self, bar: Bar) -> bool:
        digest = hash(bar.event_id)
        at = self._digests.searchsorted(digest)
        return bool(at < len(self._digests) and self._digests[at] == digest)


def choose_range(context: Mapping[str, Any], settings: Settings) -> tuple[int, int]:
    """Return [from_ms, to_ms): the run's session and the trading day before, as a day bar needs it.

    A run started by hand takes the latest session. It ends with the session, and with now while that is open: what
    comes after is asked for by the first poll of the next.

    Raises:
        ConfigurationError: the calendar has no session so early.
    """
    sessions = load_sessions(settings.poll_calendar, settings.market_shift_ms)
    start, now_ms = context.get("data_interval_start"), to_ms(context["dag_run"].run_after)
    session = sessions.at_or_before(to_ms(start) if start else now_ms)
    if session is None:
        raise ConfigurationError(
            f"calendar {sessions.calendar} has no session by {write_utc(now_ms)}; ask for a later one"
        )
    before = sessions.at_or_before(session.open_ms - 1) or session
    return new_york_day_start(before.open_ms), min(session.end_ms, now_ms)


def repoll(symbols: Sequence[str], from_ms: int, to_ms: int, settings: Settings) -> dict[str, int]:
    """Ask for all polled bars of the symbols once more, and publish those that the log does not have like this.

    Returns:
        Records per topic.

    Raises:
        SurveillanceError: a symbol failed; those of the others are published, and asking again changes nothing.
    """
    from include.surveillance import broker

    known = KnownBars(connections.kafka(), from_ms)
    polygon = connections.polygon(connections.PATIENT_SECONDS)
    failed: list[Exception] = []

    def revised() -> Iterator[Bar | Reject]:
        for group in polling.cut_groups(symbols, _group_size(settings)):
            for symbol, polled in backfill.poll_past(polygon, group, settings.poll_timespans, from_ms, to_ms, failed):
                # No watermarks: they are detection's clock, and this is yesterday's time.
                changed = [it for it in polled if isinstance(it, Bar) and it not in known]
                if changed:
                    LOG.info("%s: %s bars differ from those of the log or were missing", symbol, len(changed))
                yield from changed
                yield from (record for record in polled if isinstance(record, Reject))

    sent = broker.publish(connections.kafka(), revised())
    LOG.info("%s symbols asked for again: %s", len(symbols), sent)
    if failed:
        raise failed[0]
    return sent


def repoll_news(symbols: Sequence[str], from_ms: int, to_ms: int) -> dict[str, int]:
    """Ask for the news of the range once more, and publish what was corrected, or is listed no longer.

    Returns:
        Records per topic.
    """
    from include.surveillance import broker, normalise

    kafka, watched = connections.kafka(), set(symbols)
    # An article is stored after it was published, so that what is older need not be read.
    known = [
        item
        for item in broker.records_since(kafka, NEWS, from_ms)
        if isinstance(item, NewsItem) and from_ms <= item.published_ms < to_ms and item.symbol in watched
    ]
    payload = connections.polygon(connections.PATIENT_SECONDS).news(from_ms, to_ms)
    listed = normalise.news(payload, watched, source="backfill", companies=polling.read_companies())
    seen = {item.event_id for item in known}
    changed = [record for record in listed if record.event_id not in seen]
    withdrawn = normalise.withdrawn_news(known, listed, payload.polled_ms)
    LOG.info("%s articles differ from those of the log or were missing, %s are withdrawn", len(changed), len(withdrawn))
    return broker.publish(kafka, [*changed, *withdrawn])


def _group_size(settings: Settings) -> int:
    if not settings.polygon_calls_per_minute:
        return settings.poll_group_size
    return max(1, settings.polygon_calls_per_minute * MINUTES_PER_GROUP // len(settings.poll_timespans))
