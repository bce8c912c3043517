"""Rows as people take them away: a value as text, and tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_value(value: Any) -> str:
    """Write a value as it is: a number with all its digits, a time in UTC, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return str(value)


def write_csv(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write a line of names and one line for each row; a text that looks like a formula is marked as text.

    No row, no line.
    """
    names: list[str] = []
    for row in rows:
        if not names:
            names = list(row)
            yield _write_line(names)
        yield _write_line([_mark(row[name]) for name in names])


def _mark(value: Any) -> str:
    written = write_value(value)
    return f"'{written}" if not isinstance(value, int | float) and written.startswith(_FORMULA) else written


def _write_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
