"""What the routes of reports answer, type by type, as ``include/surveillance/desk`` makes it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.policy import Disposition
from include.surveillance.desk.reviews import State
from include.surveillance.severities import Severity


class SessionRow(BaseModel):
    """One session, and what was signed of it last."""

    session: str
    alerts: int
    waiting: int = Field(description="not closed")
    sha256: str | None
    signed_by: str | None
    signed_at: datetime | None


class SessionRows(BaseModel):
    """The newest sessions, the newest first."""

    sessions: list[SessionRow]


class TotalCounts(BaseModel):
    """Counts of a session's live alerts."""

    alerts: int
    market: int
    operations: int
    folded: int = Field(description="behind incidents, and counted nowhere else")
    symbols: int
    retracted: int
    told: int
    silenced: int
    not_told: int
    closed: int
    escalated: int = Field(description="in a case")


class CountRow(BaseModel):
    """Alerts of one tag or severity, and how those ended that are closed."""

    of: str
    alerts: int
    symbols: int
    closed: int
    true_positive: int
    false_positive: int
    no_verdict: int


class RuleCountRow(CountRow):
    """The same of one rule."""

    kind: Kind


class StateRow(BaseModel):
    """How many alerts are in one state."""

    state: State
    alerts: int


class EndingRow(BaseModel):
    """How many alerts were closed for one reason."""

    reason: str
    disposition: Disposition | None
    alerts: int


class MarketEventRow(BaseModel):
    """One move of the whole market."""

    alert_id: str
    at: datetime
    severity: Severity
    symbols: float = Field(description="that fired in its widest minute")
    sentence: str


class SilenceInForceRow(BaseModel):
    """A silence as far as it was in force in the session's time."""

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
    alerts: int = Field(description="of the session, that it kept from people")


class ActCountRow(BaseModel):
    """How often something was done at the desk, and by how many people."""

    object_kind: str
    event: str
    acts: int
    people: int


class ParametersRow(BaseModel):
    """A version of the parameters that alerts of the session were judged by."""

    version: str
    alerts: int
    first_bar_at: datetime
    last_bar_at: datetime
    is_new: bool | None = Field(description="null: the session before has no alerts")


class GapRow(BaseModel):
    """Minutes for which no poll is stored that went well."""

    first: datetime
    last: datetime
    minutes: int


class CoverageAnswer(BaseModel):
    """What is known of the polls, and what is not."""

    minutes: int
    polled: int
    runs: int
    failed_runs: int
    bars: int | None
    late: int | None
    rejected: int | None
    gaps: list[GapRow]
    unknown: list[str]


class DailyReportAnswer(BaseModel):
    """One session: what is signed."""

    session: str
    begins_at: datetime
    ends_at: datetime
    totals: TotalCounts
    rules: list[RuleCountRow]
    tags: list[CountRow]
    severities: list[CountRow]
    states: list[StateRow]
    endings: list[EndingRow]
    market_events: list[MarketEventRow]
    silences: list[SilenceInForceRow]
    acts: list[ActCountRow]
    parameters: list[ParametersRow]
    coverage: CoverageAnswer


class AirflowActRow(BaseModel):
    """How often something was done in Airflow."""

    event: str
    dag_id: str | None
    acts: int


class AirflowActs(BaseModel):
    """What people did in Airflow, as far as DAG maintain_platform has copied it."""

    copied_at: datetime | None
    acts: list[AirflowActRow]


class AgeRow(BaseModel):
    """What is not closed and of this age, by severity."""

    age: str
    alerts: int
    critical: int
    high: int
    medium: int
    low: int


class SignatureRow(BaseModel):
    """A signature, and whether what was signed is what the report is now."""

    sha256: str
    signed_by: str
    signed_at: datetime
    is_current: bool
    differences: list[str] = Field(description="the tables of the report that are not as they were signed")


class DailyAnswer(BaseModel):
    """The report of a session, and beside it what changes with the clock or comes later, which nobody signs."""

    report: DailyReportAnswer
    sha256: str = Field(description="of the report, in hex digits")
    signatures: list[SignatureRow]
    ages: list[AgeRow] = Field(description="of the session's alerts that are not closed, as of now")
    airflow: AirflowActs
    now: datetime


class ShareAnswer(BaseModel):
    """A share from 0 to 1 with Wilson's interval of 95 %; null where there is nothing to count."""

    part: int
    n: int
    share: float | None
    lower: float | None
    upper: float | None


class DelayAnswer(BaseModel):
    """How long something took, of n alerts, in seconds."""

    n: int
    median_seconds: float | None
    p90_seconds: float | None


class VolumeRow(BaseModel):
    """One session."""

    session: str
    market: int
    operations: int
    closed: int
    escalated: int


class RuleIndicatorsRow(BaseModel):
    """One rule, or all."""

    rule: str
    alerts: int
    symbols: int
    closed: ShareAnswer
    decision: DelayAnswer = Field(description="until somebody first closed it, or proposed to")
    closure: DelayAnswer = Field(description="until it was closed for good")
    precision: ShareAnswer = Field(description="true positives of those closed with a verdict")
    no_verdict: int
    escalated: ShareAnswer


class IndicatorsAnswer(BaseModel):
    """A range of sessions, both ends included."""

    first: str
    last: str
    kind: Kind
    volumes: list[VolumeRow]
    ages: list[AgeRow]
    rules: list[RuleIndicatorsRow]


class LimitAnswer(BaseModel):
    """A stricter limit, and what of the decided alerts it would have left."""

    score: float
    sessions: float | None
    budget: float | None
    factor: float | None
    raised: int
    true: int


class ProposalRow(BaseModel):
    """A rule in one bucket: a symbol, or all of them."""

    rule: str
    form: str
    bucket: str
    precision: ShareAnswer
    limit: LimitAnswer
    saved: int
    sentence: str


class ProposalsAnswer(BaseModel):
    """Proposals, those first that would have saved most false positives; nothing acts on them."""

    first: str
    last: str
    proposals: list[ProposalRow]
    try_at: str = Field(description="the address of the DAG that compares two sets of parameters")


class Signed(BaseModel):
    """When a report was signed."""

    signed_at: datetime
