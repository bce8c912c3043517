"""The records that travel on the topics. Each is immutable and carries a deterministic id.

Times ending in ``_ms`` are UTC epoch milliseconds; a bar is keyed by its START. Prices are unadjusted.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from decimal import Decimal
from math import nan
from typing import ClassVar, Literal, get_args

from msgspec import Struct
from msgspec.structs import force_setattr

from include.surveillance.settings import Settings
from include.surveillance.severities import Severity
from include.surveillance.timespans import SPAN_MS, Timespan

Source = Literal["live", "backfill"]
Sentiment = Literal["positive", "neutral", "negative"]
SENTIMENTS: tuple[Sentiment, ...] = get_args(Sentiment)
Status = Literal["fired", "refired", "confirmed", "retagged", "retracted", "ended"]
"""What has become of an alert, as its newest message says."""
HoleCause = Literal["no trade", "halt", "LULD pause", "provider gap", "our outage", "missing sessions", "unknown"]
"""Why bars are missing."""

Tag = Literal["scheduled", "news", "market", "halt", "corporate action", "unexplained"]
"""What explains an alert, the first of these that does."""
TAGS: tuple[Tag, ...] = get_args(Tag)

BARS = Settings.kafka_name("polygon.bars.raw")
NEWS = Settings.kafka_name("polygon.news.raw")
REFERENCE = Settings.kafka_name("polygon.reference.raw")
REJECTED = Settings.kafka_name("polygon.rejected")
ALERTS = Settings.kafka_name("market.alerts")
METRICS = Settings.kafka_name("market.metrics")
BASELINES = Settings.kafka_name("market.baselines")
DISPOSITIONS = Settings.kafka_name("market.dispositions")
AUDIT = Settings.kafka_name("platform.audit")


def digest(*parts: object) -> str:
    """Make eight hex digits that change when any part changes."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=4).hexdigest()


def bar_revision(
    open_: float, high: float, low: float, close: float, volume: float, vwap: float = nan, trades: float = nan
) -> int:
    """Make 32 bits that change when any value of a bar does; NaN stands for what the vendor left out."""
    return zlib.crc32(struct.pack("<7d", open_, high, low, close, volume, vwap, trades))


def as_text(received: bytes) -> tuple[str, Literal["utf-8", "base64"]]:
    """Keep bytes as text where they are text, else in base64; say which, for ``Reject.raw`` and ``Reject.encoding``."""
    try:
        return received.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(received).decode(), "base64"


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """Base of everything that is published on ``topic``. ``event_id`` is the key of every upsert.

    No field can lead back to the record, so the garbage collector need not look at the millions of them.
    """

    topic: ClassVar[str]
    event_id: str = ""

    def __post_init__(self) -> None:
        if not self.event_id:
            force_setattr(self, "event_id", self.identity())

    def identity(self) -> str:
        raise TypeError(f"{type(self).__name__} has no identity")


class Bar(Record, frozen=True, kw_only=True, tag="bar", tag_field="kind"):
    """One OHLCV aggregate as the vendor sent it.

    ``revision`` is a digest of the values: the same bar polled twice has the same id, a corrected bar has a
    new one, and the poller needs no memory to know the difference. A later bar with the same
    (symbol, timespan, ts_ms) replaces the earlier one.
    """

    topic: ClassVar[str] = BARS
    symbol: str
    timespan: Timespan
    ts_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: Decimal
    vwap: float | None = None
    trades: int | None = None
    delayed: bool = False  # the vendor said status DELAYED: a 15-minute entitlement
    source: Source = "live"
    polled_ms: int = 0  # wall clock of the poll that brought it
    revision: str = ""

    def __post_init__(self) -> None:
        if self.event_id and self.revision:
            return
        if not self.revision:
            vwap, trades = nan if self.vwap is None else self.vwap, nan if self.trades is None else float(self.trades)
            bits = bar_revision(self.open, self.high, self.low, self.close, float(self.volume), vwap, trades)
            force_setattr(self, "revision", f"{bits:08x}")
        super().__post_init__()

    def identity(self) -> str:
        return f"{self.symbol}|{self.timespan}|{self.ts_ms}|{self.revision}"

    @property
    def close_ms(self) -> int:
        """Return the end of the bar, the first time at which it can be known."""
        return self.ts_ms + SPAN_MS[self.timespan]


class Watermark(Record, frozen=True, kw_only=True, tag="watermark", tag_field="kind"):
    """What a poll asked for and what came back: the clock of detection.

    Follows a poll's bars on the same partition. Every bar of the symbol that closed at or before ``as_of_ms``
    has been asked for, so silence up to there is the market's or the vendor's, not ours.
    """

    topic: ClassVar[str] = BARS
    symbol: str
    timespan: Timespan
    from_ms: int
    as_of_ms: int
    bars: int
    rejected: int = 0
    reject_reasons: tuple[str, ...] = ()
    status: str = "OK"  # the vendor's own word: OK, DELAYED
    source: Source = "live"
    polled_ms: int = 0

    def identity(self) -> str:
        return f"{self.symbol}|{self.timespan}|watermark|{self.as_of_ms}|{self.source}"


class NewsItem(Record, frozen=True, kw_only=True, tag="news", tag_field="kind"):
    """One article as seen by one of its tickers: an article with three tickers is three items.

    ``sentiment`` is None when the vendor sent no insight for the ticker: unknown, never neutral. A later item of the
    same article and ticker replaces the earlier one.
    """

    topic: ClassVar[str] = NEWS
    symbol: str
    company: str = ""  # the ticker's name in the reference data, as far as it was known
    article_id: str
    published_ms: int
    title: str
    url: str = ""
    publisher: str = ""
    tickers: tuple[str, ...] = ()
    sentiment: Sentiment | None = None  # positive, neutral or negative
    reasoning: str | None = None
    withdrawn: bool = False  # the vendor no longer lists it, or not under this ticker
    source: Source = "live"
    polled_ms: int = 0
    revision: str = ""

    def __post_init__(self) -> None:
        if not self.revision:
            told = (self.title, self.sentiment, self.published_ms, self.withdrawn)
            force_setattr(self, "revision", digest(*told, self.company, *self.tickers))
        super().__post_init__()

    def identity(self) -> str:
        return f"{self.article_id}|{self.symbol}|{self.revision}"


class Instrument(Record, frozen=True, kw_only=True, tag="instrument", tag_field="kind"):
    """One ticker's reference data on one day."""

    topic: ClassVar[str] = REFERENCE
    symbol: str
    name: str
    market: str = "stocks"
    type: str | None = None
    primary_exchange: str | None = None
    currency: str | None = None
    cik: str | None = None
    composite_figi: str | None = None
    share_class_figi: str | None = None
    active: bool = True
    ticker_since: str | None = None  # YYYY-MM-DD since which it has had this ticker, where the vendor says so
    previous_symbol: str | None = None  # its ticker until then; None where it was listed then
    delisted_on: str | None = None  # YYYY-MM-DD, the last day on which it was traded
    polled_ms: int = 0
    revision: str = ""

    def __post_init__(self) -> None:
        if not self.revision:
            described = (self.name, self.market, self.type, self.primary_exchange, self.currency)
            identified = (self.cik, self.composite_figi, self.share_class_figi, self.active)
            # Left out where nothing is known: records of before have the revision that they had.
            listed = (self.ticker_since, self.previous_symbol, self.delisted_on)
            force_setattr(self, "revision", digest(*described, *identified, *(listed if any(listed) else ())))
        super().__post_init__()

    def identity(self) -> str:
        return f"{self.symbol}|{self.revision}"


class Split(Record, frozen=True, kw_only=True, tag="split", tag_field="kind"):
    """One split: ``split_from`` old shares become ``split_to`` new ones at the open of ``execution_date``."""

    topic: ClassVar[str] = BASELINES
    symbol: str
    execution_date: str  # YYYY-MM-DD, New York
    split_from: float
    split_to: float

    @property
    def date(self) -> str:
        return self.execution_date

    def identity(self) -> str:
        return f"split|{self.symbol}|{self.execution_date}"


class Payment(Struct, frozen=True, kw_only=True, gc=False):
    """One payment of a dividend: a regular and a special one can go ex on one day."""

    cash_amount: float  # dollars per share
    type: str = ""  # the vendor's word, e.g. CD, SC, recurring, special
    pay_date: str = ""  # YYYY-MM-DD


class Dividend(Record, frozen=True, kw_only=True, tag="dividend", tag_field="kind"):
    """The cash of one day: who holds the share at the close before ``ex_date`` gets ``cash_amount`` per share."""

    topic: ClassVar[str] = BASELINES
    symbol: str
    ex_date: str  # YYYY-MM-DD, New York
    cash_amount: float  # in the shares of ex_date, the sum of all payments
    currency: str = "USD"
    payments: tuple[Payment, ...] = ()  # each with cash_amount, type and pay_date, as far as these are known

    @property
    def date(self) -> str:
        return self.ex_date

    def identity(self) -> str:
        return f"dividend|{self.symbol}|{self.ex_date}"


class ScheduledEvent(Record, frozen=True, kw_only=True, tag="scheduled_event", tag_field="kind"):
    """Something that was to happen on ``date``, e.g. a company's results: alerts around it are expected."""

    topic: ClassVar[str] = BASELINES
    symbol: str  # * stands for every symbol
    date: str  # YYYY-MM-DD, New York
    event: str = "results"
    time: str = ""  # HH:MM, New York; empty where only the day is known

    def identity(self) -> str:
        return f"scheduled_event|{self.symbol}|{self.date}|{self.event}"


class TickerChange(Record, frozen=True, kw_only=True, tag="ticker_change", tag_field="kind"):
    """From ``date`` on the instrument that traded as ``symbol`` trades as ``new_symbol``.

    Without ``symbol`` it is listed for the first time, without ``new_symbol`` no longer.
    """

    topic: ClassVar[str] = BASELINES
    symbol: str
    new_symbol: str
    date: str  # YYYY-MM-DD, New York
    composite_figi: str | None = None

    def identity(self) -> str:
        return f"ticker_change|{self.symbol or f'>{self.new_symbol}'}|{self.date}"


class Tail(Struct, frozen=True, kw_only=True, gc=False):
    """How often the sessions of a symbol reach a rule's score, its own statistic that it holds against its threshold.

    Of each session the greatest score counts, of all sessions since the first profile.
    """

    rule: str
    part: Literal["regular", "around"]  # of the day: the session, or the hours around it
    sessions: int
    scores: list[tuple[int, int]]  # bin of ``detection/tails.py``, sessions in it
    levels: list[float]  # scores exceeded once in 4, 8, ... 4096 sessions, like symbols counted in


class Profile(Record, frozen=True, kw_only=True, tag="profile", tag_field="kind"):
    """What is usual for one symbol at one timespan, built from earlier sessions: the robust rules judge by it.

    A bar is judged by the newest profile whose ``effective_ms`` is at or before its start. Lists have one value per
    slot of the day (``detection/slots.py``): the regular session's first, single bars after the open and before the
    close, groups between; then those of the pre-market, of the closing auction and of the post-market. None: not
    applicable, too few sessions have a trade in the slot. Profiles of earlier versions end with the regular session's.
    """

    topic: ClassVar[str] = BASELINES
    symbol: str
    timespan: Timespan
    effective_ms: int
    first_date: str  # sessions that it was built from
    last_date: str
    sessions: int
    volume_level: list[float | None]  # median of ln(1 + shares of the last five minutes)
    volume_scale: list[float | None]  # robust standard deviation of the same, less the day's level
    return_factor: list[float | None]  # usual size of a one-bar log return, relative to the day's
    presence: list[float]  # share of the slot's bars that exist, 0-1
    volatility_fire: float  # quantiles of the deseasonalised deviation of returns
    volatility_clear: float
    range_percent: float  # average true range of a session / its close, as a fraction; that of long ago, if smaller
    turnover: float  # median value traded per session, in dollars
    liquidity: Literal["liquid", "mid", "thin"]
    asset_class: str = ""  # the vendor's type of the instrument, e.g. CS, ETF
    range_long: float | None = None  # average true range over the sessions that it was carried through
    carried: int = 0  # through how many sessions it was carried forward; 0: it knows no tails
    tails: list[Tail] = []
    revision: str = ""

    def __post_init__(self) -> None:
        if not self.revision:
            lists = (self.volume_level, self.volume_scale, self.return_factor, self.presence)
            numbers = (self.volatility_fire, self.volatility_clear, self.range_percent, self.turnover)
            span = (self.first_date, self.last_date, self.sessions)
            # Left out where nothing is known: profiles of before have the revision that they had.
            carried = (self.range_long, self.carried, *self.tails) if self.carried else ()
            force_setattr(self, "revision", digest(*lists, *numbers, *span, *carried))
        super().__post_init__()

    def identity(self) -> str:
        return f"profile|{self.symbol}|{self.timespan}|{self.effective_ms}"

    @property
    def version(self) -> str:
        """Name the profile as an alert cites it."""
        return f"{self.last_date}|{self.revision}"


class ParameterOverride(Struct, frozen=True, kw_only=True, gc=False):
    """One exception to the parameters: which rule, for whom, from when, what instead, and why."""

    rule: str
    form: str | None = None
    scope: str
    whom: str = ""
    effective: str  # YYYY-MM-DD, New York
    set: str  # field -> value, JSON
    rationale: str
    author: str | None = None


class ParametersVersion(Record, frozen=True, kw_only=True, tag="parameters", tag_field="kind"):
    """The parameters that are in force from a day on, as detection has begun to use them. Alerts cite ``version``."""

    topic: ClassVar[str] = BASELINES
    version: str
    effective: str  # YYYY-MM-DD, New York; empty: from the beginning
    base: str  # all values where nothing overrides them, JSON
    overrides: tuple[ParameterOverride, ...] = ()

    def identity(self) -> str:
        return f"parameters|{self.version}"


class Reject(Record, frozen=True, kw_only=True, tag="reject", tag_field="kind"):
    """Something that could not be used, with the reason and the raw bytes, so that nothing is lost."""

    topic: ClassVar[str] = REJECTED
    stage: str  # normalise, consume or land
    reason: str  # short and countable, e.g. "high below low"
    detail: str  # the value and the limit
    raw: str  # as received; base64 when it is not UTF-8
    encoding: Literal["utf-8", "base64"] = "utf-8"
    symbol: str | None = None
    timespan: Timespan | None = None
    source: Source = "live"
    polled_ms: int = 0

    def identity(self) -> str:
        return f"reject|{self.stage}|{self.symbol}|{digest(self.reason, self.raw)}"


class Metric(Record, frozen=True, kw_only=True, tag="metric", tag_field="kind"):
    """What detection measured at one bar. None means not applicable (too little history), never zero."""

    topic: ClassVar[str] = METRICS
    symbol: str
    timespan: Timespan
    ts_ms: int
    bar_event_id: str
    close: float
    volume: float
    volume_mean: float | None = None  # mean of the 20 previous present bars
    volume_ratio: float | None = None
    log_return: float | None = None
    return_std: float | None = None  # ddof 1, last 20 one-bar log returns
    return_std_p95: float | None = None  # of strictly earlier values of return_std
    highest_high: float | None = None  # of the 20 previous present bars
    lowest_low: float | None = None
    gap: float | None = None  # only on a session's first regular bar
    rvol: float | None = None  # shares of the last five minutes / usual ones at this time of day
    volume_z: float | None = None  # robust z of the same, less the day's level
    volatility_ratio: float | None = None  # deseasonalised deviation of returns / its firing quantile
    breakout_atr: float | None = None  # distance of the close beyond the range, in average true ranges
    gap_range: float | None = None  # gap adjusted for dividends / usual range of a day
    trade_size: float | None = None  # shares / trades, where the vendor gives the number of trades
    vwap_distance: float | None = None  # close / volume-weighted average price - 1, where the vendor gives that
    profile_version: str | None = None
    session_phase: str = ""
    session_date: str = ""
    source: Source = "live"

    def identity(self) -> str:
        return f"metric|{self.symbol}|{self.timespan}|{self.ts_ms}"


class Alert(Record, frozen=True, kw_only=True, tag="alert", tag_field="kind"):
    """One episode of abnormal behaviour and its explanation. ``event_id`` is the alert's id.

    The same alert is published again, with a new ``status``, when its episode grows or its bars are corrected; the
    newest message of an id replaces the earlier ones.
    """

    topic: ClassVar[str] = ALERTS
    rule: str
    rule_version: int
    parameters_version: str
    form: Literal["literal", "robust"] = "literal"
    profile_version: str | None = None  # of the profile that a robust form was compared with
    status: Status = "fired"
    firings: int = 1  # of the episode so far; published at 1, 2, 4, 8, ... and when the severity rises
    before_value: float | None = None  # confirmed and retracted: the value before the correction
    before_threshold: float | None = None
    inhibited_by: str | None = None  # why nobody need be notified, e.g. an outage of our own
    hole_cause: HoleCause | None = None  # why bars are missing just before, or since the close that it compares with
    hole_start_ms: int | None = None
    hole_end_ms: int | None = None
    symbol: str
    timespan: Timespan
    ts_ms: int  # start of the bar (or time of the watermark) that fired
    bar_close_ms: int
    direction: Literal["up", "down", ""] = ""
    value: float
    threshold: float
    baseline: float | None = None
    window_start_ms: int  # time of the earliest of event_ids
    window_end_ms: int
    score: float  # 0-100, from the rarity; where that is not known, from the degree of exceedance
    severity: Severity
    rarity_sessions: float | None = None  # once in so many sessions the symbol goes so far; 4096: that or rarer
    episode_start_ms: int
    session_phase: str
    session_date: str
    data_age_ms: int  # from the bar's close to the poll that brought it
    event_ids: tuple[str, ...]  # exactly the records that value and threshold rest on
    article_id: str | None = None
    tag: Tag | None = None  # None: an alert of operations, or of before there were tags
    tag_evidence: tuple[str, ...] = ()  # all that explains it, the tag's own first
    explanation: str  # one sentence in plain English, made from the fields above
    source: Source = "live"

    def identity(self) -> str:
        return f"{self.rule}|{self.symbol}|{self.timespan}|{self.episode_start_ms}|v{self.rule_version}"


class Disposition(Record, frozen=True, kw_only=True, tag="disposition", tag_field="kind"):
    """What somebody did with one alert: the review as it is after the act. The newest of an alert is how it stands."""

    topic: ClassVar[str] = DISPOSITIONS
    alert_id: str
    rule: str
    symbol: str
    timespan: str
    event: str  # a verb, e.g. take, close, sign, reopen
    actor: str | None
    occurred_ms: int
    state: str  # open, in review, to sign or closed
    owner: str | None = None
    reason: str | None = None  # a code of the desk's policy
    disposition: str | None = None  # what the reason says of the rule: true positive, false positive, no verdict
    closed_by: str | None = None
    signed_by: str | None = None
    version: int  # of the review
    audit_id: int  # of the row of the audit log

    def identity(self) -> str:
        return f"disposition|{self.alert_id}|{self.version}"


class AuditEntry(Record, frozen=True, kw_only=True, tag="audit", tag_field="kind"):
    """One row of the audit log: what somebody did in Airflow or at the desk, with the hash of the row before it."""

    topic: ClassVar[str] = AUDIT
    symbol: str = ""  # of the alert that it is about, if so
    audit_id: int
    occurred_ms: int
    exported_ms: int
    event: str
    actor: str | None = None
    log_id: int | None = None  # in Airflow's own log; None at the desk
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    details: str | None = None
    object_kind: str | None = None  # alert, silence, case, report or request
    object_id: str | None = None
    before: str | None = None  # the object as it was, JSON
    after: str | None = None
    previous_hash: str  # hex digits
    hash: str

    def identity(self) -> str:
        return f"audit|{self.audit_id}|{self.hash[:16]}"


AnyRecord = (
    Bar
    | Watermark
    | NewsItem
    | Instrument
    | Split
    | Dividend
    | ScheduledEvent
    | TickerChange
    | Profile
    | ParametersVersion
    | Reject
    | Metric
    | Alert
    | Disposition
    | AuditEntry
)
"""Every kind of record, the one list of them: ``wire`` decodes these, and each names its topic."""
