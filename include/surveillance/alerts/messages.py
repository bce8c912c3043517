"""Writes what people read of alerts: one line for each group of them, one for all of them where they are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.notification import OVER
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES, Severity
from include.surveillance.texts import one_line

LINE_CHARACTERS = 400


class News(NamedTuple):
    """One version of an alert that people are to be notified of.

    Attributes:
        was: the severity that they know of, if they know of the alert.
    """

    alert: Alert
    was: Severity | None = None


class Line(NamedTuple):
    """What people read of an alert, or of the group that it leads."""

    text: str
    alert: Alert


def write_lines(news: Sequence[News]) -> list[Line]:
    """Write one line per event, group of alerts of a symbol, or withdrawal; of several versions the last counts.

    Whatever an alert's texts hold, each line is one: printable, and ``LINE_CHARACTERS`` long at most.
    """
    # Grouping loads numpy, for which whoever parses a DAG has no use.
    from include.surveillance.alerts.market_events import MARKET, group_alerts

    last = {alert.event_id: alert for alert, _ in news}
    was = {alert.event_id: severity for alert, severity in reversed(news)}
    standing = [alert for alert in last.values() if alert.status not in OVER]
    market = [alert for alert in standing if kind_of(alert.rule) == "market"]
    events = [alert for alert in market if alert.symbol == MARKET]
    groups = [*group_alerts([], events), *group_alerts(market)]
    lines = [(_write_line(group.lead, group.alerts, was[group.lead.event_id]), group.lead) for group in groups]
    operations = [alert for alert in standing if kind_of(alert.rule) == "operations"]
    lines += [(_write_line(alert, [alert], was[alert.event_id]), alert) for alert in operations]
    over = {"retracted": "withdrawn", "ended": "ended"}
    ended = [alert for alert in last.values() if alert.status in OVER]
    lines += [(f"{over[alert.status]}: {alert.explanation}", alert) for alert in ended]
    return [Line(one_line(text, LINE_CHARACTERS), alert) for text, alert in lines]


def write_digest(severities: Iterable[Severity], which: str) -> str:
    """Write what stands for many alerts, e.g. ``37 alerts older than 30 min: 12 high, 25 medium``."""
    counts = Counter(severities)
    total = counts.total()
    shares = ", ".join(f"{counts[severity]:,} {severity}" for severity in reversed(SEVERITIES) if counts[severity])
    return f"{total:,} alert{'s' if total > 1 else ''} {which}: {shares}"


def _write_line(lead: Alert, alerts: Sequence[Alert], was: Severity | None) -> str:
    risen = f", was {was}" if was else ""
    others = sorted({f"{alert.rule} {alert.direction}".rstrip() for alert in alerts if alert is not lead})
    also = f" (also {', '.join(others)})" if others else ""
    return f"[{lead.severity}{risen}] {lead.explanation}{also}"
