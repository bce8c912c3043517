"""Sends what waits in the outbox, each channel by itself: one message at a time, marked before the next one.

Exactly one process sends to a channel, whichever holds its lock in the database. What is sent and not yet marked when
a process dies is sent again, with the same key; nothing else is sent twice, and nothing is left out.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from include.orchestration import connections
from include.orchestration.addresses import desk_address
from include.orchestration.application import outbox
from include.orchestration.application.outbox import ChannelState, Waiting
from include.orchestration.channels import Channel, open_channel
from include.surveillance import failpoints, wire
from include.surveillance.alerts.messages import News, write_digest, write_lines
from include.surveillance.alerts.notification import OVER
from include.surveillance.channels import AlertLine, Message
from include.surveillance.errors import MessageRefusedError, SurveillanceError
from include.surveillance.records import Alert
from include.surveillance.settings import Settings
from include.surveillance.severities import SEVERITIES
from include.surveillance.texts import one_line

LOG = logging.getLogger(__name__)
MINUTE = timedelta(minutes=1)
# After the first failure in a row; doubled with each.
PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)
# Of one message; then it is given up, if the channel took another one meanwhile.
MOST_REFUSALS = 5
MOST_ROWS = 200
# A cause of which a channel was told is told of again after this time, with how often it occurred.
QUIET = timedelta(minutes=15)
# Failures in a row after which the other channels are told, and then each time so many more.
WORTH_TELLING, AGAIN = 3, 60
# Of what a machine is told that an alert rests on.
MOST_EVENT_IDS = 50


@dataclass(frozen=True)
class Choice:
    """What to send next.

    Attributes:
        rows: whose messages it holds; none: nothing now.
        reason: of a digest, as its text says it.
        held: rows that have to wait, and until when.
    """

    kind: Literal["alerts", "digest", "operations"] = "alerts"
    rows: tuple[Waiting, ...] = ()
    reason: str = ""
    held: tuple[tuple[tuple[Waiting, ...], datetime], ...] = ()


class Limits(NamedTuple):
    """When alerts become a digest.

    Attributes:
        digest_after: how long they may have waited.
        storm: how many a minute are told of one by one.
    """

    digest_after: timedelta
    storm: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        return cls(timedelta(minutes=settings.alert_digest_minutes), settings.alert_storm)


def choose_next(
    waiting: Sequence[Waiting], now: datetime, limits: Limits, told: int = 0, digest_at: datetime | None = None
) -> Choice:
    """Choose what to send next to one channel.

    First what is about the platform, one cause at a time; then alerts that have waited for too long, as a digest; then
    the others, the most severe first when they are too many for this minute. Of digests there is one a minute.

    Args:
        told: how many alerts the channel was told of one by one in the last minute.
        digest_at: when it was told of a digest in the last minute, if so.
    """
    held: list[tuple[tuple[Waiting, ...], datetime]] = []
    causes: dict[str, list[Waiting]] = {}
    for row in waiting:
        if row.kind == "operations":
            causes.setdefault(row.subject, []).append(row)
    for rows in causes.values():
        told_at = rows[0].told_at
        if told_at is None or told_at + QUIET <= now:
            return Choice("operations", tuple(rows), held=tuple(held))
        held.append((tuple(rows), told_at + QUIET))
    alerts = [row for row in waiting if row.kind == "alert"]
    old = [row for row in alerts if now - row.known_at > limits.digest_after]
    may_digest = digest_at is None or digest_at + MINUTE <= now
    if old and may_digest:
        minutes = round(limits.digest_after / MINUTE)
        return Choice("digest", tuple(old), f"older than {minutes} min", tuple(held))
    if old and digest_at:
        held.append((tuple(old), digest_at + MINUTE))
    fresh = [row for row in alerts if now - row.known_at <= limits.digest_after]
    # What has been refused is sent alone, and after the others.
    unspoiled = [row for row in fresh if not row.refusals] or fresh[:1]
    left = max(0, limits.storm - told)
    if len(unspoiled) > left:
        if not left and may_digest:
            return Choice("digest", tuple(fresh), "more within a minute", tuple(held))
        if not left and digest_at:
            held.append((tuple(fresh), digest_at + MINUTE))
        unspoiled.sort(key=lambda row: (-SEVERITIES.index(row.severity), row.outbox_id))
        del unspoiled[left:]
    return Choice("alerts", tuple(unspoiled), held=tuple(held))


class Sender:
    """Sends to one channel what waits for it, as long as it has the channel's lock.

    Args:
        database: a connection of its own, which holds the lock.
        others: the channels that are told when this one fails.
    """

    def __init__(self, database: Any, channel: Channel, limits: Limits, others: Sequence[str] = ()):
        self.database, self.channel, self.limits, self.others = database, channel, limits, others
        self._has_lock = False

    def send_next(self, now: datetime, kinds: Sequence[str] = ("alert", "operations")) -> dict[str, int]:
        """Send one message, if one is due; return how many rows of the outbox were sent or refused, nothing if none."""
        name = self.channel.name
        with self.database.cursor() as cursor:
            self._has_lock = self._has_lock or outbox.lock_channel(cursor, name)
            if not self._has_lock:
                self.database.commit()
                return {}
            state = outbox.read_channel(cursor, name)
            if state.due_at and state.due_at > now:
                self.database.commit()
                return {}
            waiting = [row for row in outbox.list_waiting(cursor, name, now) if row.kind in kinds]
            choice = choose_next(waiting, now, self.limits, *outbox.read_recently_sent(cursor, name, now - MINUTE))
            for rows, until in choice.held:
                outbox.hold(cursor, _ids(rows), until)
            if not choice.rows:
                self.database.commit()
                return {}
            rows, message = self._fit(cursor, choice, state.rows_at_once)
            # Nothing is locked but the channel while the message is on its way.
            self.database.commit()
            failpoints.reach("notify.sending")
            try:
                self.channel.send(message)
            except MessageRefusedError as error:
                settled = self._refused(cursor, choice, rows, message, state, error, now)
            except Exception as error:  # noqa: BLE001 - whatever it is, the message is sent again
                self._failed(cursor, state, error, now)
                settled = {}
            else:
                settled = self._accepted(cursor, choice, rows, state, now)
            self.database.commit()
        failpoints.reach("notify.marked")
        return settled

    def _fit(self, cursor: Any, choice: Choice, most: int) -> tuple[tuple[Waiting, ...], Message]:
        """Take as many rows as one message may hold."""
        if choice.kind == "digest":
            return choice.rows, _write_digest(choice)
        rows = choice.rows if choice.kind == "operations" else choice.rows[: min(most, MOST_ROWS)]
        while True:
            message = _compose(choice.kind, rows, outbox.read_messages(cursor, _ids(rows)))
            if len(rows) == 1 or choice.kind == "operations" or self._size(message) <= self.channel.limit_bytes:
                return rows, message
            rows = rows[: len(rows) // 2]

    def _size(self, message: Message) -> int:
        return len(self.channel.encode(message))

    def _accepted(
        self, cursor: Any, choice: Choice, rows: Sequence[Waiting], state: ChannelState, now: datetime
    ) -> dict[str, int]:
        outbox.mark_sent(cursor, _ids(rows), "digest" if choice.kind == "digest" else "told", now)
        if state.failures >= WORTH_TELLING and state.failing_since:
            away = round((now - state.failing_since) / MINUTE)
            self._tell_others(cursor, f"Channel {self.channel.name} takes messages again, after {away} min", now)
        # Slowly: each try that is too large costs a refusal, and then half as many are sent.
        more = min(state.rows_at_once + 1 + state.rows_at_once // 8, MOST_ROWS)
        outbox.write_channel(cursor, self.channel.name, ChannelState(accepted_at=now, rows_at_once=more))
        return {"sent": len(rows)}

    def _refused(
        self,
        cursor: Any,
        choice: Choice,
        rows: Sequence[Waiting],
        message: Message,
        state: ChannelState,
        error: MessageRefusedError,
        now: datetime,
    ) -> dict[str, int]:
        """Send fewer at once; give up a message of one that is refused again and again while others are taken."""
        if choice.kind == "alerts" and len(rows) > 1:
            fewer = replace(state, rows_at_once=len(rows) // 2)
            outbox.write_channel(cursor, self.channel.name, fewer)
            return {"refused": len(rows)}
        until = now + _pause(rows[0].refusals + 1)
        refusals, first = outbox.count_refusal(cursor, _ids(rows), now, until)
        if refusals >= MOST_REFUSALS and state.accepted_at and state.accepted_at > first:
            outbox.mark_sent(cursor, _ids(rows), "refused", now)
            text = f"{error}, {refusals} times: {message.lines[0]!r} is not told of there"
            self._tell_others(cursor, text, now)
            well = replace(state, failures=0, failing_since=None, error=None, due_at=None)
            outbox.write_channel(cursor, self.channel.name, well)
            return {"refused": len(rows)}
        self._failed(cursor, state, error, now)
        return {}

    def _failed(self, cursor: Any, state: ChannelState, error: Exception, now: datetime) -> None:
        # The text of any other error may hold an address or a login.
        text = str(error) if isinstance(error, SurveillanceError) else f"unexpected {type(error).__name__}"
        LOG.warning("%s; what waits for channel %s is sent later", text, self.channel.name)
        failures, since = state.failures + 1, state.failing_since or now
        pause = max(_pause(failures), timedelta(seconds=getattr(error, "retry_after", None) or 0))
        failed = replace(state, failures=failures, failing_since=since, error=text, due_at=now + pause)
        outbox.write_channel(cursor, self.channel.name, failed)
        if failures % AGAIN == WORTH_TELLING:
            told = f"Channel {self.channel.name} has taken no message since {since:%Y-%m-%d %H:%M} UTC: {text}"
            self._tell_others(cursor, told, now)

    def _tell_others(self, cursor: Any, text: str, now: datetime) -> None:
        """Tell the other channels; the same one, later, when there is no other."""
        message = {"text": text, "detail": {"event": "channel", "channel": self.channel.name}}
        cause = f"channel {self.channel.name}: {text}"
        outbox.add_operations(cursor, self.others or [self.channel.name], cause, now.isoformat(), message, now)


@contextmanager
def open_sender(name: str) -> Iterator[Sender]:
    """Open a channel's sender, with a connection to the database that it keeps."""
    settings = Settings.from_env()
    others = [other for other in settings.channels() if other != name]
    with connections.application_database() as database:
        yield Sender(database, open_channel(name), Limits.from_settings(settings), others)


def is_anything_due(name: str) -> bool:
    """Say whether something is to be sent to the channel now."""
    with connections.application_database() as database, database.cursor() as cursor:
        return outbox.is_anything_due(cursor, name, datetime.now(UTC))


def write_operations(key: str, text: str, detail: Mapping[str, Any], times: int = 1) -> Message:
    """Write a message about the platform itself: a sentence, and up to three lines more."""
    first, *more = text.splitlines() or [""]
    lines = (one_line(first, 2_000), *(one_line(line, 1_000) for line in more[:3]))
    return Message(key, "Operations", lines, {"kind": "operations", "count": times, **detail})


def _pause(failures: int) -> timedelta:
    return min(PAUSE * (1 << min(failures - 1, 10)), LONGEST_PAUSE)


def _ids(rows: Sequence[Waiting]) -> list[int]:
    return [row.outbox_id for row in rows]


def _key(rows: Sequence[Waiting]) -> str:
    # Not of the rows' numbers, which a restored database gives once more.
    told = json.dumps([(row.subject, row.version) for row in rows])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _write_digest(choice: Choice) -> Message:
    severities = [row.severity for row in choice.rows]
    digest = write_digest(severities, choice.reason)
    times = {"from": min(row.known_at for row in choice.rows), "to": max(row.known_at for row in choice.rows)}
    detail = {
        "kind": "digest",
        "count": len(choice.rows),
        "severities": {severity: severities.count(severity) for severity in SEVERITIES if severity in severities},
        "link": desk_address(),
        **{name: moment.isoformat() for name, moment in times.items()},
    }
    return Message(_key(choice.rows), digest, (digest, desk_address()), detail)


def _compose(kind: str, rows: Sequence[Waiting], messages: Sequence[tuple[str, dict[str, Any]]]) -> Message:
    if kind == "operations":
        text, detail, times = messages[-1][1]["text"], messages[-1][1]["detail"], len(rows)
        since = f"{times} times since {rows[0].known_at:%H:%M} UTC: " if times > 1 else ""
        return write_operations(_key(rows), f"{since}{text}", detail, times)
    news, alerts = [], []
    for version, message in messages:
        record = message["record"]
        alert = wire.decode(msgspec.json.encode(record))
        assert isinstance(alert, Alert)
        news.append(News(alert, message["was"]))
        ids = record["event_ids"]
        told = {"event_ids": ids[:MOST_EVENT_IDS], "events": len(ids), "version": version, "link": _link(alert)}
        alerts.append(record | told)
    lines = [
        AlertLine(line.text, _link(line.alert), "" if line.alert.status in OVER else line.alert.event_id)
        for line in write_lines(news)
    ]
    subject = write_digest([row.severity for row in rows], "now")
    detail = {"kind": "alerts", "alerts": alerts, "link": desk_address()}
    return Message(_key(rows), subject, (*(line.text for line in lines), desk_address()), detail, tuple(lines))


def _link(alert: Alert) -> str:
    return desk_address(screen="alert", id=alert.event_id)
