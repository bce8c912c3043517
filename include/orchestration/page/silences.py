"""Routes of silences: those that there are, what one would have muted, making and ending one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from include.orchestration.application import silences as stored
from include.orchestration.page.access import Silencer
from include.orchestration.page.answers import SilenceMade, SilencePreview, SilenceRow, Silences
from include.orchestration.page.inputs import Body, Line, Number, Storable, Text
from include.orchestration.page.once import OnceRoute
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.silences import Matcher
from include.surveillance.records import Tag
from include.surveillance.settings import Settings
from include.surveillance.severities import Severity

PREVIEWED = timedelta(days=7)
Span = Literal["minute", "5minute", "15minute", "hour", "day"]
Word = Annotated[str | None, Query(max_length=100), Storable]

silences = APIRouter(prefix="/silences", tags=["silences"], route_class=OnceRoute)


class Wanted(Body):
    """Which alerts people are not told of, why, and until when."""

    rule: Line | None = None
    symbol: Line | None = None
    timespan: Span | None = None
    tag: Tag | None = None
    up_to: Severity | None = None
    reason: Text
    ends_at: AwareDatetime


@silences.get("", response_model=Silences)
def list_silences() -> dict[str, Any]:
    """The silences in force, and those that are over, the one that ends last first."""
    return {"silences": msgspec.to_builtins(stored.list_silences()), "now": datetime.now(UTC)}


@silences.get("/preview", response_model=SilencePreview)
def preview(
    rule: Word = None,
    symbol: Word = None,
    timespan: Span | None = None,
    tag: Tag | None = None,
    up_to: Severity | None = None,
) -> dict[str, Any]:
    """What a silence would have kept from people in the last seven days."""
    matcher = Matcher(rule=rule, symbol=symbol, timespan=timespan, tag=tag, up_to=up_to)
    counted: dict[str, Any] = msgspec.to_builtins(stored.preview(matcher, datetime.now(UTC) - PREVIEWED))
    return counted


@silences.post("", status_code=201, response_model=SilenceMade)
def silence(body: Wanted, person: Silencer) -> dict[str, int]:
    """Let people not be told of alerts from now on until then. They are detected and stored as before."""
    matcher = Matcher(rule=body.rule, symbol=body.symbol, timespan=body.timespan, tag=body.tag, up_to=body.up_to)
    policy = Policy.load(Settings.from_env().desk_policy_file)
    number = stored.silence(person, matcher, body.reason, datetime.now(UTC), body.ends_at, policy)
    return {"silence_id": number}


@silences.post("/{number}/end", response_model=SilenceRow)
def end(number: Number, person: Silencer) -> dict[str, Any]:
    """End a silence now."""
    ended: dict[str, Any] = msgspec.to_builtins(stored.end_silence(person, number, datetime.now(UTC)))
    return ended
