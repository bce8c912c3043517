"""Indicators over a range of sessions: how much is raised, how long it waits, how it ends. Touches nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import floor

from msgspec import Struct

from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.facts import Facts, Verdicts
from include.surveillance.desk.precision import Share, measure_precision, measure_share

ALL = "all rules"
# Of what is not closed: how long people could have known of it.
AGES: tuple[tuple[str, timedelta], ...] = (
    ("up to 1 h", timedelta(hours=1)),
    ("up to 8 h", timedelta(hours=8)),
    ("up to 1 day", timedelta(days=1)),
    ("up to 3 days", timedelta(days=3)),
    ("up to 7 days", timedelta(days=7)),
)
OLDEST = "over 7 days"


class Delay(Struct, frozen=True):
    """How long something took, of ``n`` alerts: seconds, interpolated between alerts; None where ``n`` is 0."""

    n: int
    median_seconds: float | None
    p90_seconds: float | None


class Volume(Struct, frozen=True, kw_only=True):
    """One session."""

    session: str
    market: int
    operations: int
    closed: int
    escalated: int


class Age(Struct, frozen=True, kw_only=True):
    """What is not closed and of this age, by severity."""

    age: str
    alerts: int
    critical: int
    high: int
    medium: int
    low: int


class RuleIndicators(Struct, frozen=True, kw_only=True):
    """One rule, or all.

    Attributes:
        closed: the share of its alerts that is closed.
        decision: from when people could know of an alert to when it was first closed, or proposed to be.
        closure: the same until it was closed for good; after its reopening, the last time.
        precision: the share of true positives of those that were closed with a verdict.
        escalated: the share of its alerts that is in a case.
    """

    rule: str
    alerts: int
    symbols: int
    closed: Share
    decision: Delay
    closure: Delay
    precision: Share
    no_verdict: int
    escalated: Share


class Indicators(Struct, frozen=True, kw_only=True):
    """A range of sessions, both ends included; the rules' first row is of all."""

    first: str
    last: str
    kind: Kind
    volumes: tuple[Volume, ...]
    ages: tuple[Age, ...]
    rules: tuple[RuleIndicators, ...]


def make_indicators(
    first: str, last: str, kind: Kind, facts: Iterable[Facts], verdicts: Verdicts, now: datetime
) -> Indicators:
    """Make the indicators of alerts of one kind. What stands behind an incident is not counted, as in the queue.

    Args:
        facts: of all live alerts of the range; the volumes count both kinds, all else the kind that is asked for.
    """
    alerts = [one for one in facts if not one.is_folded]
    own = [one for one in alerts if one.kind == kind]
    rules = _group(own, [one.rule for one in own])
    return Indicators(
        first=first,
        last=last,
        kind=kind,
        volumes=tuple(
            Volume(
                session=session,
                market=sum(one.kind == "market" for one in those),
                operations=sum(one.kind == "operations" for one in those),
                closed=sum(one.state == "closed" for one in those),
                escalated=sum(one.is_escalated for one in those),
            )
            for session, those in sorted(_group(alerts, [one.session for one in alerts]).items())
        ),
        ages=count_ages(own, now),
        rules=(
            _indicate(ALL, own, verdicts),
            *(
                _indicate(rule, those, verdicts)
                for rule, those in sorted(rules.items(), key=lambda it: (-len(it[1]), it[0]))
            ),
        ),
    )


def measure_delay(delays: Iterable[timedelta]) -> Delay:
    """Measure how long something took; what seems to have come before it was known took no time."""
    seconds = sorted(max(0.0, delay.total_seconds()) for delay in delays)
    if not seconds:
        return Delay(0, None, None)
    return Delay(len(seconds), _interpolate(seconds, 0.5), _interpolate(seconds, 0.9))


def count_ages(alerts: Iterable[Facts], now: datetime) -> tuple[Age, ...]:
    """Count what is not closed by how long people could have known of it, and by severity."""
    waiting = [one for one in alerts if one.state != "closed"]
    groups = _group(waiting, [_say_age(now - one.known_at) for one in waiting])
    return tuple(
        Age(
            age=age,
            alerts=len(those := groups.get(age, [])),
            critical=sum(one.severity == "critical" for one in those),
            high=sum(one.severity == "high" for one in those),
            medium=sum(one.severity == "medium" for one in those),
            low=sum(one.severity == "low" for one in those),
        )
        for age in (*(name for name, _ in AGES), OLDEST)
    )


def _indicate(rule: str, alerts: Sequence[Facts], verdicts: Verdicts) -> RuleIndicators:
    closed = [one for one in alerts if one.state == "closed"]
    return RuleIndicators(
        rule=rule,
        alerts=len(alerts),
        symbols=len({one.symbol for one in alerts}),
        closed=measure_share(len(closed), len(alerts)),
        decision=measure_delay(one.decided_at - one.known_at for one in alerts if one.decided_at),
        closure=measure_delay(one.changed_at - one.known_at for one in closed if one.changed_at),
        precision=measure_precision(alerts, verdicts),
        no_verdict=sum(one.find_verdict(verdicts) == "no verdict" for one in alerts),
        escalated=measure_share(sum(one.is_escalated for one in alerts), len(alerts)),
    )


def _say_age(age: timedelta) -> str:
    return next((name for name, longest in AGES if age <= longest), OLDEST)


def _group(alerts: Sequence[Facts], names: Sequence[str]) -> dict[str, list[Facts]]:
    groups: dict[str, list[Facts]] = defaultdict(list)
    for one, name in zip(alerts, names, strict=True):
        groups[name].append(one)
    return groups


def _interpolate(ascending: Sequence[float], share: float) -> float:
    place = share * (len(ascending) - 1)
    below = floor(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (place - below) * (ascending[above] - ascending[below])
