"""Facts: one alert and what has become of it so far, as reports count it. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.policy import Disposition
from include.surveillance.desk.reviews import State
from include.surveillance.severities import Severity

Verdicts = Mapping[str, Disposition]
"""What each code of the policy says of the rule."""


class Facts(NamedTuple):
    """One live alert.

    Attributes:
        session: YYYY-MM-DD, the trading date.
        known_at: since when people could see it.
        event: the sentence of an event of the market; None for any other alert.
        score: 0-100; from the rarity for its symbol where ``is_rare`` says that this is known.
        told: ``outbox``, ``pending``, or ``not sent: `` and why.
        is_folded: it stands behind an incident, which is an alert of its own.
        reason: the code with which it is closed, or is to be.
        decided_at: when somebody first closed it, or proposed to.
        changed_at: when its review was changed last; None: nobody has touched it.
        is_escalated: it is in a case.
    """

    alert_id: str
    kind: Kind
    rule: str
    form: str
    symbol: str
    tag: str | None
    severity: Severity
    session: str
    bar_at: datetime
    known_at: datetime
    status: str
    value: float
    event: str | None
    score: float
    is_rare: bool
    parameters_version: str | None
    told: str
    is_folded: bool
    state: State = "open"
    reason: str | None = None
    decided_at: datetime | None = None
    changed_at: datetime | None = None
    is_escalated: bool = False

    def find_verdict(self, verdicts: Verdicts) -> Disposition | None:
        """Return what closing it says of its rule; None while it is not closed, or where the code is no more."""
        return verdicts.get(self.reason or "") if self.state == "closed" else None
