"""The reader of SQL: each statement is a file of its own, in the folder of the package that executes it."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def read_statement(folder: Path, name: str, /, **identifiers: object) -> str:
    """Return the statement in ``<name>.sql``, with its ``{identifiers}`` filled in.

    Args:
        identifiers: names of our own tables, columns and files, never data; the driver binds values.
    """
    text = _text(folder / f"{name}.sql")
    return text.format_map(identifiers) if identifiers else text


_text = cache(Path.read_text)
