"""The desk's interface for the page and for scripts, version 1: described at ``openapi.json``, behind the login."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from msgspec import to_builtins
from psycopg import OperationalError
from psycopg.errors import UndefinedColumn, UndefinedTable

from include.orchestration.application import audit
from include.orchestration.page.access import Person, check_site, list_writable
from include.orchestration.page.alerts import alerts
from include.orchestration.page.answers import REFUSALS, Acts, Me
from include.orchestration.page.cases import cases
from include.orchestration.page.inputs import AlertId, Before, Limit
from include.orchestration.page.monitoring import monitoring
from include.orchestration.page.once import answer_repeated, find_repeated
from include.orchestration.page.pulse import pulse
from include.orchestration.page.reports import reports
from include.orchestration.page.reviews import reviews
from include.orchestration.page.silences import silences
from include.orchestration.pulse import EMPTY
from include.surveillance.errors import (
    ActRefusedError,
    BrokerError,
    ConfigurationError,
    ConflictError,
    UnknownObjectError,
)

LOG = logging.getLogger(__name__)
VERSION = "1"
# Of a conflict: so many objects, and of each its newest acts.
MOST_SHOWN, MOST_ACTS = 20, 10

# Whoever may not ask at all is not told what was answered before.
desk = APIRouter(
    prefix=f"/api/v{VERSION}", dependencies=[Depends(check_site), Depends(find_repeated)], responses=REFUSALS
)


@desk.get("/me", tags=["people"], response_model=Me)
def me(user: GetUserDep, person: Person) -> dict[str, Any]:
    """Who asks, and what he may write."""
    return {"name": person, "may_write": list_writable(user)}


@desk.get("/acts", tags=["people"], response_model=Acts)
def acts(
    object_kind: Annotated[str | None, Query(pattern="^(alert|silence|case|report|request)$")] = None,
    object_id: AlertId | None = None,
    before: Before = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """One page of what people did at the desk, refused acts too, the newest first."""
    return {"acts": audit.select_acts({"object_kind": object_kind, "object_id": object_id, "before": before}, limit)}


@desk.get("/openapi.json", include_in_schema=False)
def description(request: Request) -> dict[str, Any]:
    """Describe the interface."""
    servers = [{"url": request.scope["root_path"]}]
    return get_openapi(title="Market surveillance: the desk", version=VERSION, routes=desk.routes, servers=servers)


desk.include_router(alerts)
desk.include_router(reviews)
desk.include_router(silences)
desk.include_router(cases)
desk.include_router(reports)
desk.include_router(pulse)
desk.include_router(monitoring)


def answer_refusals(app: FastAPI) -> None:
    """Let an app answer what the domain refuses, 404, 409 with what it is now, 422; and 503 when it cannot work."""
    answer_repeated(app)

    @app.exception_handler(RequestValidationError)
    def unusable(_: Request, error: RequestValidationError) -> Response:
        # What was sent is not sent back: it may be what no answer can hold.
        wrong = [{name: one[name] for name in ("loc", "msg", "type")} for one in error.errors()]
        return Response(json.dumps({"detail": wrong}), 422, media_type="application/json")

    @app.exception_handler(OperationalError)
    def away(_: Request, error: Exception) -> JSONResponse:
        # Its text may hold an address.
        LOG.warning("the application's database: %s", error)
        return JSONResponse(
            {"detail": "the database does not answer in time: read again what you saw, then try again"}, 503
        )

    @app.exception_handler(UndefinedTable)
    @app.exception_handler(UndefinedColumn)
    def empty(_: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"detail": EMPTY}, 503)

    @app.exception_handler(BrokerError)
    @app.exception_handler(ConfigurationError)
    def unconfigured(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)

    @app.exception_handler(UnknownObjectError)
    def unknown(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(ConflictError)
    def conflict(_: Request, error: ConflictError) -> JSONResponse:
        changes = [act for it in list(error.current)[:MOST_SHOWN] for act in _select_newest(error.kind, it)]
        answer = {"detail": str(error), "current": to_builtins(error.current), "changes": changes}
        return JSONResponse(jsonable_encoder(answer), 409)

    @app.exception_handler(ActRefusedError)
    def refused(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)


def _select_newest(kind: str, object_id: str) -> list[dict[str, Any]]:
    return audit.select_acts({"object_kind": kind, "object_id": object_id, "before": None}, MOST_ACTS)
