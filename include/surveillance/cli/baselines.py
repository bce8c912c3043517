"""``baselines``: profiles from recorded bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from include.surveillance import wire
from include.surveillance.cli import options
from include.surveillance.cli.options import show_progress, tell
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.files.results import make_folder
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, read_usable


@options.asks_how_to_read
def baselines(
    bars: options.Bars,
    out: Annotated[
        Path, typer.Option(help="File for the profiles, one line of JSON each, or folder for profiles.jsonl.")
    ],
    splits: options.Splits = None,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Build the profiles that robust rules are held against.

    One before each session of the bars and one for the session that follows, each from the sessions before it.
    """
    sessions = Sessions(calendar)
    with show_progress() as progress:
        files = RecordedFiles(bars, splits=splits, reading=reading)
        recording = read_usable(files, sessions, with_profiles=False, tell=tell, progress=progress)
        walked = walk_forward(recording.bars, sessions, recording.actions, progress)
        # Those of later sessions lack bars that are going to come before them.
        opens, _, _ = sessions.arrays()
        following = opens[np.searchsorted(opens, recording.bars.ts.max(), side="right") :][:1]
        profiles = [it for it in walked if (it.effective_ms <= following).all()]
    if not profiles:
        raise ConfigurationError(f"{bars} holds too few sessions: a profile takes a full one of a symbol")
    out = out if out.suffix else out / "profiles.jsonl"
    make_folder(out.parent)
    out.write_bytes(b"".join(wire.encode(profile) + b"\n" for profile in profiles))
    series, dates = {(it.symbol, it.timespan) for it in profiles}, sorted({it.last_date for it in profiles})
    tell(
        f"{len(series):,} of {len(recording.bars.keys):,} series have a profile: {len(profiles):,} profiles, of the "
        f"sessions to {dates[0]} and on to {dates[-1]} -> {out}"
    )
