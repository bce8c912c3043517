"""What a terminal prints of the alerts as they come: each once, again when it gets worse, and its end."""

from __future__ import annotations

from collections.abc import Iterable

from include.surveillance.alerts.incidents import fold_incidents, incident_of
from include.surveillance.alerts.notification import LastNotified, reason_not_to_notify
from include.surveillance.alerts.ranking import rank
from include.surveillance.alerts.severity import format_alert
from include.surveillance.records import Alert


class Transcript:
    """Follows the messages of all alerts in the order of their topic, and knows what it has told of each."""

    def __init__(self) -> None:
        self._told: dict[str, LastNotified] = {}
        self._members: dict[str, dict[str, Alert]] = {}  # of each incident

    def tell(self, alerts: Iterable[Alert]) -> list[str]:
        """Return a line for each alert that there is something to tell of, as people are notified of it, by rank."""
        newest: dict[str, Alert] = {}
        touched: dict[str, dict[str, Alert]] = {}
        for alert in alerts:
            if name := incident_of(alert):
                touched[name] = self._members.setdefault(name, {})
                touched[name][alert.event_id] = alert
            else:
                newest[alert.event_id] = alert
        incidents = [incident for members in touched.values() for incident in fold_incidents(members.values())]
        lines = []
        for alert in sorted([*newest.values(), *incidents], key=rank):
            if reason_not_to_notify(alert, self._told.get(alert.event_id, LastNotified())) is None:
                self._told[alert.event_id] = LastNotified.of(alert)
                lines.append(format_alert(alert))
        return lines
