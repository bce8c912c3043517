"""Routes of cases: alerts that belong together, with a narrative and attachments, handed over with two signatures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import Base64Bytes, Field, StringConstraints

from include.orchestration.application import audit
from include.orchestration.application import cases as stored
from include.orchestration.application.reviews import list_alerts
from include.orchestration.page.access import CaseWorker, Signer
from include.orchestration.page.answers import CaseChanged, CaseDetail, CaseOpened, Cases, FileAttached
from include.orchestration.page.cells import write_csv
from include.orchestration.page.documents import write_case
from include.orchestration.page.files import ATTACHMENT, CSV, PDF, answer_file
from include.orchestration.page.inputs import (
    MOST_AT_ONCE,
    AlertId,
    Before,
    Body,
    Limit,
    Line,
    Number,
    Storable,
    Text,
    Version,
)
from include.orchestration.page.once import OnceRoute
from include.surveillance.desk import cases as domain
from include.surveillance.desk.cases import Case, Status
from include.surveillance.desk.policy import Policy
from include.surveillance.settings import Settings

MOST_ACTS = 500
Narrative = Annotated[str, StringConstraints(max_length=domain.LONGEST_NARRATIVE), Storable]
AlertIds = Annotated[list[AlertId], Field(max_length=MOST_AT_ONCE)]

cases = APIRouter(prefix="/cases", tags=["cases"], route_class=OnceRoute)


class Opening(Body):
    title: Line
    narrative: Narrative = ""
    alerts: AlertIds = Field(default_factory=list)


class Seen(Body):
    """The version of the case that was seen."""

    version: Version


class Description(Seen):
    title: Line
    narrative: Narrative


class Members(Seen):
    alerts: AlertIds


class Remark(Seen):
    text: Text


class Upload(Seen):
    name: Line
    content: Base64Bytes = Field(description="in base64")


@cases.get("", response_model=Cases)
def list_cases(
    status: Status | None = None,
    alert: Annotated[str | None, Query(max_length=2_000, description="one of its alerts"), Storable] = None,
    before: Before = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """One page of cases, the newest first; the next one is asked for with ``before``, the last number of this."""
    return {"cases": stored.select_cases(_filters(status=status, alert_id=alert, before=before), limit)}


@cases.get("/{number}.pdf", response_class=Response, responses=PDF)
def document(number: Number) -> Response:
    """One case as a document: its narrative, its alerts as they are now, its files by hash, what people did."""
    found = case(number)
    rows = list_alerts(found["case"]["alerts"])
    text = write_case(found["case"], rows, found["attachments"], found["acts"], datetime.now(UTC))
    return answer_file(text, "application/pdf", f"case-{number}.pdf")


@cases.get("/{number}.csv", response_class=Response, responses=CSV)
def rows(number: Number) -> Response:
    """The alerts of a case as a table."""
    table = "".join(write_csv(list_alerts(case(number)["case"]["alerts"])))
    return answer_file(table, "text/csv", f"case-{number}.csv")


@cases.get("/{number}", response_model=CaseDetail)
def case(number: Number) -> dict[str, Any]:
    """One case with its attachments, and what people did with it, the newest first."""
    found = stored.select_cases(_filters(case_id=number), 1)
    if not found:
        raise HTTPException(404, f"there is no case {number}")
    acts = audit.select_acts({"object_kind": stored.KIND, "object_id": str(number), "before": None}, MOST_ACTS)
    return {"case": found[0], "attachments": stored.list_attachments(number), "acts": acts}


@cases.get("/{number}/attachments/{attachment}", response_class=Response, responses=ATTACHMENT)
def attachment(number: Number, attachment: Number) -> Response:
    """A file of a case, to be saved and not shown."""
    name, media_type, content = stored.read_attachment(number, attachment)
    return answer_file(content, media_type, name)


@cases.post("", status_code=201, response_model=CaseOpened)
def open_case(body: Opening, person: CaseWorker) -> dict[str, int]:
    """Open a case."""
    return {"case_id": stored.store_case(domain.open_case(body.title, body.narrative, body.alerts, person))}


@cases.post("/{number}/describe", response_model=CaseChanged)
def describe(number: Number, body: Description, person: CaseWorker) -> dict[str, Any]:
    """Give a draft another title and narrative."""
    return _change(person, "describe", number, body, lambda it: domain.describe_case(it, body.title, body.narrative))


@cases.post("/{number}/add", response_model=CaseChanged)
def add(number: Number, body: Members, person: CaseWorker) -> dict[str, Any]:
    """Add alerts to a draft."""
    return _change(person, "add", number, body, lambda it: domain.add_alerts(it, body.alerts))


@cases.post("/{number}/remove", response_model=CaseChanged)
def remove(number: Number, body: Members, person: CaseWorker) -> dict[str, Any]:
    """Take alerts out of a draft."""
    return _change(person, "remove", number, body, lambda it: domain.remove_alerts(it, body.alerts))


@cases.post("/{number}/attach", status_code=201, response_model=FileAttached)
def attach(number: Number, body: Upload, person: CaseWorker) -> dict[str, int]:
    """Attach a file to a draft."""
    policy = Policy.load(Settings.from_env().desk_policy_file)
    checked = domain.check_attachment(body.name, body.content, policy)
    return {"attachment_id": stored.attach_file(person, number, body.version, checked, body.content)}


@cases.post("/{number}/submit", response_model=CaseChanged)
def submit(number: Number, body: Seen, person: CaseWorker) -> dict[str, Any]:
    """Let somebody else sign a draft."""
    return _change(person, "submit", number, body, lambda it: domain.submit(it, person))


@cases.post("/{number}/sign", response_model=CaseChanged)
def sign(number: Number, body: Seen, person: Signer) -> dict[str, Any]:
    """Hand over what somebody else has submitted."""
    return _change(person, "sign", number, body, lambda it: domain.sign(it, person))


@cases.post("/{number}/send-back", response_model=CaseChanged)
def send_back(number: Number, body: Remark, person: Signer) -> dict[str, Any]:
    """Make a draft of what was submitted, with a word why."""
    return _change(person, "send back", number, body, domain.send_back, body.text)


def _change(person: str, event: str, number: int, body: Seen, change: Any, text: str | None = None) -> dict[str, Any]:
    changed: Case = stored.change_case(person, event, number, body.version, change, text)
    return {"case": msgspec.to_builtins(changed)}


def _filters(**given: Any) -> dict[str, Any]:
    return dict.fromkeys(("status", "alert_id", "case_id", "before")) | given
