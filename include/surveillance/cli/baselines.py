"""``baselines``: profiles from recorded bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.surveillance import wire
from include.surveillance.cli import options
from include.surveillance.cli.options import console, folder, one_line_errors
from include.surveillance.detection.profiles.build import build
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import read_bars
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import corporate_actions, tell


def baselines(
    bars: options.Bars,
    out: Annotated[Path, typer.Option(help="File for the profiles, one line of JSON each.")],
    splits: options.Splits = None,
    calendar: options.Calendar = "XNYS",
) -> None:
    """Build the profiles that robust rules are held against, from the latest sessions of recorded bars."""
    with one_line_errors():
        sessions, file = Sessions(calendar), read_bars(bars)
        tell(bars, file.rejects)
        if not len(file.bars):
            raise ConfigurationError(f"{bars} holds no usable bar")
        # In force from the end of the latest session on.
        last_ms = int(file.bars.ts.max())
        session = sessions.at_or_before(last_ms)
        effective_ms = max(session.close_ms, last_ms + 1) if session else last_ms + 1
        known = corporate_actions(splits, None, None)
        profiles = build(file.bars, sessions, effective_ms=effective_ms, splits=known.splits)
        if not profiles:
            raise ConfigurationError(f"{bars} holds too few sessions: a profile takes three full ones of a symbol")
        folder(out.parent)
        out.write_bytes(b"".join(wire.encode(profile) + b"\n" for profile in profiles))
    console.print(
        f"{len(profiles):,} of {len(file.bars.keys):,} series have a profile -> {out}", highlight=False, soft_wrap=True
    )
