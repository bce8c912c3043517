"""Routes of alerts and their reviews: the queue, one alert with its history, and what people decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime, Field

from include.orchestration.application import audit
from include.orchestration.application.reviews import (
    KIND,
    change_reviews,
    count_states,
    note_on_alerts,
    select_queue,
)
from include.orchestration.page.access import Decider, Signer
from include.orchestration.page.inputs import MOST_AT_ONCE, AlertId, Body, Limit, Line, Name, Storable, Text, Version
from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk import reviews as domain
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import Review, State
from include.surveillance.records import Tag
from include.surveillance.settings import Settings
from include.surveillance.severities import Severity

MOST_ACTS = 500
COUNTED = timedelta(days=30)
NO_FILTER = dict.fromkeys(
    ("symbol", "rule", "tag", "severities", "kind", "source", "states", "owner", "text", "since", "until", "alert_id")
)
Word = Annotated[str | None, Query(max_length=100), Storable]

reviews = APIRouter(tags=["alerts"])


class Alerts(Body):
    """Alerts by id, each with the version of its review that was seen; 0 where nobody has touched it."""

    alerts: dict[AlertId, Version] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Assignment(Alerts):
    owner: Name


class Closing(Alerts):
    reason: Line = Field(description="a code of the policy")
    text: Text | None = None


class Remark(Alerts):
    text: Text


class Signature(Alerts):
    text: Text | None = None


class Note(Body):
    alerts: list[AlertId] = Field(min_length=1, max_length=MOST_AT_ONCE)
    text: Text


@reviews.get("/policy")
def policy() -> dict[str, Any]:
    """What the desk asks of people: reasons for closing, second signatures, the longest silence."""
    plain: dict[str, Any] = _plain(_policy())
    return plain


@reviews.get("/alerts")
def queue(
    state: Annotated[list[State] | None, Query()] = None,
    severity: Annotated[list[Severity] | None, Query()] = None,
    kind: Kind = "market",
    history: bool = False,
    symbol: Word = None,
    rule: Word = None,
    tag: Tag | None = None,
    owner: Word = None,
    text: Word = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    order: Literal["priority", "newest"] = "priority",
    after: Annotated[str | None, Query(max_length=4_000), Storable] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """One page of the queue: the unexplained first and in them the rarest, or the newest first.

    ``next`` is what the next page is asked for with as ``after``; null: this is the last one.
    """
    filters = {
        "states": state,
        "severities": severity,
        "kind": kind,
        "source": "backfill" if history else "live",
        "symbol": symbol.strip().upper() if symbol else None,
        "rule": rule,
        "tag": tag,
        "owner": owner,
        "text": text,
        "since": since,
        "until": until,
    }
    alerts, following = select_queue({**NO_FILTER, **filters, "order": order}, after, limit)
    return {"alerts": alerts, "next": following}


@reviews.get("/counts")
def counts(kind: Kind = "market") -> list[dict[str, Any]]:
    """How many live alerts of the last 30 days are in each state, by severity."""
    return count_states(kind, datetime.now(UTC) - COUNTED)


# An id of an alert may hold any sign, a slash too.
@reviews.get("/alerts/{alert_id:path}")
def alert(alert_id: AlertId) -> dict[str, Any]:
    """One alert with its review, and what people did with it, the newest first."""
    found, _ = select_queue({**NO_FILTER, "order": "newest", "symbol": None, "alert_id": alert_id}, None, 1)
    if not found:
        raise HTTPException(404, f"there is no alert {alert_id}")
    acts = audit.select_acts({"object_kind": KIND, "object_id": alert_id, "before": None}, MOST_ACTS)
    return {"alert": found[0], "acts": acts}


@reviews.post("/reviews/take")
def take(body: Alerts, person: Decider) -> dict[str, Any]:
    """Make alerts one's own."""
    return _change(person, "take", body, lambda review, _: domain.assign(review, person))


@reviews.post("/reviews/assign")
def assign(body: Assignment, person: Decider) -> dict[str, Any]:
    """Give alerts to somebody."""
    return _change(person, "assign", body, lambda review, _: domain.assign(review, body.owner))


@reviews.post("/reviews/release")
def release(body: Alerts, person: Decider) -> dict[str, Any]:
    """Put alerts back for everybody."""
    return _change(person, "release", body, lambda review, _: domain.release(review))


@reviews.post("/reviews/close")
def close(body: Closing, person: Decider) -> dict[str, Any]:
    """Close alerts for a reason, or propose it where the severity wants a second signature."""
    policy = _policy()

    def change(review: Review, severity: Severity) -> Review:
        return domain.close(review, person, body.reason, severity, policy)

    return _change(person, "close", body, change, body.text)


@reviews.post("/reviews/sign")
def sign(body: Signature, person: Signer) -> dict[str, Any]:
    """Close what somebody else has proposed to close."""
    return _change(person, "sign", body, lambda review, _: domain.sign(review, person), body.text)


@reviews.post("/reviews/send-back")
def send_back(body: Remark, person: Signer) -> dict[str, Any]:
    """Give back what was to be signed, with a word why."""
    return _change(person, "send back", body, lambda review, _: domain.send_back(review), body.text)


@reviews.post("/reviews/reopen")
def reopen(body: Remark, person: Decider) -> dict[str, Any]:
    """Make closed alerts as open as new ones, with a word why."""
    return _change(person, "reopen", body, lambda review, _: domain.reopen(review), body.text)


@reviews.post("/reviews/note", status_code=204)
def note(body: Note, person: Decider) -> None:
    """Write a note on alerts."""
    note_on_alerts(person, list(dict.fromkeys(body.alerts)), body.text)


def _change(person: str, event: str, body: Alerts, change: Any, text: str | None = None) -> dict[str, Any]:
    return {"reviews": _plain(change_reviews(person, event, body.alerts, change, text))}


def _policy() -> Policy:
    return Policy.load(Settings.from_env().desk_policy_file)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
