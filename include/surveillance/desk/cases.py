"""Cases: alerts that belong together, with a narrative and attachments, handed over with a second signature.

Each function returns the case after an act, or refuses the act. A case that was handed over is never changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from include.surveillance.desk.policy import Policy
from include.surveillance.errors import ActRefusedError
from include.surveillance.texts import one_line

Status = Literal["draft", "to sign", "handed over"]
STATUSES: tuple[Status, ...] = get_args(Status)
LONGEST_TITLE, LONGEST_NARRATIVE, LONGEST_NAME = 200, 50_000, 100
MOST_ALERTS = 500
# Ending of the name -> what it is, and how its content begins; text begins as it likes.
TYPES = {
    ".pdf": ("application/pdf", b"%PDF-"),
    ".png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    ".jpg": ("image/jpeg", b"\xff\xd8\xff"),
    ".csv": ("text/csv", b""),
    ".txt": ("text/plain", b""),
}


class Case(Struct, frozen=True, kw_only=True):
    """One case.

    Attributes:
        alerts: ids, in the order in which they were added.
        submitted_by: who wants to hand it over.
        signed_by: the second person.
        version: how often it was changed since it was opened.
    """

    title: str
    narrative: str = ""
    alerts: tuple[str, ...] = ()
    status: Status = "draft"
    opened_by: str
    submitted_by: str | None = None
    signed_by: str | None = None
    version: int = 0


class Attachment(Struct, frozen=True, kw_only=True):
    """A file of a case: what it is called, what it is, and its hash as hex digits. Its content is kept beside it."""

    name: str
    media_type: str
    size: int
    sha256: str


def open_case(title: str, narrative: str, alerts: Iterable[str], by: str) -> Case:
    """Open a case with alerts or without."""
    return replace(add_alerts(describe_case(Case(title="", opened_by=by), title, narrative), alerts), version=0)


def describe_case(case: Case, title: str, narrative: str) -> Case:
    """Give a draft a title and a narrative; line ends of the narrative stay."""
    _demand(case, "described", "draft")
    title = one_line(title, LONGEST_TITLE)
    if not title:
        raise ActRefusedError("a case has a title: write one line")
    if len(narrative) > LONGEST_NARRATIVE:
        raise ActRefusedError(f"a narrative has {LONGEST_NARRATIVE:,} characters at most; attach what is longer")
    return _change(case, title=title, narrative=narrative)


def add_alerts(case: Case, alerts: Iterable[str]) -> Case:
    """Add alerts to a draft; those that it has already stay where they are."""
    _demand(case, "given alerts", "draft")
    kept = tuple(dict.fromkeys((*case.alerts, *alerts)))
    if len(kept) > MOST_ALERTS:
        raise ActRefusedError(f"a case has {MOST_ALERTS} alerts at most; open another one")
    return _change(case, alerts=kept)


def remove_alerts(case: Case, alerts: Iterable[str]) -> Case:
    """Take alerts out of a draft."""
    _demand(case, "rid of alerts", "draft")
    gone = set(alerts)
    return _change(case, alerts=tuple(alert for alert in case.alerts if alert not in gone))


def submit(case: Case, by: str) -> Case:
    """Let a draft be signed by somebody else."""
    _demand(case, "submitted", "draft")
    if not case.alerts or not case.narrative.strip():
        raise ActRefusedError("a case is handed over with an alert and a narrative at least: add what is missing")
    return _change(case, status="to sign", submitted_by=by)


def sign(case: Case, by: str) -> Case:
    """Hand over what somebody else submitted."""
    _demand(case, "signed", "to sign")
    if by == case.submitted_by:
        raise ActRefusedError(f"{by} has submitted the case: somebody else has to sign")
    return _change(case, status="handed over", signed_by=by)


def send_back(case: Case) -> Case:
    """Make what was submitted a draft again."""
    _demand(case, "sent back", "to sign")
    return _change(case, status="draft", submitted_by=None)


def attach(case: Case) -> Case:
    """Note that a draft has one attachment more."""
    _demand(case, "given attachments", "draft")
    return _change(case)


def check_attachment(name: str, content: bytes, policy: Policy) -> Attachment:
    """Check a file that somebody wants to attach, and describe it.

    Raises:
        ActRefusedError: it is empty or too large, of a type that is not taken, or not of the type that its name says.
    """
    # Whoever saves it gets a name and no path.
    name = one_line(name.replace("/", "_").replace("\\", "_"), LONGEST_NAME).lstrip(".")
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    if ending not in TYPES:
        raise ActRefusedError(f"{name!r} is not taken: attach {', '.join(TYPES)}")
    if not 0 < len(content) <= policy.most_attachment_bytes:
        raise ActRefusedError(f"{name} has {len(content):,} bytes: 1 to {policy.most_attachment_bytes:,} are taken")
    media_type, beginning = TYPES[ending]
    if not content.startswith(beginning) or (media_type.startswith("text/") and not _is_text(content)):
        raise ActRefusedError(f"{name} does not hold what its name says, {media_type}")
    return Attachment(name=name, media_type=media_type, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _demand(case: Case, act: str, status: Status) -> None:
    if case.status != status:
        raise ActRefusedError(f"the case is {case.status}: only one that is {status} can be {act}")


def _change(case: Case, **changes: object) -> Case:
    return replace(case, **changes, version=case.version + 1)
