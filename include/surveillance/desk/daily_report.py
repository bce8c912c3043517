"""The daily surveillance report of one session: what was raised, what people did, what is known of its coverage.

It is made of facts alone and knows no clock: made twice of the same facts it is the same, to the byte. So its hash says
whether what somebody has signed is what there is now.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct

from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.facts import Facts, Verdicts
from include.surveillance.desk.policy import DISPOSITIONS, Disposition
from include.surveillance.desk.reviews import STATES, State
from include.surveillance.desk.silences import Silence
from include.surveillance.severities import SEVERITIES, Severity

MINUTE = timedelta(minutes=1)
EVENT = "market_event"
MOST_GAPS = 50
# What the application's database cannot say, whatever the session.
UNKNOWN = (
    "whether each symbol was asked for in each minute: the watermarks are in Kafka and in the warehouse",
    "whether a minute without a run of its own was asked for by a later one",
    "which rules judged no bar for want of a profile or of news: the metrics are in Kafka and in the warehouse",
    "how many symbols were on the watchlist then",
)
NO_RUN = "anything of the polls: no run of this session is stored, or it was deleted for its age"


class Window(NamedTuple):
    """The times of a session, aware UTC.

    Attributes:
        begins_at: its first bar.
        ends_at: behind its last bar.
        until: the first bar of the next session; what people do up to then belongs to this one.
        polled: from and until when its bars are polled.
    """

    begins_at: datetime
    ends_at: datetime
    until: datetime
    polled: tuple[datetime, datetime]


class Poll(NamedTuple):
    """One run of the polls; what is not known of it is None."""

    minute: datetime
    failed: int
    bars: int | None
    late: int | None
    rejected: int | None


class ActCount(Struct, frozen=True, order=True):
    """How often something was done at the desk, and by how many people."""

    object_kind: str
    event: str
    acts: int
    people: int


class Totals(Struct, frozen=True, kw_only=True):
    """Counts of the session's live alerts.

    Attributes:
        folded: stand behind incidents, and are counted nowhere else.
        told: of which at least one channel was to be told.
        silenced: of which nobody was told because of a silence.
        not_told: for any other reason, or not yet.
        escalated: in a case.
    """

    alerts: int
    market: int
    operations: int
    folded: int
    symbols: int
    retracted: int
    told: int
    silenced: int
    not_told: int
    closed: int
    escalated: int


class Count(Struct, frozen=True, kw_only=True):
    """The alerts of one rule, tag or severity, and how those ended that are closed."""

    of: str
    alerts: int
    symbols: int
    closed: int
    true_positive: int
    false_positive: int
    no_verdict: int


class RuleCount(Count, frozen=True, kw_only=True):
    """The same of a rule, with what it is about."""

    kind: Kind


class StateCount(Struct, frozen=True):
    """How many alerts are in one state."""

    state: State
    alerts: int


class EndingCount(Struct, frozen=True):
    """How many alerts were closed for one reason."""

    reason: str
    disposition: Disposition | None
    alerts: int


class MarketEvent(Struct, frozen=True):
    """One move of the whole market; ``symbols`` is how many fired in its widest minute."""

    alert_id: str
    at: datetime
    severity: Severity
    symbols: float
    sentence: str


class SilenceInForce(Struct, frozen=True, kw_only=True):
    """A silence as far as it was in force in the session's time, and how many of its alerts it kept from people."""

    silence_id: int
    rule: str | None
    symbol: str | None
    timespan: str | None
    tag: str | None
    up_to: Severity | None
    reason: str
    author: str
    from_at: datetime
    until_at: datetime
    alerts: int


class ParametersSeen(Struct, frozen=True, kw_only=True):
    """A version of the parameters that alerts of the session were judged by.

    Attributes:
        is_new: whether no alert of the session before was judged by it; None: that one has no alerts.
    """

    version: str
    alerts: int
    first_bar_at: datetime
    last_bar_at: datetime
    is_new: bool | None


class Gap(Struct, frozen=True):
    """Minutes for which no poll is stored that went well: from the first one's close to the last one's."""

    first: datetime
    last: datetime
    minutes: int


class Coverage(Struct, frozen=True, kw_only=True):
    """What table ``batches`` knows of the polls; counts are None where no run says them.

    Attributes:
        minutes: of the session that were to be polled.
        polled: of them, with a run in which no task failed.
        gaps: the first MOST_GAPS of the others.
        unknown: what nobody can say from the application's database.
    """

    minutes: int
    polled: int
    runs: int
    failed_runs: int
    bars: int | None
    late: int | None
    rejected: int | None
    gaps: tuple[Gap, ...]
    unknown: tuple[str, ...]


class DailyReport(Struct, frozen=True, kw_only=True):
    """One session; each tuple is a table."""

    session: str
    begins_at: datetime
    ends_at: datetime
    totals: Totals
    rules: tuple[RuleCount, ...]
    tags: tuple[Count, ...]
    severities: tuple[Count, ...]
    states: tuple[StateCount, ...]
    endings: tuple[EndingCount, ...]
    market_events: tuple[MarketEvent, ...]
    silences: tuple[SilenceInForce, ...]
    acts: tuple[ActCount, ...]
    parameters: tuple[ParametersSeen, ...]
    coverage: Coverage


def make_daily_report(
    session: str,
    window: Window,
    facts: Iterable[Facts],
    verdicts: Verdicts,
    *,
    silences: Iterable[Silence] = (),
    acts: Iterable[ActCount] = (),
    polls: Iterable[Poll] = (),
    versions_before: Sequence[str] = (),
) -> DailyReport:
    """Make the report of a session; whatever order its parts come in, it is the same.

    Args:
        facts: of the session's live alerts.
        silences: those that overlap the window, or any more.
        versions_before: of the parameters, on the alerts of the session before.
    """
    everything = sorted(facts)
    alerts = [one for one in everything if not one.is_folded]
    rules = _count(alerts, lambda one: one.rule, verdicts)
    kinds = {one.rule: one.kind for one in alerts}
    return DailyReport(
        session=session,
        begins_at=window.begins_at,
        ends_at=window.ends_at,
        totals=_total(everything, alerts),
        rules=tuple(RuleCount(**msgspec.structs.asdict(count), kind=kinds[count.of]) for count in rules),
        tags=_count([one for one in alerts if one.kind == "market"], lambda one: one.tag or "none", verdicts),
        severities=_count(alerts, lambda one: one.severity, verdicts, SEVERITIES[::-1]),
        states=tuple(StateCount(state, sum(one.state == state for one in alerts)) for state in STATES),
        endings=_count_endings(alerts, verdicts),
        market_events=tuple(
            MarketEvent(one.alert_id, _utc(one.bar_at), one.severity, one.value, one.event or "")
            for one in sorted(alerts, key=lambda one: (one.bar_at, one.alert_id))
            if one.rule == EVENT
        ),
        silences=_list_silences(silences, window, everything),
        acts=tuple(sorted(acts)),
        parameters=_list_parameters(alerts, versions_before),
        coverage=_cover(polls, window),
    )


def hash_report(report: DailyReport) -> tuple[str, bytes]:
    """Return the SHA-256 in hex digits of the report as JSON, and that JSON."""
    text = msgspec.json.encode(report)
    return hashlib.sha256(text).hexdigest(), text


def _total(everything: Sequence[Facts], alerts: Sequence[Facts]) -> Totals:
    told = Counter(_say_told(one) for one in alerts)
    return Totals(
        alerts=len(alerts),
        market=sum(one.kind == "market" for one in alerts),
        operations=sum(one.kind == "operations" for one in alerts),
        folded=len(everything) - len(alerts),
        symbols=len({one.symbol for one in alerts}),
        retracted=sum(one.status == "retracted" for one in alerts),
        told=told["told"],
        silenced=told["silenced"],
        not_told=told["not told"],
        closed=sum(one.state == "closed" for one in alerts),
        escalated=sum(one.is_escalated for one in alerts),
    )


def _say_told(one: Facts) -> str:
    return "told" if one.told == "outbox" else "silenced" if one.told.startswith("not sent: silence ") else "not told"


def _count(
    alerts: Sequence[Facts], name: Callable[[Facts], str], verdicts: Verdicts, order: Sequence[str] = ()
) -> tuple[Count, ...]:
    """Count by name, in the order given, else most alerts first."""
    groups: dict[str, list[Facts]] = defaultdict(list)
    for one in alerts:
        groups[name(one)].append(one)
    names = [it for it in order if it in groups] or sorted(groups, key=lambda it: (-len(groups[it]), it))
    counts = []
    for it in names:
        ended = Counter(one.find_verdict(verdicts) for one in groups[it])
        counts.append(
            Count(
                of=it,
                alerts=len(groups[it]),
                symbols=len({one.symbol for one in groups[it]}),
                closed=sum(one.state == "closed" for one in groups[it]),
                **{disposition.replace(" ", "_"): ended[disposition] for disposition in DISPOSITIONS},
            )
        )
    return tuple(counts)


def _count_endings(alerts: Sequence[Facts], verdicts: Verdicts) -> tuple[EndingCount, ...]:
    counts = Counter(one.reason for one in alerts if one.state == "closed" and one.reason)
    return tuple(
        EndingCount(reason, verdicts.get(reason), n)
        for reason, n in sorted(counts.items(), key=lambda it: (-it[1], it[0]))
    )


def _list_silences(silences: Iterable[Silence], window: Window, facts: Sequence[Facts]) -> tuple[SilenceInForce, ...]:
    kept = Counter(one.told for one in facts)
    return tuple(
        SilenceInForce(
            silence_id=it.silence_id,
            **msgspec.structs.asdict(it.matcher),
            reason=it.reason,
            author=it.author,
            # What becomes of it later is no matter of this session.
            from_at=_utc(max(it.begins_at, window.begins_at)),
            until_at=_utc(min(it.ends_at, window.until)),
            alerts=kept[f"not sent: {it.describe()}"],
        )
        for it in sorted(silences, key=lambda it: it.silence_id)
        if it.begins_at < window.until and it.ends_at > window.begins_at
    )


def _list_parameters(alerts: Sequence[Facts], before: Sequence[str]) -> tuple[ParametersSeen, ...]:
    bars: dict[str, list[datetime]] = defaultdict(list)
    for one in alerts:
        # What is not judged by bars has none.
        if one.parameters_version:
            bars[one.parameters_version].append(one.bar_at)
    return tuple(
        ParametersSeen(
            version=version,
            alerts=len(times),
            first_bar_at=_utc(min(times)),
            last_bar_at=_utc(max(times)),
            is_new=version not in before if before else None,
        )
        for version, times in sorted(bars.items(), key=lambda it: (min(it[1]), it[0]))
    )


def _cover(polls: Iterable[Poll], window: Window) -> Coverage:
    start, end = window.polled
    runs = [poll for poll in polls if start < poll.minute <= end]
    good = {poll.minute for poll in runs if not poll.failed}
    wanted = [start + MINUTE * (number + 1) for number in range((end - start) // MINUTE)]
    gaps: list[Gap] = []
    for minute in wanted:
        if minute in good:
            continue
        if gaps and gaps[-1].last + MINUTE == minute:
            gaps[-1] = Gap(gaps[-1].first, minute, gaps[-1].minutes + 1)
        else:
            gaps.append(Gap(minute, minute, 1))
    return Coverage(
        minutes=len(wanted),
        polled=sum(minute in good for minute in wanted),
        runs=len(runs),
        failed_runs=sum(poll.failed > 0 for poll in runs),
        bars=_sum([poll.bars for poll in runs]),
        late=_sum([poll.late for poll in runs]),
        rejected=_sum([poll.rejected for poll in runs]),
        gaps=tuple(gaps[:MOST_GAPS]) if runs else (),
        unknown=UNKNOWN if runs else (NO_RUN, *UNKNOWN),
    )


def _utc(moment: datetime) -> datetime:
    """A database may write times in a zone of its own, which would be another hash."""
    return moment.astimezone(UTC)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
