"""Reports of studies as pages. Names in addresses are words: none can leave the folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Response
from fastapi import Path as InPath
from markdown_it import MarkdownIt

from include.orchestration.page.cells import write_csv
from include.orchestration.page.files import answer_file
from include.orchestration.studies import MADE
from include.surveillance.settings import Settings

TYPES = {".png": "image/png", ".yaml": "text/plain", ".parquet": "application/octet-stream"}
Word = Annotated[str, InPath(pattern=r"^[A-Za-z0-9_-]{1,300}$")]
Attachment = Annotated[str, InPath(pattern=r"^[A-Za-z0-9_-]{1,100}\.(png|yaml|parquet|csv)$")]

studies = APIRouter(prefix="/reports")
# A report that is a page of its own has its style and pictures in it, and no script.
_OWN_PAGE = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
# HTML in a report would be shown as text.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@studies.get("/")
def every_report() -> Response:
    """All reports, the newest first."""
    made = sorted(((path.stat().st_mtime, path.parts) for path in _find("*/*/*")), reverse=True)
    lines = [
        f"- [{dag} {run}]({dag}/{run}/), {datetime.fromtimestamp(made_at, UTC):%Y-%m-%d %H:%M} UTC"
        for made_at, (*_, dag, run, _) in made
    ]
    return _page("Reports", "\n".join(["# Reports", "", *(lines or ["There is none yet."])]), "../web/desk.css")


@studies.get("/{dag}/{run}/")
def report(dag: Word, run: Word) -> Response:
    """A run's report."""
    found = _find(f"{dag}/{run}/*")
    if not found:
        raise HTTPException(404, f"{dag} has made no report in run {run}, or it has been deleted")
    text = found[0].read_text()
    if found[0].suffix == ".html":
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": _OWN_PAGE})
    others = [path.name for path in sorted(found[0].parent.iterdir()) if path.suffix in TYPES]
    others += [name.replace(".parquet", ".csv") for name in others if name.endswith(".parquet")]
    files = ", ".join(f"[{name}]({name})" for name in others)
    made = found[0].with_name(MADE)
    about = made.read_text() if made.is_file() else ""
    return _page(dag, f"{text}\n\nFiles: {files}" if files else text, "../../../web/desk.css", about)


@studies.get("/{dag}/{run}/{name}")
def attachment(dag: Word, run: Word, name: Attachment) -> Response:
    """A picture or file that belongs to a report; its rows are there as CSV, too."""
    path = _folder() / dag / run / name
    if path.suffix == ".csv" and path.with_suffix(".parquet").is_file():
        return answer_file("".join(write_csv(_read_rows(path.with_suffix(".parquet")))), "text/csv", name)
    if path.suffix not in TYPES or not path.is_file():
        raise HTTPException(404, f"{name} is no file of this report")
    return Response(path.read_bytes(), media_type=TYPES[path.suffix])


def _find(pattern: str) -> list[Path]:
    """Return the reports, Markdown and HTML, among the files of the folder that match a pattern without its suffix."""
    return [path for suffix in (".html", ".md") for path in sorted(_folder().glob(pattern + suffix))]


def _folder() -> Path:
    return Settings.from_env().reports_folder


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq  # slow to import, and few need it

    for batch in pq.ParquetFile(path).iter_batches(1_000):
        yield from batch.to_pylist()


def _page(title: str, text: str, style: str, made: str = "") -> Response:
    """Make a page of Markdown. What people wrote into the form of the run, ``made``, is shown as it is."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><link rel="stylesheet" href="{style}">'
    about = f"<details><summary>How it was made</summary><pre>{escape(made)}</pre></details>" if made else ""
    body = f'<body class="report">{about}{_markdown.render(text)}</body>'
    html = f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>'
    return Response(html, media_type="text/html")
