"""The settings, from ``Settings`` itself."""

from __future__ import annotations

from docs.generate.markdown import table
from include.surveillance.settings import Settings


def setting_table() -> str:
    """One row per environment variable."""
    rows = [(f"`{name}`", f"`{default}`", limits, text) for name, default, limits, text in Settings.descriptions()]
    return table(("variable", "default", "allowed", "meaning"), rows)
