"""The settings, from the fields of ``Settings``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from docs.generate.markdown import table
from include.surveillance.settings import ROOT, Settings


class Description(NamedTuple):
    """One setting as the documentation shows it."""

    name: str
    default: str
    limits: str
    sentence: str


def setting_table() -> str:
    """One row per environment variable."""
    rows = [(f"`{name}`", f"`{default}`", limits, text) for name, default, limits, text in descriptions()]
    return table(("variable", "default", "allowed", "meaning"), rows)


def descriptions() -> list[Description]:
    """List all settings with default, limits and meaning, in the order of the fields."""
    return [
        Description(it.name.upper(), _write(it.default), it.metadata["parser"].limits, it.metadata["sentence"])
        for it in fields(Settings)
    ]


def _write(value: object) -> str:
    """Write a value as its variable has it."""
    if isinstance(value, Path):
        return str(value.relative_to(ROOT))
    return ", ".join(value) if isinstance(value, tuple) else str(value)
