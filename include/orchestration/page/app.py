"""The page's server: one HTML file, its style and script, and the alerts as JSON. Every route needs a
login that may read the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse

from include.orchestration.accounts.permissions import PAGE
from include.orchestration.application.alerts import MOST_COUNTED, select_alerts
from include.orchestration.application.runs import select_newest_runs
from include.orchestration.page.reports import reports
from include.surveillance.alerts.kinds import Kind

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
MOST_ALERTS = 500


def may_read(user: GetUserDep) -> None:
    """Let nobody in whose role does not read the page."""
    if not get_auth_manager().is_authorized_custom_view(method="GET", resource_name=PAGE, user=user):
        raise HTTPException(403, "your role does not read this page: ask an administrator for role Viewer")


app = FastAPI(
    title="Market surveillance",
    dependencies=[Depends(may_read)],
    # The generated documentation pages would be open to everybody and load scripts from elsewhere.
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)


@app.get("/")
def page() -> FileResponse:
    """The page; its style and script stand beside it."""
    return FileResponse(HERE / "page.html")


@app.get("/page.css")
def style() -> FileResponse:
    return FileResponse(HERE / "page.css")


@app.get("/page.js")
def script() -> FileResponse:
    return FileResponse(HERE / "page.js", media_type="text/javascript")


@app.get("/api/alerts")
def alerts(
    symbol: Annotated[str | None, Query(max_length=20)] = None,
    rule: Annotated[str | None, Query(max_length=40)] = None,
    severity: Literal["low", "medium", "high", "critical"] | None = None,
    kind: Kind | None = None,
    history: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ALERTS)] = 200,
) -> dict[str, Any]:
    """The newest alerts that match, and counts per rule of the newest ``counted`` of them; times are aware UTC.

    Live ones, or with ``history`` those of backfills; without ``kind`` those of the market and of operations.
    """
    filters = {
        "symbol": symbol.strip().upper() if symbol else None,
        "rule": rule,
        "severity": severity,
        "kind": kind,
        "source": "backfill" if history else "live",
        "since": since,
        "until": until,
    }
    newest, counts = select_alerts(filters, limit)
    return {"alerts": newest, "counts": counts, "counted": MOST_COUNTED}


@app.get("/api/batches")
def batches() -> list[dict[str, Any]]:
    """The newest run of each stage; times are aware UTC."""
    return select_newest_runs()


app.include_router(reports)


@app.middleware("http")
async def own_host_only(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let every answer load from its own host only, and never be kept."""
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
