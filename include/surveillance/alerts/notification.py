"""Decides what people are notified of now and what not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES, Severity


class LastNotified(NamedTuple):
    """What people were last notified of an alert: nothing (None), that it fired, was covered by an event of the
    market, or was retracted; and with which severity."""

    status: str | None = None
    severity: Severity | None = None


class ReasonNotToNotify(Enum):
    """Why nobody need be notified of an alert's message."""

    RETRACTED = "retracted"  # before anybody was notified of it by name
    BACKFILL = "backfill"
    INHIBITED = "inhibited"
    UNCHANGED = "as told before"

    def describe(self, alert: Alert) -> str:
        """Say it as the row of the alert does: an inhibited alert knows its own reason."""
        return alert.inhibited_by or self.value if self is ReasonNotToNotify.INHIBITED else self.value


def reason_not_to_notify(alert: Alert, last: LastNotified) -> ReasonNotToNotify | None:
    """Decide whether people must be notified of a message (None), given what they know."""
    if alert.status == "retracted":
        return None if last.status == "fired" else ReasonNotToNotify.RETRACTED
    if alert.source != "live":
        return ReasonNotToNotify.BACKFILL
    if alert.inhibited_by:
        return ReasonNotToNotify.INHIBITED
    if last.status in (None, "retracted") or last.severity is None:
        return None
    risen = SEVERITIES.index(alert.severity) > SEVERITIES.index(last.severity)
    return None if risen else ReasonNotToNotify.UNCHANGED


@dataclass
class Notification:
    """What to tell people now.

    Attributes:
        alerts: what they are told of: events of the market, then others by score, then withdrawals.
        covered: by the reason why, alerts that an event of the market tells of instead.
    """

    alerts: list[Alert] = field(default_factory=list)
    covered: dict[str, list[Alert]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def compose(
        cls, stored: Sequence[tuple[Alert, LastNotified]], events: Sequence[tuple[Alert, LastNotified]]
    ) -> Notification:
        """Compose it from stored alerts and the events that they are part of, each with what people know of it."""
        # Grouping loads numpy, for which whoever parses a DAG has no use.
        from include.surveillance.alerts.market_events import MARKET, group_alerts

        notification = cls()
        due = [alert for alert, last in stored if reason_not_to_notify(alert, last) is None]
        due_events = [alert for alert, last in events if reason_not_to_notify(alert, last) is None]
        standing = [alert for alert in due if alert.status != "retracted"]
        known = {alert.event_id: last for alert, last in [*stored, *events]}
        singles = [group for group in group_alerts(standing, [event for event, _ in events]) if group.symbol != MARKET]
        for group in [*group_alerts([], due_events), *singles]:
            for alert in group.alerts:
                if not alert.inhibited_by:
                    notification.alerts.append(alert)
                # Who was notified of it by name will be notified by name when it is withdrawn.
                elif known[alert.event_id].status != "fired":
                    notification.covered[alert.inhibited_by].append(alert)
        notification.alerts += [alert for alert in due if alert.status == "retracted"]
        return notification
