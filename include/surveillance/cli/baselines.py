"""``baselines``: profiles from recorded bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.surveillance import wire
from include.surveillance.cli import options
from include.surveillance.cli.options import show_progress, tell
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.files.results import make_folder
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, read_usable


@options.asks_how_to_read
def baselines(
    bars: options.Bars,
    out: Annotated[Path, typer.Option(help="File for the profiles, one line of JSON each.")],
    splits: options.Splits = None,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Build the profiles that robust rules are held against, from the latest sessions of recorded bars."""
    sessions = Sessions(calendar)
    with show_progress() as progress:
        files = RecordedFiles(bars, splits=splits, reading=reading)
        recording = read_usable(files, sessions, with_profiles=False, tell=tell, progress=progress)
        # The profiles are in force from the end of the latest session on.
        last_ms = int(recording.bars.ts.max())
        session = sessions.at_or_before(last_ms)
        effective_ms = max(session.close_ms, last_ms + 1) if session else last_ms + 1
        profiles = build_profiles(recording.bars, sessions, effective_ms=effective_ms, splits=recording.actions.splits)
    if not profiles:
        raise ConfigurationError(f"{bars} holds too few sessions: a profile takes three full ones of a symbol")
    make_folder(out.parent)
    out.write_bytes(b"".join(wire.encode(profile) + b"\n" for profile in profiles))
    tell(f"{len(profiles):,} of {len(recording.bars.keys):,} series have a profile -> {out}")
