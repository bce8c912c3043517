"""The page's server: the desk's files and its interface. Every route needs a login that may read the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from include.orchestration.application.runs import select_newest_runs
from include.orchestration.page.access import READING, may_read
from include.orchestration.page.desk import answer_refusals, desk
from include.orchestration.page.study_pages import studies

# Name in the address -> file, and what it is: nothing else is served.
WEB = Path(__file__).parent / "web"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript"}
FILES = {path.relative_to(WEB).as_posix(): path for path in sorted(WEB.rglob("*")) if path.suffix in TYPES}
VENDORED = "vendor/"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# Of a request: an attachment in base64 is a third longer than it is.
MOST_BYTES = 8_000_000


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
    """The desk outside of Airflow's own page, which loads the same scripts."""
    return FileResponse(FILES["page.html"])


@app.get("/web/{name:path}")
def file(name: str) -> FileResponse:
    """A script or style of the desk."""
    if name not in FILES:
        raise HTTPException(404, "there is no such file")
    # A library's address has its version.
    kept = {"Cache-Control": "private, max-age=31536000, immutable"} if name.startswith(VENDORED) else {}
    return FileResponse(FILES[name], media_type=TYPES[FILES[name].suffix], headers=kept)


@app.get("/api/batches")
def batches() -> list[dict[str, Any]]:
    """The newest run of each stage; times are aware UTC."""
    return select_newest_runs()


app.include_router(studies)
app.include_router(desk)
answer_refusals(app)


@app.middleware("http")
async def own_host_only(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let every answer load from its own host only, and never be kept."""
    response = _refuse_size(request) or await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refuse_size(request: Request) -> Response | None:
    """Refuse what is too large, or does not say how large it is, before it is read."""
    if request.method in READING:
        return None
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return JSONResponse({"detail": "say in Content-Length how much you send"}, 411)
    if len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES:
        return JSONResponse({"detail": f"send {MOST_BYTES:,} bytes at most"}, 413)
    return None
