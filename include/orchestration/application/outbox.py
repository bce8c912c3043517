"""Tables ``outbox`` and ``channels``: what is to be sent, one row per message and channel, and how channels fare.

A row is added in the transaction that stores what it tells of, so neither is there without the other. Whatever is
added again, by a repeat or after a restore, is known by its version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from include.orchestration.application.database import statement
from include.surveillance import wire
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES, Severity
from include.surveillance.texts import one_line

Outcome = Literal["told", "digest", "refused"]
"""Of a message that was sent or given up; a restore adds ``restored``, for what was sent before it."""
# Of a cause, which stands in an index: PostgreSQL refuses a row with a key of some kilobytes.
LONGEST_CAUSE = 200


class Version(NamedTuple):
    """One version of an alert.

    Attributes:
        name: what no other version of the alert has, and the same version has again when it comes again.
        known_at: since when people could have been told.
    """

    alert: Alert
    name: str
    known_at: datetime


class Waiting(NamedTuple):
    """One message that waits.

    Attributes:
        subject: an alert's id, or the cause of a message of operations.
        version: of the alert, or the occurrence of the cause.
        told_at: when the channel was last told of the cause.
    """

    outbox_id: int
    kind: Literal["alert", "operations"]
    subject: str
    severity: Severity
    known_at: datetime
    refusals: int
    version: str
    told_at: datetime | None


@dataclass(frozen=True)
class ChannelState:
    """How a channel fares.

    Attributes:
        failures: in a row; ``failing_since`` and ``error`` are of these.
        due_at: nothing is to be sent before.
        accepted_at: when it last took a message.
        rows_at_once: how many a message may hold, as it last turned out.
    """

    failures: int = 0
    failing_since: datetime | None = None
    error: str | None = None
    due_at: datetime | None = None
    accepted_at: datetime | None = None
    rows_at_once: int = 200


def add_alerts(cursor: Any, versions: Sequence[Version], channels: Mapping[str, Severity]) -> None:
    """Add a row for each version and each channel that is to be told of its severity, in the order given."""
    if not versions:
        return
    news = [
        {
            "record": msgspec.Raw(wire.encode(alert)),
            "version": name,
            "known_at": known_at,
            "rank": SEVERITIES.index(alert.severity),
            "position": position,
        }
        for position, (alert, name, known_at) in enumerate(versions)
    ]
    wanted = [{"channel": name, "lowest_rank": SEVERITIES.index(lowest)} for name, lowest in channels.items()]
    cursor.execute(
        statement("add_alerts_to_outbox"),
        {"news": msgspec.json.encode(news).decode(), "channels": json.dumps(wanted)},
    )


def add_operations(
    cursor: Any, channels: Iterable[str], cause: str, occurrence: str, message: Mapping[str, Any], now: datetime
) -> None:
    """Add a message about the platform itself; an occurrence of a cause that is there already adds nothing.

    Causes that begin with the same LONGEST_CAUSE characters are one.
    """
    values = {"cause": one_line(cause, LONGEST_CAUSE), "occurrence": occurrence, "channels": list(channels)}
    cursor.execute(statement("add_operations_to_outbox"), values | {"message": json.dumps(message), "now": now})


def list_waiting(cursor: Any, channel: str, now: datetime) -> list[Waiting]:
    """List what may be sent now, oldest first."""
    cursor.execute(statement("waiting_messages"), {"channel": channel, "now": now})
    return [Waiting(*row) for row in cursor.fetchall()]


def read_recently_sent(cursor: Any, channel: str, since: datetime) -> tuple[int, datetime | None]:
    """Return how many alerts the channel was told of one by one since then, and when of a digest, if so."""
    cursor.execute(statement("recently_sent"), {"channel": channel, "since": since})
    told, digest_at = cursor.fetchone()
    return told, digest_at


def read_messages(cursor: Any, ids: Sequence[int]) -> list[tuple[str, dict[str, Any]]]:
    """Read version and message of each row, oldest first."""
    cursor.execute(statement("read_messages"), {"ids": list(ids)})
    return [(version, json.loads(message)) for _, version, message in cursor.fetchall()]


def mark_sent(cursor: Any, ids: Sequence[int], outcome: Outcome, now: datetime) -> None:
    cursor.execute(statement("mark_sent"), {"ids": list(ids), "outcome": outcome, "now": now})


def hold(cursor: Any, ids: Sequence[int], until: datetime) -> None:
    """Let messages wait until then."""
    if ids:
        cursor.execute(statement("hold_messages"), {"ids": list(ids), "until": until})


def count_refusal(cursor: Any, ids: Sequence[int], now: datetime, until: datetime) -> tuple[int, datetime]:
    """Count a refusal of these messages and let them wait; return how many there were, and when the first was."""
    cursor.execute(statement("count_refusal"), {"ids": list(ids), "now": now, "until": until})
    refusals, first = zip(*cursor.fetchall(), strict=True)
    return max(refusals), min(first)


def read_channel(cursor: Any, channel: str) -> ChannelState:
    cursor.execute(statement("read_channel"), {"channel": channel})
    row = cursor.fetchone()
    return ChannelState(*row) if row else ChannelState()


def write_channel(cursor: Any, channel: str, state: ChannelState) -> None:
    cursor.execute(statement("write_channel"), {"channel": channel} | asdict(state))


def lock_channel(cursor: Any, channel: str) -> bool:
    """Take the channel for as long as this connection lives, unless another has it."""
    cursor.execute(statement("lock_channel"), {"channel": channel})
    return bool(cursor.fetchone()[-1])


def is_anything_due(cursor: Any, channel: str, now: datetime) -> bool:
    cursor.execute(statement("is_anything_due"), {"channel": channel, "now": now})
    return bool(cursor.fetchone()[0])
