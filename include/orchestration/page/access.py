"""Who may do what on the page, and that it is he who asks: roles, and protection from forms of other sites.

Refused acts of people who are signed in are rows of the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, Header, HTTPException, Request

from include.orchestration.accounts.permissions import CASES, DECISIONS, PAGE, SIGNATURES, SILENCES
from include.orchestration.addresses import page_address
from include.orchestration.application.audit import Act, record_act

READING = {"GET", "HEAD", "OPTIONS"}
# A browser asks the server before it lets another site send it, and is not answered.
HEADER = "X-Surveillance"
JSON = "application/json"
# This one takes every method for reading: a viewer might write.
BLIND = "SimpleAuthManager"


def may_read(user: GetUserDep) -> None:
    """Let nobody in whose role does not read the page."""
    if not get_auth_manager().is_authorized_custom_view(method="GET", resource_name=PAGE, user=user):
        raise HTTPException(403, "your role does not read this page: ask an administrator for role Viewer")


def name_person(user: GetUserDep) -> str:
    """Return the name with which somebody signs in: a new metadata database numbers people anew."""
    return user.get_name()


Word = Annotated[str | None, Header(alias=HEADER, description="any word: whatever changes something wants one")]


def check_site(request: Request, user: GetUserDep, word: Word = None) -> None:
    """Refuse what changes something unless our own page or a script with a token asks for it."""
    if request.method in READING:
        return
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin" or word is None:
        _refuse(request, user, f"send it from the page, or with header {HEADER}")
    # An address without a host, such as that of a page in a sandbox, is nobody's own.
    own = {headers.get("host", ""), urlsplit(page_address()).netloc} - {""}
    if "origin" in headers and urlsplit(headers["origin"]).netloc not in own:
        _refuse(request, user, "it comes from another site")
    # Whoever sends nothing need not say what it is.
    is_json = headers.get("content-type", "").partition(";")[0].strip().lower() == JSON
    if not is_json and headers.get("content-length") != "0":
        raise HTTPException(415, f"send {JSON}")


def list_writable(user: GetUserDep) -> list[str]:
    """List what somebody may write at the desk."""
    manager = get_auth_manager()
    if type(manager).__name__ == BLIND:
        return []
    written = (DECISIONS, SILENCES, CASES, SIGNATURES)
    return [it for it in written if manager.is_authorized_custom_view(method="POST", resource_name=it, user=user)]


def list_writable_by(name: str) -> list[str]:
    """List what somebody who is known by name may write; nothing where he is nobody, inactive or may not read.

    Only Flask-AppBuilder's manager knows people by their names.
    """
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    from sqlalchemy import select

    manager = get_auth_manager()
    if not isinstance(manager, FabAuthManager):
        return []
    with create_session() as session:
        number = session.scalar(select(User.id).where(User.username == name))
    if number is None:
        return []
    try:
        user = manager.deserialize_user({"sub": str(number)})
    except ValueError:
        return []
    reads = manager.is_authorized_custom_view(method="GET", resource_name=PAGE, user=user)
    return list_writable(user) if reads else []


def _may(resource: str, role: str) -> Callable[..., str]:
    def check(request: Request, user: GetUserDep) -> str:
        if resource not in list_writable(user):
            _refuse(request, user, f"your role may not: ask an administrator for role {role}")
        return name_person(user)

    return check


def _refuse(request: Request, user: GetUserDep, reason: str) -> None:
    # Of the address only the path: a query may hold anything.
    asked = f"{request.method} {request.url.path}"[:200]
    record_act(Act(name_person(user), "refused", "request", asked, details=reason))
    raise HTTPException(403, reason)


Person = Annotated[str, Depends(name_person)]
"""Whoever asks."""
Decider = Annotated[str, Depends(_may(DECISIONS, "Analyst"))]
"""Whoever may decide on alerts, by name; so the others."""
Silencer = Annotated[str, Depends(_may(SILENCES, "Analyst"))]
CaseWorker = Annotated[str, Depends(_may(CASES, "Analyst"))]
Signer = Annotated[str, Depends(_may(SIGNATURES, "Lead"))]
