"""Routes of reviews: what people decide on alerts."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import Field

from include.orchestration.application.reviews import change_reviews, note_on_alerts
from include.orchestration.page.access import Decider, Signer
from include.orchestration.page.answers import PolicyAnswer, Reviews
from include.orchestration.page.inputs import MOST_AT_ONCE, AlertId, Body, Line, Name, Text, Version
from include.orchestration.page.once import OnceRoute
from include.surveillance.desk import reviews as domain
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import Review
from include.surveillance.settings import Settings
from include.surveillance.severities import Severity

reviews = APIRouter(tags=["alerts"], route_class=OnceRoute)


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


@reviews.get("/policy", response_model=PolicyAnswer)
def policy() -> dict[str, Any]:
    """What the desk asks of people: reasons for closing, second signatures, the longest silence."""
    plain: dict[str, Any] = _plain(_policy())
    return plain


@reviews.post("/reviews/take", response_model=Reviews)
def take(body: Alerts, person: Decider) -> dict[str, Any]:
    """Make alerts one's own."""
    return _change(person, "take", body, lambda review, _: domain.assign(review, person))


@reviews.post("/reviews/assign", response_model=Reviews)
def assign(body: Assignment, person: Decider) -> dict[str, Any]:
    """Give alerts to somebody."""
    return _change(person, "assign", body, lambda review, _: domain.assign(review, body.owner))


@reviews.post("/reviews/release", response_model=Reviews)
def release(body: Alerts, person: Decider) -> dict[str, Any]:
    """Put alerts back for everybody."""
    return _change(person, "release", body, lambda review, _: domain.release(review))


@reviews.post("/reviews/close", response_model=Reviews)
def close(body: Closing, person: Decider) -> dict[str, Any]:
    """Close alerts for a reason, or propose it where the severity wants a second signature."""
    policy = _policy()

    def change(review: Review, severity: Severity) -> Review:
        return domain.close(review, person, body.reason, severity, policy)

    return _change(person, "close", body, change, body.text)


@reviews.post("/reviews/sign", response_model=Reviews)
def sign(body: Signature, person: Signer) -> dict[str, Any]:
    """Close what somebody else has proposed to close."""
    return _change(person, "sign", body, lambda review, _: domain.sign(review, person), body.text)


@reviews.post("/reviews/send-back", response_model=Reviews)
def send_back(body: Remark, person: Signer) -> dict[str, Any]:
    """Give back what was to be signed, with a word why."""
    return _change(person, "send back", body, lambda review, _: domain.send_back(review), body.text)


@reviews.post("/reviews/reopen", response_model=Reviews)
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
