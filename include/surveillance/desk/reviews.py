"""Where people are with an alert: open, in review, to be signed by a second person, or closed.

Each function returns the review after an act, or refuses the act; who may act at all is for the caller to say. People
are known by the name with which they sign in.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from include.surveillance.desk.policy import Policy
from include.surveillance.errors import ActRefusedError
from include.surveillance.severities import Severity

State = Literal["open", "in review", "to sign", "closed"]
STATES: tuple[State, ...] = get_args(State)


class Review(Struct, frozen=True, kw_only=True):
    """What people have done with one alert so far.

    Attributes:
        owner: whose it is; nobody's while it is open.
        reason: the code with which it was closed, or is to be.
        closed_by: who closed it, or wants to.
        signed_by: the second person, where one was wanted.
        version: how often it was changed; 0: nobody has touched it.
    """

    state: State = "open"
    owner: str | None = None
    reason: str | None = None
    closed_by: str | None = None
    signed_by: str | None = None
    version: int = 0


def assign(review: Review, owner: str) -> Review:
    """Give an alert that is not closed to somebody, who may be whoever gives it."""
    _demand(review, "given to anybody", "open", "in review")
    return _change(review, state="in review", owner=owner)


def release(review: Review) -> Review:
    """Put an alert back for everybody."""
    _demand(review, "put back", "in review")
    return _change(review, state="open", owner=None)


def close(review: Review, by: str, code: str, severity: Severity, policy: Policy) -> Review:
    """Close an alert for a reason, or propose it where the severity wants the signature of a second person."""
    _demand(review, "closed", "open", "in review")
    state: State = "to sign" if policy.wants_second_signature(severity) else "closed"
    reason = policy.find_reason(code).code
    return _change(review, state=state, owner=review.owner or by, reason=reason, closed_by=by)


def sign(review: Review, by: str) -> Review:
    """Close what somebody else proposed to close."""
    _demand(review, "signed", "to sign")
    if by == review.closed_by:
        raise ActRefusedError(f"{by} has closed the alert: somebody else has to sign")
    return _change(review, state="closed", signed_by=by)


def send_back(review: Review) -> Review:
    """Give what was to be signed back to its owner."""
    _demand(review, "sent back", "to sign")
    return _change(review, state="in review", reason=None, closed_by=None)


def reopen(review: Review) -> Review:
    """Make a closed alert as open as a new one."""
    _demand(review, "reopened", "closed")
    return Review(version=review.version + 1)


def _demand(review: Review, act: str, *states: State) -> None:
    if review.state not in states:
        owned = f" and {review.owner}'s" if review.owner else ""
        raise ActRefusedError(
            f"the alert is {review.state}{owned}: only one that is {' or '.join(states)} can be {act}"
        )


def _change(review: Review, **changes: str | None) -> Review:
    return replace(review, **changes, version=review.version + 1)
