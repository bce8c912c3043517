"""The settings, from the fields of ``Settings`` and of ``WatchdogSettings``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from docs.generate.markdown import table
from include.surveillance.settings import ROOT, Settings
from include.watchdog.settings import WatchdogSettings


class Description(NamedTuple):
    """One setting as the documentation shows it."""

    name: str
    default: str
    limits: str
    sentence: str


def setting_table() -> str:
    """One row per environment variable of the platform."""
    return _table(Settings)


def watchdog_table() -> str:
    """One row per environment variable of the watchdog."""
    return _table(WatchdogSettings)


def _table(kind: type) -> str:
    rows = [(f"`{name}`", f"`{default}`", limits, text) for name, default, limits, text in descriptions(kind)]
    return table(("variable", "default", "allowed", "meaning"), rows)


def descriptions(kind: type = Settings) -> list[Description]:
    """List all settings of a kind with default, limits and meaning, in the order of the fields."""
    return [
        Description(it.name.upper(), _write(it.default), it.metadata["parser"].limits, it.metadata["sentence"])
        for it in fields(kind)
    ]


def _write(value: object) -> str:
    """Write a value as its variable has it."""
    if isinstance(value, Path):
        return str(value.relative_to(ROOT))
    return ", ".join(value) if isinstance(value, tuple) else str(value)
