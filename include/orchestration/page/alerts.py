"""Routes of alerts: the queue, and of one all that is known, what was around it, its like, and its explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from threading import Lock
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from msgspec import to_builtins
from pydantic import AwareDatetime

from include.orchestration import connections, evidence
from include.orchestration.application import audit
from include.orchestration.application.evidence import find_subject, select_evidence
from include.orchestration.application.reviews import (
    KIND,
    NO_FILTER,
    count_endings,
    count_states,
    select_alert,
    select_queue,
)
from include.orchestration.page.answers import (
    REFUSED_ACTS,
    AlertDetail,
    Alike,
    Article,
    BarRow,
    Ending,
    Explanation,
    Queue,
    StateCount,
    Step,
    StepName,
    Surroundings,
)
from include.orchestration.page.cells import write_csv
from include.orchestration.page.documents import write_alert
from include.orchestration.page.files import CSV, PDF, answer_file
from include.orchestration.page.inputs import AlertId, Limit, Storable
from include.orchestration.timetables import load_sessions
from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.evidence import unseal
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Tag
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.severities import Severity
from include.surveillance.timespans import to_utc

MOST_ACTS, MOST_ALIKE = 500, 20
COUNTED = timedelta(days=30)
Word = Annotated[str | None, Query(max_length=100), Storable]
Order = Literal["priority", "newest"]
Tab = Literal["market", "operations", "history"]
# Of a CSV, and of a read for it.
MOST_ROWS, AT_ONCE = 100_000, 1_000
# A page does not wait for more messages to be judged again; a shell does.
MOST_MESSAGES = 1_000_000
# What an alert's delay is made of, in the order in which it happens.
STEPS: dict[StepName, str] = {
    "bar closed": "bar_closed_at",
    "polled": "polled_at",
    "appended": "appended_at",
    "detected": "detected_at",
    "published": "published_at",
    "stored": "first_seen_at",
}

alerts = APIRouter(tags=["alerts"])
_explaining = Lock()


def read_filters(
    tab: Tab | None = None,
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
    order: Order = "priority",
) -> dict[str, Any]:
    """Read which alerts are asked for. A tab says kind and history by one word; it holds where both are given."""
    if tab:
        kind, history = "operations" if tab == "operations" else "market", tab == "history"
    return NO_FILTER | {
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
        "order": order,
    }


Filters = Annotated[dict[str, Any], Depends(read_filters)]


@alerts.get("/alerts", response_model=Queue)
def queue(
    filters: Filters,
    after: Annotated[str | None, Query(max_length=4_000), Storable] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """One page of the queue: the unexplained first and in them the rarest, or the newest first.

    ``next`` is what the next page is asked for with as ``after``; null: this is the last one.
    """
    found, following = select_queue(filters, after, limit)
    return {"alerts": found, "next": following}


@alerts.get("/alerts.csv", response_class=Response, responses=CSV)
def export(filters: Filters) -> Response:
    """The queue as a table, at most 100,000 rows; times are UTC."""

    def rows() -> Iterator[Mapping[str, Any]]:
        after, left = None, MOST_ROWS
        while left > 0:
            found, after = select_queue(filters, after, min(AT_ONCE, left))
            yield from found
            left -= len(found)
            if after is None:
                return

    # The first row is read before the answer begins: what goes wrong then is an answer of its own.
    found = rows()
    first = next(found, None)
    disposition = {"Content-Disposition": "attachment; filename=alerts.csv"}
    text = write_csv(chain([first], found) if first else [])
    return StreamingResponse(text, media_type="text/csv", headers=disposition)


@alerts.get("/counts", response_model=list[StateCount])
def counts(kind: Kind = "market") -> list[dict[str, Any]]:
    """How many live alerts of the last 30 days are in each state, by severity."""
    return count_states(kind, datetime.now(UTC) - COUNTED)


# An id of an alert may hold any sign, a slash too: the longer addresses come first.
@alerts.get("/alerts/{alert_id:path}/pdf", response_class=Response, responses=PDF)
def document(alert_id: AlertId) -> Response:
    """One alert as a document: its row, the hash of its evidence, its times, what people did with it."""
    row, detail = _find(alert_id)
    text = write_alert(row, detail["sha256"], _list_steps(detail), _select_acts(alert_id), datetime.now(UTC))
    return answer_file(text, "application/pdf", "alert.pdf")


@alerts.get("/alerts/{alert_id:path}/csv", response_class=Response, responses=CSV)
def row(alert_id: AlertId) -> Response:
    """One alert as a table of one row."""
    found, _ = _find(alert_id)
    return answer_file("".join(write_csv([found])), "text/csv", "alert.csv")


@alerts.get("/alerts/{alert_id:path}/bars", response_model=Surroundings)
def bars(alert_id: AlertId, of: Word = None) -> dict[str, Any]:
    """The bars and news around an alert: 120 bars before, 60 after, news of two hours before and after.

    With ``of``, those of another symbol at that time, as far as the log goes back.
    """
    row, detail = _find(alert_id)
    symbol = of.strip().upper() if of else row["symbol"]
    kept, intact = select_evidence(alert_id) if symbol == row["symbol"] else None, True
    if kept:
        sha256, found = unseal(bytes(kept["content"]))
        intact = sha256 == kept["sha256"]
    else:
        subject = find_subject(alert_id)
        assert subject is not None
        (found,) = evidence.read_evidence(connections.kafka(), [subject._replace(symbol=symbol)])
    cited = (detail["record"] or {}).get("event_ids", [])
    settings = Settings.from_env()
    sessions = load_sessions(settings.market_calendar, settings.market_shift_ms)
    return {
        "alert_id": alert_id,
        "symbol": symbol,
        "timespan": row["timespan"],
        "bar_at": row["bar_at"],
        "bars": [
            BarRow(
                **{name: getattr(bar, name) for name in ("event_id", "open", "high", "low", "close", "vwap", "trades")},
                at=to_utc(bar.ts_ms),
                session=_name_session(sessions, bar.ts_ms),
                volume=float(bar.volume),
                cited=bar.event_id in cited,
            )
            for bar in found.bars
        ],
        "news": [
            Article(
                **{name: getattr(it, name) for name in ("event_id", "article_id", "title", "url", "publisher")},
                published_at=to_utc(it.published_ms),
                sentiment=it.sentiment,
                withdrawn=it.withdrawn,
                cited=it.event_id in cited,
            )
            for it in found.news
        ],
        "cited": cited,
        "evidence": kept,
        "intact": intact,
    }


@alerts.get("/alerts/{alert_id:path}/alike", response_model=Alike)
def alike(alert_id: AlertId) -> dict[str, Any]:
    """Other alerts of the same symbol, rule and minute of the market, the newest first, and how those like it ended."""
    row, _ = _find(alert_id)
    bar_at, policy = row["bar_at"], _policy()
    dispositions = {reason.code: reason.disposition for reason in policy.reasons}
    minute = {"since": bar_at, "until": bar_at + timedelta(minutes=1)}
    return {
        "symbol": _select_others(alert_id, symbol=row["symbol"]),
        "rule": _select_others(alert_id, rule=row["rule"]),
        "minute": _select_others(alert_id, **minute),
        "endings": [
            Ending(**ending, disposition=dispositions.get(ending["reason"]))
            for ending in count_endings(alert_id, row["symbol"], row["rule"])
        ],
    }


@alerts.get("/alerts/{alert_id:path}", response_model=AlertDetail)
def alert(alert_id: AlertId) -> dict[str, Any]:
    """One alert with its review and all that is known of it, and what people did with it, the newest first."""
    row, detail = _find(alert_id)
    record = detail["record"] or {}
    corrected = detail["before_value"] is not None
    return {
        "alert": row,
        "acts": _select_acts(alert_id),
        **{name: detail[name] for name in ("record", "notification", "incident", "told", "cases")},
        "steps": _list_steps(detail),
        "versions": {
            **{name: record.get(name) for name in ("rule_version", "parameters_version")},
            "profile_version": detail["profile_version"],
        },
        "correction": {**row, **detail} if corrected else None,
        "evidence": detail if detail["sha256"] else None,
    }


@alerts.post("/alerts/{alert_id:path}/explain", response_model=Explanation, responses=REFUSED_ACTS)
def explain(alert_id: AlertId) -> dict[str, Any]:
    """Judge an alert's inputs again, and say whether the same comes out bit for bit. It changes nothing.

    One at a time; where the log is too long for a page to wait, command ``explain`` does the same.
    """
    row, _ = _find(alert_id)
    if not _explaining.acquire(blocking=False):
        raise HTTPException(503, "another alert is being explained: ask again in a moment")
    try:
        return _explain(alert_id, row["symbol"])
    finally:
        _explaining.release()


def _explain(alert_id: str, symbol: str) -> dict[str, Any]:
    # What detection loads is too heavy for a server that is never asked.
    from include.surveillance import broker
    from include.surveillance.detection.parameters.book import ParameterBook
    from include.surveillance.sessions import Sessions
    from include.surveillance.studies.explanation import explain_from_log

    kafka, settings = connections.kafka(), Settings.from_env()
    partition = broker.choose_partition(symbol, len(broker.partitions_of(kafka, broker.BARS)))
    with broker.Bounds(kafka) as ask:
        first, end = ask((broker.BARS, partition))
    if end - first > MOST_MESSAGES:
        raise HTTPException(
            422, f"{end - first:,} messages would have to be judged again: run `explain` in a shell of the platform"
        )
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    book = ParameterBook.load(settings.parameters_file)
    try:
        explained = explain_from_log(kafka, alert_id, sessions=sessions, book=book)
    except ConfigurationError as error:
        raise HTTPException(404, str(error)) from error
    newest = explained.reproduced[-1] if explained.reproduced else None
    ids = [] if newest is None else newest["event_ids"]
    return {
        **dict(zip(("verdict", "sentence"), _judge(explained), strict=True)),
        "differences": explained.differences,
        "unsupported": explained.unsupported,
        "stored": len(explained.stored),
        "reproduced": len(explained.reproduced),
        "alert": newest and to_builtins(newest),
        "inputs": [to_builtins(explained.inputs[it]) for it in ids if it in explained.inputs],
        "missing": [it for it in ids if it not in explained.inputs],
    }


def _judge(explained: Any) -> tuple[str, str]:
    if not explained.reproduced:
        return "not reproduced", "The log has it, and these inputs do not raise it now."
    if explained.differences:
        return "differs", f"{len(explained.differences)} fields are not as they were."
    if explained.unsupported:
        return "not supported", "It is reproduced, but does not follow from what it cites."
    return "reproduced", f"Reproduced bit for bit, {len(explained.stored)} of {len(explained.stored)} messages."


def _find(alert_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an alert's row and what the queue does not say of it."""
    found, _ = select_queue({**NO_FILTER, "order": "newest", "alert_ids": [alert_id]}, None, 1)
    detail = select_alert(alert_id) if found else None
    if detail is None:
        raise HTTPException(404, f"there is no alert {alert_id}")
    return found[0], detail


def _name_session(sessions: Sessions, at_ms: int) -> str | None:
    """Name the regular session that a moment is of."""
    session = sessions.at_or_before(at_ms)
    return session.date if session and at_ms < session.close_ms else None


def _select_acts(alert_id: str) -> list[dict[str, Any]]:
    return audit.select_acts({"object_kind": KIND, "object_id": alert_id, "before": None}, MOST_ACTS)


def _select_others(alert_id: str, **filters: Any) -> list[dict[str, Any]]:
    found, _ = select_queue({**NO_FILTER, "order": "newest", **filters}, None, MOST_ALIKE + 1)
    return [row for row in found if row["alert_id"] != alert_id][:MOST_ALIKE]


def _list_steps(detail: Mapping[str, Any]) -> list[Step]:
    told = [it["sent_at"] for it in detail["told"] if it["outcome"] == "told"]
    moments: dict[StepName, datetime | None] = {name: detail[column] for name, column in STEPS.items()}
    moments["told"] = datetime.fromisoformat(min(told)) if told else None
    closed_at = moments["bar closed"]
    return [
        Step(name=name, at=at, seconds=(at - closed_at).total_seconds() if closed_at else None)
        for name, at in moments.items()
        if at
    ]


def _policy() -> Policy:
    return Policy.load(Settings.from_env().desk_policy_file)
