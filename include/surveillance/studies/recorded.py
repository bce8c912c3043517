"""What the commands that judge parameters work on: recorded bars, corporate actions and profiles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from include.surveillance.cli.options import console, progress
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import read_bars
from include.surveillance.files.side_files import read_dividends, read_splits, read_ticker_changes
from include.surveillance.records import Profile
from include.surveillance.sessions import Sessions
from include.surveillance.studies.replay import read_profiles


@dataclass(frozen=True)
class Recorded:
    """Usable bars, sorted by series and time, and what is known beside them."""

    bars: BarColumns
    sessions: Sessions
    actions: CorporateActions
    profiles: list[Profile]

    def evaluate(self, book: ParameterBook) -> Evaluation:
        """All bars through the engine in one pass."""
        return Engine(book, self.sessions, self.actions, self.profiles).evaluate(State("exact"), self.bars)


def load(
    bars: Path,
    *,
    calendar: str,
    splits: Path | None = None,
    dividends: Path | None = None,
    ticker_changes: Path | None = None,
    profiles: Path | None = None,
    robust: bool,
) -> Recorded:
    """Read everything and say what could not be used.

    Args:
        robust: profiles are needed; without a file of them they are built session by session.

    Raises:
        ConfigurationError: a file is no table or lacks a column, or there is no usable bar.
    """
    sessions = Sessions(calendar)
    file = read_bars(bars)
    tell(bars, file.rejects)
    if not len(file.bars):
        raise ConfigurationError(
            f"{bars} holds no usable bar; `replay` writes the reason of each row to rejected.parquet"
        )
    actions = corporate_actions(splits, dividends, ticker_changes)
    known: list[Profile] = []
    if profiles:
        known = read_profiles(profiles)
    elif robust:
        with progress() as done:
            known = walk_forward(file.bars, sessions, actions.splits, done)
    return Recorded(file.bars, sessions, actions, known)


def corporate_actions(splits: Path | None, dividends: Path | None, ticker_changes: Path | None) -> CorporateActions:
    found = []
    for path, reader in ((splits, read_splits), (dividends, read_dividends), (ticker_changes, read_ticker_changes)):
        records, rejects = reader(path) if path else ([], None)
        tell(path, rejects)
        found.append(tuple(records))
    return CorporateActions(*found)


def tell(path: Path | None, rejects: pa.Table | None) -> None:
    """One line per reason for which rows are left out."""
    reasons = Counter(rejects["reason"].to_pylist()) if rejects is not None else {}
    for reason, count in sorted(reasons.items()):
        console.print(f"{path}: {count:,} rows left out: {reason}", highlight=False, markup=False, soft_wrap=True)
