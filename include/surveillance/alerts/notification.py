"""What people are told of now and what not: one line per event, group of alerts or withdrawal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from include.surveillance.records import Alert


class LastNotified(NamedTuple):
    """What people have last been told of an alert: nothing (None), that it fired, was covered by an event of the
    market, or was retracted; and with which severity."""

    status: str | None
    severity: str | None


@dataclass
class Notification:
    """What to tell now, line by line, and what an event of the market tells of instead."""

    lines: list[str] = field(default_factory=list)
    told: list[Alert] = field(default_factory=list)
    covered: dict[str, list[Alert]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(
        cls, stored: Sequence[tuple[Alert, LastNotified]], events: Sequence[tuple[Alert, LastNotified]]
    ) -> Notification:
        """From stored alerts and the events that they are part of, each with what people know of it."""
        from include.surveillance.alerts.market_events import MARKET, grouped

        bulletin, fresh, withdrawn = cls(), [], []
        for alert, told in stored:
            if reason_not_to_notify(alert, told) is None:
                (withdrawn if alert.status == "retracted" else fresh).append(alert)
        before = {alert.event_id: told for alert, told in [*stored, *events]}
        fresh_events = [alert for alert, told in events if reason_not_to_notify(alert, told) is None]
        singles = [group for group in grouped(fresh, [alert for alert, _ in events]) if group.symbol != MARKET]
        for group in [*grouped([], fresh_events), *singles]:
            told_of = [alert for alert in group.alerts if not alert.inhibited_by]
            for alert in group.alerts:
                # Who has been told of it by name will be told by name when it is withdrawn.
                if alert.inhibited_by and before[alert.event_id].status != "fired":
                    bulletin.covered[alert.inhibited_by].append(alert)
            if told_of:
                bulletin.lines.append(_line(group.lead, told_of, before[group.lead.event_id]))
                bulletin.told += told_of
        for alert in withdrawn:
            bulletin.lines.append(f"withdrawn: {alert.explanation}")
            bulletin.told.append(alert)
        return bulletin


def reason_not_to_notify(alert: Alert, told: LastNotified) -> str | None:
    """Why nobody need be told of this message; None when people must be."""
    from include.surveillance.alerts.severity import SEVERITIES

    if alert.status == "retracted":
        return None if told.status == "fired" else "retracted"
    if alert.source != "live":
        return "backfill"
    if alert.inhibited_by:
        return alert.inhibited_by
    if told.status in (None, "retracted") or SEVERITIES.index(alert.severity) > SEVERITIES.index(told.severity):
        return None
    return "as told before"


def _line(lead: Alert, alerts: Sequence[Alert], told: LastNotified) -> str:
    risen = f", was {told.severity}" if told.status == "fired" else ""
    others = sorted({f"{alert.rule} {alert.direction}".rstrip() for alert in alerts if alert is not lead})
    also = f" (also {', '.join(others)})" if others else ""
    return f"[{lead.severity}{risen}] {lead.explanation}{also}"
