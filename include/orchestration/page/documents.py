"""Alerts, cases, reports as PDF: each number is the row's with all its digits, each text is text, whatever it holds."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.orchestration.page.cells import write_value
from include.orchestration.process_wide import once_per_process

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

Row = Mapping[str, Any]
FONT = "DejaVuSans"
# Of a table; a row with more is written as a list.
MOST_COLUMNS = 8
# Of a row of the queue, what stands in a heading already.
_HEADING = ("explanation",)
_CASE = ("case_id", "status", "opened_by", "submitted_by", "signed_by", "version", "changed_at")
_FILE = ("name", "media_type", "size", "sha256", "added_by", "added_at")
_ACT = ("occurred_at", "actor", "event", "details")


def write_case(case: Row, alerts: Sequence[Row], files: Sequence[Row], acts: Sequence[Row], made_at: datetime) -> bytes:
    """Write a case with its alerts, its files by name and hash, and what people did with it."""
    parts = [*_head(f"Case {case['case_id']}: {case['title']}", made_at), _facts(case, _CASE)]
    parts += [_text(line) for line in case["narrative"].splitlines() if line.strip()]
    for alert in alerts:
        parts += _alert(alert)
    parts += [_heading(f"Files: {len(files)}"), *(_facts(it, _FILE) for it in files)]
    return _build([*parts, *_acts(acts)])


def write_alert(alert: Row, sha256: str | None, steps: Iterable[Any], acts: Sequence[Row], made_at: datetime) -> bytes:
    """Write an alert with the hash of its evidence, the times on its way, and what people did with it."""
    parts = [*_head(f"Alert {alert['alert_id']}", made_at), *_alert(alert)]
    parts += [_heading("Evidence"), _text(f"SHA-256 {sha256}" if sha256 else "nothing is kept yet")]
    times = {step.name: step.at for step in steps}
    return _build([*parts, _heading("On its way"), _facts(times, times), *_acts(acts)])


def write_report(title: str, tables: Mapping[str, Sequence[Row]], made_at: datetime) -> bytes:
    """Write tables by name; a table of one row has its names at the left."""
    parts = _head(title, made_at)
    for name, rows in tables.items():
        listed = len(rows) == 1 or any(len(row) > MOST_COLUMNS for row in rows)
        parts += [_heading(name.replace("_", " ")), *([_facts(row, row) for row in rows] if listed else [_table(rows)])]
    return _build(parts)


def _head(title: str, made_at: datetime) -> list[Flowable]:
    return [_text(title, size=15), _text(f"Written at {write_value(made_at)}. Times are UTC.")]


def _alert(alert: Row) -> list[Flowable]:
    return [_heading(alert["explanation"]), _facts(alert, [name for name in alert if name not in _HEADING])]


def _acts(acts: Sequence[Row]) -> list[Flowable]:
    return [_heading(f"What people did: {len(acts)}"), *(_facts(act, _ACT) for act in acts)]


def _heading(text: str) -> Flowable:
    return _text(text, size=11, before=10)


def _facts(row: Row, names: Iterable[str]) -> Flowable:
    from reportlab.lib import colors
    from reportlab.platypus import Table

    lines = [[_text(name.replace("_", " ")), _text(write_value(row[name]))] for name in names if row[name] is not None]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    # A note may be longer than a page.
    return Table(lines or [[_text("nothing"), ""]], colWidths=[110, 390], style=style, splitInRow=1)


def _table(rows: Sequence[Row]) -> Flowable:
    from reportlab.lib import colors
    from reportlab.platypus import Table

    if not rows:
        return _text("none")
    lines = [[_text(name.replace("_", " ")) for name in rows[0]]]
    lines += [[_text(write_value(value)) for value in row.values()] for row in rows]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    shares = [3 if any(isinstance(row[name], str | datetime) for row in rows) else 1 for name in rows[0]]
    widths = [500 * share / sum(shares) for share in shares]
    # A text may be longer than a page.
    return Table(lines, widths, style=style, repeatRows=1, splitInRow=1)


def _text(text: str, size: float = 8, before: float = 2) -> Flowable:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    # A word of any length breaks; markup is text.
    about = {"fontName": _load_font(), "fontSize": size, "leading": size * 1.3, "spaceBefore": before}
    return Paragraph(escape(text), ParagraphStyle("text", **about, splitLongWords=1))


def _build(parts: list[Flowable]) -> bytes:
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    written = io.BytesIO()
    SimpleDocTemplate(written, pagesize=A4, leftMargin=45, rightMargin=45, topMargin=45, bottomMargin=45).build(parts)
    return written.getvalue()


@once_per_process
def _load_font() -> str:
    """Load a font that has most letters: the one that comes with the plots."""
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont(FONT, Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{FONT}.ttf"))
    return FONT
