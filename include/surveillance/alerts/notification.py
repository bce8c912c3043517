"""Decides what people are notified of now and what not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES, Severity

OVER = ("retracted", "ended")
"""The statuses of what no longer goes on: people who were told of it are told so."""


class LastNotified(NamedTuple):
    """What people were last notified of an alert: nothing (None), that it fired, was covered by an event of the
    market or an incident, has ended, or was retracted; and with which severity."""

    status: str | None = None
    severity: Severity | None = None

    @classmethod
    def of(cls, alert: Alert) -> LastNotified:
        """Return what people know who have just been notified of this message."""
        return cls(alert.status if alert.status in OVER else "fired", alert.severity)


class ReasonNotToNotify(Enum):
    """Why nobody need be notified of an alert's message."""

    RETRACTED = "retracted"  # before anybody was notified of it by name
    ENDED = "ended"  # likewise
    BACKFILL = "backfill"
    INHIBITED = "inhibited"
    UNCHANGED = "as told before"

    def describe(self, alert: Alert) -> str:
        """Say it as the row of the alert does: an inhibited alert knows its own reason."""
        return alert.inhibited_by or self.value if self is ReasonNotToNotify.INHIBITED else self.value


def reason_not_to_notify(alert: Alert, last: LastNotified) -> ReasonNotToNotify | None:
    """Decide whether people must be notified of a message (None), given what they know."""
    if alert.status in OVER:
        return None if last.status == "fired" else ReasonNotToNotify(alert.status)
    if alert.source != "live":
        return ReasonNotToNotify.BACKFILL
    if alert.inhibited_by:
        return ReasonNotToNotify.INHIBITED
    if last.status in (None, *OVER) or last.severity is None:
        return None
    risen = SEVERITIES.index(alert.severity) > SEVERITIES.index(last.severity)
    return None if risen else ReasonNotToNotify.UNCHANGED


@dataclass
class Notification:
    """What to tell people now.

    Attributes:
        alerts: what they are told of: events of the market, then others by score, then withdrawals, then incidents.
        covered: by the reason why, alerts that an event of the market or an incident tells of instead.
    """

    alerts: list[Alert] = field(default_factory=list)
    covered: dict[str, list[Alert]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def compose(
        cls,
        stored: Sequence[tuple[Alert, LastNotified]],
        events: Sequence[tuple[Alert, LastNotified]],
        incidents: Sequence[tuple[Alert, LastNotified]] = (),
    ) -> Notification:
        """Compose it from stored alerts and what they are part of, each with what people know of it."""
        # Grouping and folding load numpy, for which whoever parses a DAG has no use.
        from include.surveillance.alerts.incidents import incident_of
        from include.surveillance.alerts.market_events import MARKET, group_alerts

        notification = cls()
        for alert, _ in stored:
            if alert.source == "live" and not alert.inhibited_by and (name := incident_of(alert)):
                notification.covered[f"incident {name}"].append(alert)
        stored = [(alert, last) for alert, last in stored if not incident_of(alert)]
        due = [alert for alert, last in stored if reason_not_to_notify(alert, last) is None]
        due_events = [alert for alert, last in events if reason_not_to_notify(alert, last) is None]
        standing = [alert for alert in due if alert.status not in OVER]
        known = {alert.event_id: last for alert, last in [*stored, *events]}
        singles = [group for group in group_alerts(standing, [event for event, _ in events]) if group.symbol != MARKET]
        for group in [*group_alerts([], due_events), *singles]:
            for alert in group.alerts:
                if not alert.inhibited_by:
                    notification.alerts.append(alert)
                # Who was notified of it by name will be notified by name when it is withdrawn.
                elif known[alert.event_id].status != "fired":
                    notification.covered[alert.inhibited_by].append(alert)
        notification.alerts += [alert for alert in due if alert.status in OVER]
        notification.alerts += [alert for alert, last in incidents if reason_not_to_notify(alert, last) is None]
        return notification
