"""Routes of reports: of a session, which a lead signs; of a range of sessions; and what decisions say of the rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response
from msgspec import to_builtins
from pydantic import StringConstraints

from include.orchestration import reports as made
from include.orchestration.addresses import airflow_address
from include.orchestration.application.reports import list_signatures
from include.orchestration.page.access import Signer
from include.orchestration.page.cells import write_csv
from include.orchestration.page.documents import write_report
from include.orchestration.page.files import CSV, PDF, answer_file
from include.orchestration.page.inputs import Body
from include.orchestration.page.once import OnceRoute
from include.orchestration.page.report_answers import (
    DailyAnswer,
    DailyReportAnswer,
    IndicatorsAnswer,
    ProposalsAnswer,
    SessionRows,
    Signed,
)
from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.daily_report import hash_report

# Of a range that nobody has said, and the longest that may be said.
USUAL, LONGEST = timedelta(days=30), timedelta(days=400)
Session = Annotated[str, Path(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="the trading date")]
SHA256 = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, Path(pattern=SHA256)]
Day = Annotated[
    date | None, Query(ge=date(1970, 1, 1), le=date(2100, 12, 31), description="a date; both ends are included")
]

reports = APIRouter(prefix="/reports", tags=["reports"], route_class=OnceRoute)


class Signature(Body):
    """The report that was seen."""

    sha256: Annotated[str, StringConstraints(pattern=SHA256)]


@reports.get("/daily", response_model=SessionRows)
def sessions() -> dict[str, Any]:
    """The newest sessions, each with its alerts and the newest signature under its report."""
    return {"sessions": made.list_sessions(datetime.now(UTC))}


@reports.get("/daily/{session}.pdf", response_class=Response, responses=PDF)
def document(session: Session) -> Response:
    """The report of a session as a document."""
    answer = daily(session)
    text = write_report(f"Surveillance report of {session}", _list_tables(answer), answer["now"])
    return answer_file(text, "application/pdf", f"surveillance-{session}.pdf")


@reports.get("/daily/{session}.csv", response_class=Response, responses=CSV)
def table(session: Session) -> Response:
    """The report of a session as one table: a line for each value, with its table, its row and its name."""
    return answer_file("".join(write_csv(_list_values(_list_tables(daily(session))))), "text/csv", f"{session}.csv")


@reports.get("/daily/{session}", response_model=DailyAnswer)
def daily(session: Session) -> dict[str, Any]:
    """The report of a session: alerts, silences, acts, parameters and coverage; and who has signed it as what."""
    now = datetime.now(UTC)
    report, ages = made.read_daily_report(session, now)
    sha256, content = hash_report(report)
    current = json.loads(content)
    return {
        "report": to_builtins(report, builtin_types=(datetime,)),
        "sha256": sha256,
        "signatures": [
            {
                **{name: one[name] for name in ("sha256", "signed_by", "signed_at")},
                "is_current": one["sha256"] == sha256,
                "differences": _compare(json.loads(one["content"]), current),
            }
            for one in list_signatures(session)
        ],
        "ages": to_builtins(ages),
        "airflow": made.count_airflow_acts(session),
        "now": now,
    }


@reports.get("/daily/{session}/signed/{sha256}", response_model=DailyReportAnswer)
def signed(session: Session, sha256: Sha256) -> Response:
    """A report as it was signed, byte for byte: its SHA-256 is the one that was signed."""
    for one in list_signatures(session):
        if one["sha256"] == sha256:
            return Response(one["content"], media_type="application/json")
    raise HTTPException(404, f"nobody has signed {sha256} of {session}")


@reports.post("/daily/{session}/sign", response_model=Signed)
def sign(session: Session, body: Signature, person: Signer) -> dict[str, datetime]:
    """Sign the report of a session that is over, as it was seen."""
    return {"signed_at": made.sign_daily_report(person, session, body.sha256, datetime.now(UTC))}


@reports.get("/indicators", response_model=IndicatorsAnswer)
def indicators(first: Day = None, last: Day = None, kind: Kind = "market") -> dict[str, Any]:
    """How much was raised in some sessions, how long it waited, how it ended and how precise each rule was."""
    now = datetime.now(UTC)
    answer: dict[str, Any] = to_builtins(made.read_indicators(*_read_range(first, last, now), kind, now))
    return answer


@reports.get("/indicators.csv", response_class=Response, responses=CSV)
def indicators_table(first: Day = None, last: Day = None, kind: Kind = "market") -> Response:
    """The rules of the indicators as a table, a line for each."""
    answer = indicators(first, last, kind)
    rows = "".join(write_csv(_flatten(rule) for rule in answer["rules"]))
    return answer_file(rows, "text/csv", f"indicators-{answer['first']}-{answer['last']}.csv")


@reports.get("/proposals", response_model=ProposalsAnswer)
def proposals(first: Day = None, last: Day = None) -> dict[str, Any]:
    """Where a rule raised much that was wrong, and what a stricter limit would have left. Nothing acts on it."""
    start, end = _read_range(first, last, datetime.now(UTC))
    return {
        "first": start,
        "last": end,
        "proposals": to_builtins(made.read_proposals(start, end)),
        "try_at": airflow_address("dags/compare_parameters"),
    }


def _read_range(first: date | None, last: date | None, now: datetime) -> tuple[str, str]:
    end = last or date.fromisoformat(made.name_session(now))
    start = first or end - USUAL
    if not timedelta(0) <= end - start <= LONGEST:
        raise HTTPException(422, f"from {start} to {end}: ask for one day to {LONGEST.days}")
    return start.isoformat(), end.isoformat()


def _compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _list_tables(answer: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """List all that an answer says as tables by name."""
    tables: dict[str, Sequence[Mapping[str, Any]]] = {}

    def add(part: Mapping[str, Any], name: str) -> None:
        plain: dict[str, Any] = {}
        tables[name] = [plain]
        for key, value in part.items():
            if isinstance(value, Mapping):
                add(value, key)
            elif isinstance(value, list | tuple):
                tables[key] = [one if isinstance(one, Mapping) else {key: one} for one in value]
            else:
                plain[key] = value

    add({**answer["report"], "sha256": answer["sha256"]}, "report")
    tables["signatures"], tables["ages"] = answer["signatures"], answer["ages"]
    tables["acts_in_Airflow"] = answer["airflow"]["acts"]
    tables["acts_in_Airflow_known"] = [{"until": answer["airflow"]["copied_at"]}]
    return tables


def _list_values(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    for name, rows in tables.items():
        for number, row in enumerate(rows, 1):
            for field, value in row.items():
                yield {"table": name, "row": number, "name": field, "value": value}


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}_{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat
