"""Recorded bars and what goes with them: one reader for every study."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from include.surveillance.alerts.contradictions import describe_contradiction
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.profiles.build import Progress
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.detection.rules.registry import PRIORS, TAILED
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import AS_FILES_SAY, Reading
from include.surveillance.files.bars import read_bars
from include.surveillance.files.side_files import read_actions, read_news, read_scheduled_events
from include.surveillance.files.stamps import align_day_bars
from include.surveillance.files.tables import REJECTS
from include.surveillance.instruments import CONFLICTS
from include.surveillance.records import Alert, NewsItem, Profile, ScheduledEvent, Source
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import new_york_midnight
from include.surveillance.validity import HINTS

Tell = Callable[[str], None]
"""Receives one sentence for the person who waits for the study."""
log_line: Tell = logging.getLogger(__name__).info


@dataclass(frozen=True)
class RecordedFiles:
    """The paths of one recording, ``None`` where there is no such file.

    Attributes:
        bars: a file, a folder or a pattern, see ``files.bars.read_bars``.
        news, splits, dividends, ticker_changes, scheduled_events: Parquet or CSV.
        profiles: one JSON object a line, as the command ``baselines`` writes them.
        reading: what somebody says about the bars' files.
        only: the one symbol whose bars are read; None: all.
    """

    bars: Path
    news: Path | None = None
    splits: Path | None = None
    dividends: Path | None = None
    ticker_changes: Path | None = None
    profiles: Path | None = None
    reading: Reading = AS_FILES_SAY
    only: str | None = None
    scheduled_events: Path | None = None


@dataclass(frozen=True)
class Recording:
    """The usable rows of recorded files.

    Attributes:
        bars: one per (symbol, timespan, ts_ms), sorted by it.
        contradictions: alerts of actions that contradict each other, of instruments that have bars.
        profiles: none when only literal rules are run.
        counts, notes: what became of the rows of bars, and what was found, see ``files.bars.BarFile``.
        rejects: each file with its unusable rows, a table of ``files.tables.REJECTS``.
        judges: the source of the bars that rules judge, see ``Engine``.
    """

    bars: BarColumns
    news: tuple[NewsItem, ...]
    actions: CorporateActions
    contradictions: list[Alert]
    profiles: ProfileColumns
    sessions: Sessions
    counts: Counter[str]
    rejects: list[tuple[Path, pa.Table]]
    notes: list[str]
    judges: Source | None = None

    def engine(self, book: ParameterBook) -> Engine:
        return Engine(book, self.sessions, self.actions, self.profiles, self.judges)

    def evaluate(self, book: ParameterBook) -> Evaluation:
        """Run all bars through the engine in one pass."""
        state = State(remembered_by(book))
        engine = self.engine(book)
        bars = self.series(engine)
        return engine.evaluate(state, bars, state.rows_for(bars.keys))

    def series(self, engine: Engine) -> BarColumns:
        """Return the bars with their instruments' series, each in order of time."""
        bars = engine.succession.join(self.bars)
        return bars if bars is self.bars else bars.take(np.argsort(bars.ts, kind="stable"))


def remembered_by(book: ParameterBook) -> Percentiles:
    """Say how percentiles remember unless somebody chooses: as live where robust rules alert, else every value."""
    return "sketch" if book.base.alerting_form == "robust" else "exact"


def read_recording(
    files: RecordedFiles,
    sessions: Sessions,
    *,
    with_profiles: bool,
    progress: Progress = lambda stage, done, total: None,
) -> Recording:
    """Read all files of a recording.

    Args:
        with_profiles: read the profiles or, where there is no file of them, build them before each session from
            earlier bars, as the nightly DAG does.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column.
    """
    progress("read", 0, 1)
    builds = with_profiles and files.profiles is None
    # Profiles know the tails of all symbols together.
    only = None if builds else files.only
    bar_file = read_bars(files.bars, files.reading, only=only, progress=partial(progress, "read MB"))
    bars, outside = _within_calendar(files.bars, bar_file.bars, sessions)
    bars, stamps = align_day_bars(bars, sessions, files.reading.stamps)
    rejects = [(files.bars, pa.concat_tables([bar_file.rejects, outside]))]
    notes = [*bar_file.notes, stamps] if stamps else bar_file.notes

    news: list[NewsItem] = []
    if files.news is not None:
        news, unusable = read_news(files.news)
        rejects.append((files.news, unusable))
    read = read_actions(files.splits, files.dividends, files.ticker_changes)
    rejects += read.rejects
    scheduled: list[ScheduledEvent] = []
    if files.scheduled_events is not None:
        scheduled, unusable = read_scheduled_events(files.scheduled_events)
        rejects.append((files.scheduled_events, unusable))
    actions = CorporateActions(read.splits, read.dividends, read.ticker_changes, tuple(scheduled))
    profiles = ProfileColumns.from_records([], TAILED, PRIORS)
    if builds:
        profiles = walk_forward(bars, sessions, actions, progress)
        bars = bars if files.only is None else _of_symbol(bars, files.only)
    elif with_profiles and files.profiles:
        profiles = ProfileColumns.from_records(read_profiles(files.profiles), TAILED, PRIORS)
    watched = {name for symbol, _ in bars.keys for name in actions.tickers.related(symbol)}
    contradictions = {
        objection.detail: describe_contradiction(action.symbol, objection, new_york_midnight(action.date), "backfill")
        for action, objection in read.objected
        if objection.reason in CONFLICTS and action.symbol in watched
    }
    return Recording(
        bars, tuple(news), actions, list(contradictions.values()), profiles, sessions, bar_file.counts,
        rejects, notes,
    )  # fmt: skip


def _of_symbol(bars: BarColumns, symbol: str) -> BarColumns:
    """Return the bars of one symbol alone."""
    own = [code for code, (name, _) in enumerate(bars.keys) if name == symbol]
    bars = bars.take(np.isin(bars.code, own))
    places = np.searchsorted(own, bars.code).astype(np.int32)
    return replace(bars, keys=[bars.keys[code] for code in own], code=places)


def _within_calendar(path: Path, bars: BarColumns, sessions: Sessions) -> tuple[BarColumns, pa.Table]:
    """Set aside the bars of which the calendar knows no session; the reason names its range."""
    start_ms, end_ms = sessions.range_ms
    outside = np.flatnonzero((bars.ts < start_ms) | (bars.ts >= end_ms))
    rows = [
        {"file": str(path), "row": None, "reason": f"outside the calendar: {sessions.describe_range()}", "raw": one}
        for one in bars.event_ids(outside)
    ]
    if rows:
        bars = bars.take((bars.ts >= start_ms) & (bars.ts < end_ms))
    return bars, pa.Table.from_pylist(rows, REJECTS)


def read_usable(
    files: RecordedFiles, sessions: Sessions, *, with_profiles: bool, tell: Tell, progress: Progress
) -> Recording:
    """Read all files of a recording and tell what was found in them and how many rows are left out, for which reason.

    Raises:
        ConfigurationError: as ``read_recording``, or there is no usable bar.
    """
    recording = read_recording(files, sessions, with_profiles=with_profiles, progress=progress)
    for note in recording.notes:
        tell(note)
    tell_rejects(recording.rejects, tell)
    check_usable(files, recording)
    return recording


def check_usable(files: RecordedFiles, recording: Recording) -> None:
    """Raise ConfigurationError, with the reasons, when there is no bar."""
    if not len(recording.bars):
        reasons = Counter(recording.rejects[0][1]["reason"].to_pylist()).most_common(3)
        said = ", ".join(f"{reason} ({count:,} rows)" for reason, count in reasons) or "no row"
        raise ConfigurationError(
            f"{files.bars} holds no usable bar: {said}; `replay` writes the reason of each row to rejected.parquet"
        )


def tell_rejects(rejects: Iterable[tuple[Path, pa.Table]], tell: Tell) -> None:
    """Tell one line for each file and each reason for which rows are left out."""
    for path, unusable in rejects:
        for reason, count in sorted(Counter(unusable["reason"].to_pylist()).items()):
            tell(f"{path}: {count:,} rows left out: {reason}{f' ({hint})' if (hint := HINTS.get(reason)) else ''}")


def read_profiles(path: Path) -> list[Profile]:
    """Read profiles, one JSON object a line.

    Raises:
        ConfigurationError: the file cannot be read, or a line is no profile.
    """
    try:
        return msgspec.json.Decoder(Profile).decode_lines(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"profiles {path} cannot be read: {error}; write them with `baselines`") from error
