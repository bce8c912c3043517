"""Makes few messages of many alerts: one event of a move of the whole market, or one group per symbol."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from include.surveillance import wire
from include.surveillance.alerts import wording
from include.surveillance.alerts.severity import grade_scores, score_exceedance
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

T = TypeVar("T")

MARKET = "MARKET"
RULE = "market_event"
VERSION = 2
TOGETHER_MS = 5 * MINUTE_MS
"""Alerts of one symbol belong together up to here, as do an event's minutes."""
LEADERS = 3
EXPLAINED = "the market: "
"""How ``inhibited_by`` begins where the market's move explains an alert."""


@dataclass(frozen=True)
class Group:
    """Alerts of one symbol that people read as one.

    Attributes:
        lead: has the highest score of those that people are to be notified of; inhibited only when all are.
        alerts: the whole group, the lead included, in time order.
    """

    symbol: str
    lead: Alert
    alerts: tuple[Alert, ...]


def is_explained(alert: Alert) -> bool:
    """Whether the alert fired with the market's move alone in its value."""
    return alert.inhibited_by is not None and alert.inhibited_by.startswith(EXPLAINED)


def find_market_events(
    alerts: Iterable[Alert], watched: int, *, breadth: float = 0.05, minimum: int = 5
) -> list[Alert]:
    """Make one alert of each move of the market: of the minutes in which too many symbols began to fire at once.

    A minute counts when more than ``breadth`` of the watched symbols, and at least ``minimum``, began an episode of one
    rule in one direction at the same bar. Minutes at most five apart are one event, whatever the rules, identified by
    its first. An event's value is the number of symbols in its widest minute, its threshold the number that is
    tolerated, its ``event_ids`` are the alerts' ids.

    Args:
        alerts: in any order, with any of an alert's messages. Retracted and inhibited ones do not count.
        watched: how many symbols are on the watchlist.
        breadth: share of them that is tolerated, as a fraction.
        minimum: symbols below which there is no event, however short the watchlist.
    """
    bars: dict[tuple[str, int, str, str], dict[str, Alert]] = defaultdict(dict)
    for alert in _newest_messages(alerts):
        if alert.status != "retracted" and not alert.inhibited_by and alert.symbol != MARKET:
            bar = alert.timespan, alert.episode_start_ms, alert.rule, alert.direction
            bars[bar][alert.symbol] = alert  # the last in order, should there be several
    tolerated = max(breadth * watched, minimum - 1)
    wide: dict[tuple[str, int], list[list[Alert]]] = defaultdict(list)
    for (timespan, start_ms, _, _), fired in sorted(bars.items(), key=lambda it: it[0]):
        if len(fired) > tolerated:
            wide[timespan, start_ms].append(list(fired.values()))
    return [
        _describe_event([wide[minute] for minute in minutes], watched, tolerated)
        for _, same in groupby(sorted(wide), key=lambda minute: minute[0])
        for minutes in _cut_apart(list(same), lambda minute: minute[1], chained=True)
    ]


def group_alerts(alerts: Iterable[Alert], events: Sequence[Alert] = ()) -> list[Group]:
    """Group alerts by symbol, within five minutes from the first; each event is a group. Highest score first.

    An alert that an event covers (its rule, direction and timespan, begun in one of its minutes) comes back with
    ``inhibited_by`` saying so. Any order of the input gives the same groups.
    """
    marked = [_inhibit(alert, events) for alert in _newest_messages(alerts) if alert.symbol != MARKET]
    marked = sorted([*marked, *_newest_messages(events)], key=lambda alert: (alert.symbol, *_order(alert)))
    groups = []
    for symbol, alerts_of_symbol in groupby(marked, key=lambda alert: alert.symbol):
        for members in _cut_apart(list(alerts_of_symbol), lambda alert: alert.ts_ms, chained=False):
            lead = max(members, key=lambda alert: (alert.inhibited_by is None, alert.score, *_order(alert)))
            groups.append(Group(symbol, lead, tuple(members)))
    return sorted(groups, key=lambda group: (group.symbol != MARKET, -group.lead.score, group.symbol, group.lead.ts_ms))


def _describe_event(minutes: list[list[list[Alert]]], watched: int, tolerated: float) -> Alert:
    """Describe the event of these minutes, each the alerts of each rule and direction."""
    members = [alert for minute in minutes for group in minute for alert in group]
    widest = [alert for group in max(minutes, key=_count_symbols) for alert in group]
    leaders = sorted(widest, key=lambda alert: (-alert.score, alert.symbol, alert.rule, alert.direction))
    lead, start_ms, last_ms = leaders[0], members[0].episode_start_ms, members[-1].episode_start_ms
    count, names = len({alert.symbol for alert in widest}), list(dict.fromkeys(it.symbol for it in leaders))[:LEADERS]
    ups, downs = (2 * sum(it.direction == side for it in members) > len(members) for side in ("up", "down"))
    points = score_exceedance(np.array(count / max(tolerated, 1)))
    during = wording.during(lead.timespan, lead.episode_start_ms, lead.session_date)
    explanation = f"{count:,} of {watched:,} symbols fired {_name_rules(widest)} {during}, led by {_join_names(names)}"
    return Alert(
        event_id=f"{RULE}|{MARKET}|{lead.timespan}|{start_ms}|v{VERSION}",
        rule=RULE,
        rule_version=VERSION,
        parameters_version=lead.parameters_version,
        form=lead.form,
        status="fired" if len(minutes) == 1 else "refired",
        firings=len(minutes),
        symbol=MARKET,
        timespan=lead.timespan,
        ts_ms=last_ms,
        bar_close_ms=last_ms + SPAN_MS[lead.timespan],
        direction="up" if ups else "down" if downs else "",
        value=float(count),
        threshold=float(tolerated),
        window_start_ms=start_ms,
        window_end_ms=last_ms + SPAN_MS[lead.timespan],
        score=float(points),
        severity=SEVERITIES[int(grade_scores(points))],
        episode_start_ms=start_ms,
        session_phase=lead.session_phase,
        session_date=lead.session_date,
        data_age_ms=max(alert.data_age_ms for alert in widest),
        event_ids=tuple(sorted({alert.event_id for alert in members})),
        explanation=f"{explanation}.",
        source=lead.source,
    )


def _count_symbols(minute: list[list[Alert]]) -> int:
    return len({alert.symbol for group in minute for alert in group})


def _name_rules(alerts: Sequence[Alert]) -> str:
    """Name what fired; of several rules or directions also how often."""
    counts = Counter(f"{alert.rule} {alert.direction}".rstrip() for alert in alerts)
    if len(counts) == 1:
        return next(iter(counts))
    return _join_names(
        [f"{what} ({count:,})" for what, count in sorted(counts.items(), key=lambda it: (-it[1], it[0]))]
    )


def _inhibit(alert: Alert, events: Sequence[Alert]) -> Alert:
    if alert.inhibited_by:
        return alert
    by = min((event.event_id for event in events if alert.event_id in event.event_ids), default=None)
    return replace(alert, inhibited_by=f"market event {by}") if by else alert


def _newest_messages(alerts: Iterable[Alert]) -> list[Alert]:
    """Keep the newest message of each alert; they may come in any order."""
    newest: dict[str, Alert] = {}
    for alert in alerts:
        held = newest.get(alert.event_id)
        newest[alert.event_id] = max(alert, held, key=_age) if held else alert
    return sorted(newest.values(), key=_order)


def _age(alert: Alert) -> tuple[bool, int, int, bytes]:
    """Order an alert's messages: only the log knows how, but a retraction is final and an episode only grows."""
    return alert.status == "retracted", alert.firings, alert.ts_ms, wire.encode(alert)


def _order(alert: Alert) -> tuple[int, str]:
    return alert.ts_ms, alert.event_id


def _cut_apart(items: list[T], at: Callable[[T], int], *, chained: bool) -> Iterator[list[T]]:
    """Cut sorted items where one lies more than TOGETHER_MS after the run's first, or, chained, after its last."""
    run: list[T] = []
    for item in items:
        if run and at(item) - at(run[-1 if chained else 0]) > TOGETHER_MS:
            yield run
            run = []
        run.append(item)
    yield run


def _join_names(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
