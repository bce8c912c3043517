"""What the desk's interface answers, type by type: its description is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.cases import Status as CaseStatus
from include.surveillance.desk.policy import Disposition
from include.surveillance.desk.reviews import State
from include.surveillance.records import Sentiment, Source
from include.surveillance.severities import Severity


class AlertRow(BaseModel):
    """One alert with its review."""

    alert_id: str
    kind: Kind
    rule: str
    symbol: str
    timespan: str
    bar_at: datetime = Field(description="the start of the bar that raised it")
    severity: Severity
    score: float = Field(description="0-100, from how rare it is for its symbol")
    direction: str
    value: float
    threshold: float
    baseline: float | None
    session_phase: str
    session_date: str
    source: Source
    explanation: str = Field(description="one sentence")
    form: str
    tag: str | None
    tag_evidence: list[str] | None
    status: str
    firings: int
    inhibited_by: str | None
    state: State
    owner: str | None
    reason: str | None = Field(description="a code of the policy")
    closed_by: str | None
    signed_by: str | None
    version: int = Field(description="of the review; whoever acts says it")
    changed_at: datetime | None


class Queue(BaseModel):
    """One page of alerts."""

    alerts: list[AlertRow]
    next: str | None = Field(description="what the next page is asked for with as after; null: this is the last one")


class StateCount(BaseModel):
    """How many alerts of one severity are in one state."""

    state: State
    severity: Severity
    alerts: int


class Act(BaseModel):
    """What somebody did at the desk: a row of the audit log."""

    audit_id: int
    occurred_at: datetime
    event: str
    actor: str | None
    details: str | None
    object_kind: str
    object_id: str
    before: Any
    after: Any


class Acts(BaseModel):
    """One page of what people did."""

    acts: list[Act]


StepName = Literal["bar closed", "polled", "appended", "detected", "published", "stored", "told"]


class Step(BaseModel):
    """One step on an alert's way."""

    name: StepName
    at: datetime
    seconds: float | None = Field(description="since the bar closed")


class Versions(BaseModel):
    """What an alert was judged by."""

    rule_version: int | None
    parameters_version: str | None
    profile_version: str | None


class Correction(BaseModel):
    """How an alert was before the vendor corrected bars."""

    status: str
    before_value: float | None
    before_threshold: float | None
    value: float
    threshold: float


class Told(BaseModel):
    """What one channel was told of an alert, or is to be told: the outcome is null while it waits."""

    channel: str
    status: str
    severity: str
    known_at: datetime
    sent_at: datetime | None
    outcome: str | None


class CaseLink(BaseModel):
    """A case that an alert belongs to."""

    case_id: int
    title: str
    status: CaseStatus


class Kept(BaseModel):
    """The evidence of an alert."""

    sha256: str = Field(description="of what was kept, in hex digits")
    kept_at: datetime


class AlertDetail(BaseModel):
    """One alert: its row, what people did with it (the newest first), and all that is known of it."""

    alert: AlertRow
    acts: list[Act]
    record: dict[str, Any] | None = Field(description="as published: records.md, Alert")
    notification: str = Field(description="outbox, pending, or why nobody was told")
    incident: str | None = Field(description="the alert that it is folded into")
    steps: list[Step]
    versions: Versions
    correction: Correction | None
    told: list[Told]
    cases: list[CaseLink]
    evidence: Kept | None = Field(description="null: nothing is kept yet")


class BarRow(BaseModel):
    """One bar as the vendor sent it last."""

    event_id: str
    at: datetime = Field(description="its start")
    session: str | None = Field(description="date of the regular session that it is of; null: it is of none")
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    trades: int | None
    cited: bool = Field(description="whether value and threshold of the alert rest on it")


class Article(BaseModel):
    """One article as seen by the alert's symbol."""

    event_id: str
    article_id: str
    published_at: datetime
    title: str
    url: str
    publisher: str
    sentiment: Sentiment | None
    withdrawn: bool
    cited: bool


class Surroundings(BaseModel):
    """Bars and news around an alert: kept ones, or as Kafka has them now."""

    alert_id: str
    symbol: str
    timespan: str
    bar_at: datetime
    bars: list[BarRow]
    news: list[Article]
    cited: list[str] = Field(description="ids of the records that the alert rests on, those outside of the bars too")
    evidence: Kept | None = Field(description="null: it is not kept yet, and read from Kafka")
    intact: bool = Field(description="whether what was kept still has its hash")


class Ending(BaseModel):
    """How many alerts of the same symbol and rule were closed for one reason."""

    reason: str | None
    disposition: Disposition | None
    alerts: int


class Alike(BaseModel):
    """Other alerts: the newest of the same symbol, of the same rule, and of the same minute of the market."""

    symbol: list[AlertRow]
    rule: list[AlertRow]
    minute: list[AlertRow]
    endings: list[Ending] = Field(description="of those of the same symbol and rule")


class Explanation(BaseModel):
    """What the rules say of an alert's inputs now."""

    verdict: Literal["reproduced", "differs", "not reproduced", "not supported"]
    sentence: str
    differences: list[str] = Field(description="one line for each field that differs")
    unsupported: list[str] = Field(description="one line for each message that does not follow from what it cites")
    stored: int = Field(description="messages about it in the log")
    reproduced: int
    alert: dict[str, Any] | None = Field(description="the newest message as it is raised now")
    inputs: list[dict[str, Any]] = Field(description="the records that it cites")
    missing: list[str] = Field(description="ids that it cites and that are no bars or news of its symbol")


class Stage(BaseModel):
    """How far one stage is."""

    name: Literal["feed", "detection", "telling", "warehouse"]
    dag: str = Field(description="the DAG to look at")
    at: datetime | None = Field(description="up to when it has all data")
    seconds: float | None = Field(description="how far it is behind; null: nobody knows")
    limit: float = Field(description="seconds that are allowed")
    late: bool
    problem: str | None


class Pulse(BaseModel):
    """How the platform is, by the time of its data."""

    now: datetime
    ready: bool = Field(description="false: the platform is empty")
    hint: str | None = Field(description="what to do first")
    phase: str | None = Field(
        description="of the market's day: pre, opening_auction, regular, closing_auction, post, closed"
    )
    exchange_time: datetime = Field(description="New York's clock")
    stages: list[Stage]
    paused: list[str] = Field(description="DAGs that are paused")
    open_alerts: dict[Severity, int] = Field(description="of the market, not closed, of the last 30 days")
    silences: int = Field(description="in force")


class ReviewState(BaseModel):
    """What people have done with one alert so far."""

    state: State
    owner: str | None
    reason: str | None
    closed_by: str | None
    signed_by: str | None
    version: int


class Reviews(BaseModel):
    """Reviews by alert id, as they are after an act."""

    reviews: dict[str, ReviewState]


class ReasonRow(BaseModel):
    """Why an alert is closed."""

    code: str
    disposition: Disposition
    text: str


class PolicyAnswer(BaseModel):
    """What the desk asks of people."""

    second_signature_from: Severity | None
    longest_silence_days: int
    most_attachment_bytes: int
    reasons: list[ReasonRow]


class MatcherRow(BaseModel):
    """Which alerts a silence means: those that are as every field says that is not null."""

    rule: str | None
    symbol: str | None
    timespan: str | None
    tag: str | None
    up_to: Severity | None


class SilenceRow(BaseModel):
    """One silence."""

    silence_id: int
    matcher: MatcherRow
    reason: str
    author: str
    begins_at: datetime
    ends_at: datetime
    ended_by: str | None


class Silences(BaseModel):
    """Silences, and the server's time."""

    silences: list[SilenceRow]
    now: datetime


class SilencePreview(BaseModel):
    """What a silence would have kept from people."""

    alerts: int
    rules: dict[str, int]
    severities: dict[str, int]
    symbols: dict[str, int]


class SilenceMade(BaseModel):
    """The number of a silence."""

    silence_id: int


class CaseState(BaseModel):
    """One case as it is after an act."""

    title: str
    narrative: str
    alerts: list[str]
    status: CaseStatus
    opened_by: str
    submitted_by: str | None
    signed_by: str | None
    version: int


class CaseRow(CaseState):
    """One case."""

    case_id: int
    changed_at: datetime


class Cases(BaseModel):
    """One page of cases."""

    cases: list[CaseRow]


class AttachmentRow(BaseModel):
    """A file of a case, without its content."""

    attachment_id: int
    name: str
    media_type: str
    size: int
    sha256: str
    added_by: str
    added_at: datetime


class CaseDetail(BaseModel):
    """One case with its files, and what people did with it, the newest first."""

    case: CaseRow
    attachments: list[AttachmentRow]
    acts: list[Act]


class CaseChanged(BaseModel):
    """A case as it is after an act."""

    case: CaseState


class CaseOpened(BaseModel):
    """The number of a case."""

    case_id: int


class FileAttached(BaseModel):
    """The number of an attachment."""

    attachment_id: int


class Me(BaseModel):
    """Who asks, and what he may write."""

    name: str
    may_write: list[str]


class Fault(BaseModel):
    """What is wrong with one thing that was sent."""

    loc: list[str | int] = Field(description="where it is")
    msg: str
    type: str


class Refusal(BaseModel):
    """Why nothing was done, in a sentence or by what was sent."""

    detail: str | list[Fault]


class Conflict(Refusal):
    """Somebody else was faster, or the same was asked for before: then the last two are missing."""

    current: dict[str, ReviewState | CaseState] = Field(default_factory=dict, description="as it is now, by id")
    changes: list[Act] = Field(default_factory=list, description="who changed it, the newest first")


def _describe(refusals: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": Conflict if status == 409 else Refusal, "description": it} for status, it in refusals.items()
    }


REFUSALS = _describe(
    {
        401: "nobody is signed in",
        403: "the role may not",
        404: "there is nothing of this name",
        422: "what was asked for is unusable, or not allowed as things stand",
        503: "something that is needed does not answer",
    }
)
"""What every route may answer."""
REFUSED_ACTS = _describe(
    {
        400: "the body cannot be read",
        409: "somebody else was faster, or it was done before",
        411: "the length is not said",
        413: "it is too large",
        415: "it is no JSON",
    }
)
"""What a route that changes something may answer besides."""
