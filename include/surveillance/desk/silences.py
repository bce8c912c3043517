"""Silences: of which alerts people are not told for a while. They act on telling; what is detected stays as it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from include.surveillance.alerts.notification import OVER, LastNotified, reason_not_to_notify
from include.surveillance.desk.policy import Policy
from include.surveillance.errors import ActRefusedError
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES, Severity

MOST_SYMBOLS = 20


class Matchable(Protocol):
    """What a matcher asks of an alert; ``Alert`` has it."""

    @property
    def rule(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def timespan(self) -> str: ...
    @property
    def tag(self) -> str | None: ...
    @property
    def severity(self) -> Severity: ...


class Matcher(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts: those that are as every field says that is not None.

    Attributes:
        up_to: the most severe that is meant.
    """

    rule: str | None = None
    symbol: str | None = None
    timespan: str | None = None
    tag: str | None = None
    up_to: Severity | None = None

    def matches(self, alert: Matchable) -> bool:
        """Say whether an alert is meant."""
        return (
            self.rule in (None, alert.rule)
            and self.symbol in (None, alert.symbol)
            and self.timespan in (None, alert.timespan)
            and self.tag in (None, alert.tag)
            and (self.up_to is None or SEVERITIES.index(alert.severity) <= SEVERITIES.index(self.up_to))
        )


class Silence(Struct, frozen=True, kw_only=True):
    """One silence. It ends by itself, or earlier by somebody, who is ``ended_by``."""

    silence_id: int
    matcher: Matcher
    reason: str
    author: str
    begins_at: datetime
    ends_at: datetime
    ended_by: str | None = None

    def is_in_force(self, at: datetime) -> bool:
        return self.begins_at <= at < self.ends_at

    def describe(self) -> str:
        """Say why people are not told, as the row of an alert does."""
        return f"silence {self.silence_id} of {self.author}"


def check_silence(matcher: Matcher, begins_at: datetime, ends_at: datetime, policy: Policy) -> None:
    """Refuse a silence of everything, one that lasts too long, and one that never is.

    Raises:
        ActRefusedError: the message says what is allowed.
    """
    if matcher.rule is None and matcher.symbol is None:
        raise ActRefusedError("a silence of all rules and all symbols is refused: name a rule or a symbol")
    if ends_at <= begins_at:
        raise ActRefusedError(f"a silence that ends at {ends_at.isoformat()} is over: let it end later")
    if ends_at - begins_at > timedelta(days=policy.longest_silence_days):
        raise ActRefusedError(f"a silence lasts {policy.longest_silence_days} days at most: let it end earlier")


def find_silence(silences: Iterable[Silence], alert: Matchable, at: datetime) -> Silence | None:
    """Return the silence of an alert that is in force and lasts longest, None if there is none."""
    found = [silence for silence in silences if silence.is_in_force(at) and silence.matcher.matches(alert)]
    return max(found, key=lambda silence: (silence.ends_at, silence.silence_id), default=None)


class Preview(Struct, frozen=True, kw_only=True):
    """What a silence would have kept from people: counts of alerts, and of them by rule, severity and symbol.

    Attributes:
        symbols: those with most alerts, MOST_SYMBOLS at most.
    """

    alerts: int
    rules: dict[str, int]
    severities: dict[str, int]
    symbols: dict[str, int]


def preview_silence(matcher: Matcher, alerts: Sequence[Matchable]) -> Preview:
    """Count the alerts that a matcher means."""
    meant = [alert for alert in alerts if matcher.matches(alert)]
    severities = Counter(alert.severity for alert in meant)
    return Preview(
        alerts=len(meant),
        rules=dict(sorted(Counter(alert.rule for alert in meant).items())),
        severities={severity: severities[severity] for severity in reversed(SEVERITIES) if severities[severity]},
        symbols=dict(Counter(alert.symbol for alert in meant).most_common(MOST_SYMBOLS)),
    )


Told = tuple[Alert, LastNotified]


def split_silenced(
    silences: Sequence[Silence], at: datetime, *groups: Sequence[Told]
) -> tuple[dict[str, list[Alert]], list[list[Told]]]:
    """Split what people would be told of now from what is silenced.

    That something has ended or was withdrawn is told to whoever was told of it, silenced or not.

    Args:
        groups: alerts, each with what people were last notified of it.

    Returns:
        By silence the alerts that it keeps from people, and the groups without them.
    """
    silenced: dict[str, list[Alert]] = defaultdict(list)
    left: list[list[Told]] = []
    for group in groups:
        left.append([])
        for alert, last in group:
            silence = find_silence(silences, alert, at)
            if silence is None or alert.status in OVER or reason_not_to_notify(alert, last) is not None:
                left[-1].append((alert, last))
            else:
                silenced[silence.describe()].append(alert)
    return silenced, left
