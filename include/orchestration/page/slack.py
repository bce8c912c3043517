"""Takes what people press in Slack's messages: signed by Slack, done in the name of whoever pressed, as at the desk.

Whoever acts is known by connection ``slack_actions`` and has the rights that he has in Airflow. What Slack has not
signed just now, or has sent before, is refused.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from msgspec import Meta, Struct
from slack_sdk.signature import SignatureVerifier

from include.orchestration import connections
from include.orchestration.accounts.permissions import DECISIONS, SILENCES
from include.orchestration.application import silences
from include.orchestration.application.audit import Act, record_act
from include.orchestration.application.requests import Asked, record_request
from include.orchestration.application.reviews import change_reviews, list_alerts
from include.orchestration.page.access import list_writable_by
from include.surveillance.channels import Receiver, post
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import Review, assign
from include.surveillance.desk.silences import Matcher
from include.surveillance.errors import ActRefusedError, ChannelError, ConfigurationError, UnknownObjectError
from include.surveillance.settings import Settings

LOG = logging.getLogger(__name__)
MOST_BYTES = 200_000
SILENCED = timedelta(hours=1)
# Nothing is posted elsewhere, whatever a payload says.
ANSWERS = "https://hooks.slack.com/"
WHENCE = "from Slack"

app = FastAPI(title="Acts in Slack", docs_url=None, redoc_url=None, openapi_url=None)


class _Person(Struct):
    id: Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,32}$")]


class _Pressed(Struct):
    action_id: str
    value: Annotated[str, Meta(max_length=2_000, pattern=r"\A[^\x00]*\Z")] = ""


class _Payload(Struct):
    """Of Slack's ``block_actions`` what is used; any other kind of payload has no ``actions``."""

    user: _Person
    actions: list[_Pressed] = []
    response_url: str = ""


@app.post("/actions")
async def act(request: Request, later: BackgroundTasks) -> Response:
    """Do what a button says, and tell whoever pressed it, and nobody else, what has become of it."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES:
        raise HTTPException(413, f"send {MOST_BYTES:,} bytes at most, and say how many")
    body = await request.body()
    payload, told = await run_in_threadpool(_take, body, dict(request.headers))
    if told:
        later.add_task(_tell, payload.response_url, told)
    return Response(status_code=200)


def _take(body: bytes, headers: dict[str, str]) -> tuple[_Payload, str]:
    """Do what a signed request asks for; return it, and what to tell whoever has asked."""
    try:
        secret, people = connections.slack_actions()
    except ConfigurationError as error:
        LOG.warning("somebody presses a button in Slack, or says so: %s", error)
        raise HTTPException(401, "nothing is signed here") from None
    if not _is_signed(secret, body, headers):
        raise HTTPException(401, "it is not signed by Slack, or was some time ago")
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True)["payload"]
        payload = msgspec.json.decode(text, type=_Payload)
    except (ValueError, KeyError, msgspec.MsgspecError):
        raise HTTPException(400, "it is no payload of Slack's buttons") from None
    person = people.get(payload.user.id)
    asked = Asked(person or f"slack {payload.user.id}", headers["x-slack-signature"], hashlib.sha256(body).digest())
    if not record_request(asked):
        raise HTTPException(409, "this was sent before")
    return payload, "\n".join(filter(None, (_do(pressed, person, payload.user.id) for pressed in payload.actions)))


def _is_signed(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    """Say whether Slack has signed it within five minutes from now, by the HMAC of its version v0."""
    try:
        return SignatureVerifier(secret).is_valid_request(body, headers)
    # A time that is no number, a body or a signature that is no text.
    except (ValueError, TypeError):
        return False


def _do(pressed: _Pressed, person: str | None, slack_id: str) -> str | None:
    # A button with an address tells that it was pressed, too.
    if pressed.action_id not in ACTS:
        return None
    resource, do = ACTS[pressed.action_id]
    if person is None:
        reason = f"connection {connections.SLACK_ACTIONS} does not say who {slack_id} is in Airflow"
    elif resource not in list_writable_by(person):
        reason = f"{person} may not: ask an administrator for role Analyst"
    else:
        try:
            return do(person, pressed.value)
        except ActRefusedError as error:
            return f"Nothing was done: {error}."
    record_act(Act(person or f"slack {slack_id}", "refused", "request", f"slack {pressed.action_id}", details=reason))
    return f"Nothing was done: {reason}."


def _take_alert(person: str, alert_id: str) -> str:
    row = _find(alert_id)

    def change(review: Review, _: object) -> Review:
        # Whoever presses sees the message, and not whose the alert is by now.
        if review.owner is not None:
            raise ActRefusedError(f"the alert is {review.state} and {review.owner}'s")
        return assign(review, person)

    change_reviews(person, "take", {alert_id: row["version"]}, change, WHENCE)
    return f"{row['symbol']} {row['rule']}: yours now."


def _silence_like(person: str, alert_id: str) -> str:
    row, now = _find(alert_id), datetime.now(UTC)
    policy = Policy.load(Settings.from_env().desk_policy_file)
    matcher = Matcher(rule=row["rule"], symbol=row["symbol"])
    number = silences.silence(person, matcher, f"{WHENCE}, at alert {alert_id}"[:4_000], now, now + SILENCED, policy)
    return f"{row['symbol']} {row['rule']}: nobody is told until {now + SILENCED:%H:%M} UTC (silence {number})."


ACTS: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "take": (DECISIONS, _take_alert),
    "silence": (SILENCES, _silence_like),
}


def _find(alert_id: str) -> dict[str, Any]:
    for row in list_alerts([alert_id]):
        return row
    raise UnknownObjectError(f"there is no alert {alert_id}")


def _tell(address: str, text: str) -> None:
    import requests

    if not address.startswith(ANSWERS):
        LOG.warning("a payload wants its answer elsewhere than %s: it gets none", ANSWERS)
        return
    body = {"response_type": "ephemeral", "replace_original": False, "text": html.escape(text, quote=False)}
    try:
        with requests.Session() as session:
            post(Receiver("slack", "the api-server's way out"), session, address, json.dumps(body).encode(), {})
    except ChannelError as error:
        LOG.warning("whoever pressed a button in Slack is not told what became of it: %s", error)
