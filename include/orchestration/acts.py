"""Publishes what people did: each row of the audit log on a topic, and what was decided on alerts on another.

Where to go on stands in the topic itself: behind its newest row. Both topics are written in one transaction, so each
row is there once however often this is killed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.orchestration import connections
from include.orchestration.application.audit import find_newest_common, select_entries
from include.orchestration.application.reviews import KIND
from include.surveillance.desk.chain import Entry
from include.surveillance.desk.policy import Disposition as Verdict
from include.surveillance.desk.policy import Policy
from include.surveillance.records import AUDIT, AuditEntry, Disposition
from include.surveillance.settings import Settings
from include.surveillance.timespans import to_ms

if TYPE_CHECKING:
    from include.surveillance.broker import Transaction

OWNER = "acts"
# All rows lie in one partition, in the order of their numbers.
PARTITION = 0
AT_ONCE = 500
# How far back the topic is looked through at first, and so many times farther while nothing is found.
LOOKED, FARTHER = 2_000, 10
# Of a row, what its record has as it is.
COPIED = (
    *("audit_id", "event", "actor", "log_id", "dag_id", "run_id", "task_id", "map_index", "details"),
    *("object_kind", "object_id", "before", "after"),
)


def publish_acts() -> dict[str, int]:
    """Publish the rows that the topic does not have; return how many, and how many decisions on alerts.

    Raises:
        BrokerError: Kafka cannot be reached, or somebody else publishes them now.
    """
    from include.surveillance.broker import Transactions  # Kafka's client is too heavy for whoever parses a DAG

    kafka, policy = connections.kafka(), Policy.load(Settings.from_env().desk_policy_file)
    verdicts = {reason.code: reason.disposition for reason in policy.reasons}
    counts = {"acts": 0, "dispositions": 0}
    with Transactions(kafka, OWNER, OWNER) as transactions:
        last = find_last(kafka)
        while entries := select_entries(last, AT_ONCE):
            with transactions.transaction() as transaction:
                counts["dispositions"] += sum(_send(transaction, entry, verdicts) for entry in entries)
            counts["acts"] += len(entries)
            last = entries[-1].audit_id
    return counts


def find_last(kafka: dict[str, Any]) -> int:
    """Return the number of the newest row that the topic and the audit log both have; 0: none.

    After a restore the log may have other rows than were published; those behind the newest common one are published.
    """
    from include.surveillance import broker

    with broker.Bounds(kafka) as ask:
        first, end = ask((AUDIT, PARTITION))
    looked = LOOKED
    while True:
        # What was undone lies in the topic too, and is not read.
        records = broker.newest_records(kafka, AUDIT, looked)
        # Of one number there may be several.
        rows = {(record.audit_id, record.hash) for record in records if isinstance(record, AuditEntry)}
        newest = find_newest_common(rows) if rows else None
        if newest is not None or looked >= end - first:
            return newest or 0
        looked *= FARTHER


def _send(transaction: Transaction, entry: Entry, verdicts: dict[str, Verdict]) -> bool:
    """Send a row; say whether it is a decision on an alert, which is sent too."""
    rule, symbol, timespan = _split(entry.object_id) if entry.object_kind == KIND else ("", "", "")
    transaction.send(
        AuditEntry(
            **{name: getattr(entry, name) for name in COPIED},
            symbol=symbol,
            occurred_ms=to_ms(entry.occurred_at),
            exported_ms=to_ms(entry.exported_at),
            previous_hash=bytes(entry.previous_hash).hex(),
            hash=bytes(entry.hash).hex(),
        ),
        partition=PARTITION,
    )
    if entry.object_kind != KIND or entry.after is None or entry.object_id is None:
        return False
    review = json.loads(entry.after)
    transaction.send(
        Disposition(
            **review,
            alert_id=entry.object_id,
            rule=rule,
            symbol=symbol,
            timespan=timespan,
            event=entry.event,
            actor=entry.actor,
            occurred_ms=to_ms(entry.occurred_at),
            disposition=verdicts.get(review["reason"]),
            audit_id=entry.audit_id,
        )
    )
    return True


def _split(alert_id: str | None) -> tuple[str, str, str]:
    rule, symbol, timespan, *_ = [*(alert_id or "").split("|"), "", "", ""]
    return rule, symbol, timespan
