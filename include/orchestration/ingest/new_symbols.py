"""What a change of the watchlist asks for: each new symbol is looked up, and gets its history and a profile."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from include.orchestration import connections, profiles
from include.orchestration.application import watchlist as table
from include.orchestration.assets import WATCHLIST, WATCHLIST_CHANGES
from include.orchestration.ingest import backfill, polling
from include.surveillance.errors import QualityError
from include.surveillance.timespans import to_ms, to_utc

if TYPE_CHECKING:
    from include.surveillance.watchlist import Watchlist

LOG = logging.getLogger(__name__)
# What a profile is built from: 20 sessions, in so few calls.
HISTORY, DAYS_PER_CALL = timedelta(days=30), 5
# Up to so many symbols are asked for one by one; more by the pages of the whole alphabet between them.
ONE_BY_ONE = 10

_stored: Watchlist | None = None


def store_changes(watchlist: Watchlist, outlet_events: Any) -> None:
    """Store the words that are listed now, and hand the list over when there are new ones. Polling waits for neither.

    The database is asked when this process has not seen the same list before.
    """
    global _stored
    import psycopg  # heavy, and no DAG file needs it

    if watchlist == _stored:
        return
    try:
        new = table.store_watchlist(watchlist)
    except psycopg.Error as error:
        LOG.warning("new words of the watchlist wait, the application's database does not take them: %s", error)
        return
    if new:
        LOG.info("%d words of the watchlist are new: DAG prepare_symbols looks at them", new)
        outlet_events[WATCHLIST_CHANGES].add(WATCHLIST)
    _stored = watchlist


def check_symbols() -> list[str]:
    """Ask the vendor once whether it knows each new symbol; return those whose history is to be brought.

    Its answers go to the topics, as those of ingest_reference do.
    """
    from include.surveillance import broker, normalise
    from include.surveillance.records import Instrument

    if asked := table.list_unasked():
        polygon = connections.polygon(connections.PATIENT_SECONDS)
        groups = polling.cut_groups(asked, 1 if len(asked) <= ONE_BY_ONE else len(asked))
        records = [record for group in groups for record in normalise.instruments(polygon.instruments(group))]
        broker.publish(connections.kafka(), records)
        table.mark_known(asked, [record.symbol for record in records if isinstance(record, Instrument)])
    return table.list_new()


def bring_history(symbols: Sequence[str], until: datetime) -> dict[str, int]:
    """Bring the minute bars from which their profiles are built; return records per topic.

    Raises:
        AirflowSkipException: there are no symbols.
    """
    from include.surveillance.broker import Publisher

    if not symbols:
        raise AirflowSkipException("no symbol is new")
    spans = backfill.cut_range(to_ms(until - HISTORY), to_ms(until), DAYS_PER_CALL)
    with Publisher(connections.kafka()) as publisher:
        return backfill.poll_spans(
            connections.polygon(connections.PATIENT_SECONDS), publisher, symbols, "minute", spans
        )


def build_profiles(run_after: datetime) -> int:
    """Build all profiles anew; return from when on they hold, UTC epoch ms."""
    from include.surveillance.broker import BARS, partitions_of

    effective_ms = profiles.choose_effective_ms("now", run_after)
    partitions = partitions_of(connections.kafka(), BARS)
    built = [profiles.build_profiles(partition, effective_ms) for partition in partitions]
    return max(counts["effective_ms"] for counts in built)


def tell_wrong_words() -> None:
    """Complain of the words that are new on the watchlist and wrong, once.

    Raises:
        QualityError: a word is no ticker, or the vendor's reference data does not know it.
    """
    if wrong := table.take_wrong_words():
        unknown = "is a ticker that Polygon's reference data does not know among the active ones"
        words = "; ".join(f"{word!r} {reason or unknown}" for word, reason in wrong.items())
        raise QualityError(f"on the watchlist {words}: correct {polling.name_watchlist()} unless it is meant so")


def mark_ready(symbols: Sequence[str], effective_ms: int | None) -> None:
    """Let people be told of the symbols' alerts once their profiles hold; at once where there is none.

    Without a profile only rules that the parameters want literal, and those of the feed, alert.
    """
    table.mark_ready(symbols, to_utc(effective_ms) if effective_ms else datetime.now(UTC))
