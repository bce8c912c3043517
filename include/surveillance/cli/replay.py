"""``replay``: the rules over recorded bars."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from include.surveillance.cli import options
from include.surveillance.cli.options import book_of, console, folder, one_line_errors, progress
from include.surveillance.sessions import Sessions
from include.surveillance.studies.replay import Replay
from include.surveillance.studies.replay import replay as replay_files


def replay(
    bars: options.Bars,
    out: options.Out,
    news: options.News = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    params: options.Params = None,
    rules: options.RulesForm = options.Rules.literal,
    history: options.History = options.HistoryForm.exact,
    session_reset: options.SessionReset = False,
    calendar: options.Calendar = "XNYS",
) -> None:
    """Run the rules over recorded bars."""
    with one_line_errors(), progress() as done:
        result = replay_files(
            bars,
            folder(out),
            sessions=Sessions(calendar),
            book=book_of(params, rules, session_reset or None),
            history=history.value,
            news=news,
            splits=splits,
            dividends=dividends,
            ticker_changes=ticker_changes,
            profiles=profiles,
            progress=done,
        )
    console.print(_summary(result, out))


def _summary(result: Replay, out: Path) -> Table:
    bars = result.counts["bars"]
    table = options.table(f"{bars:,} bars -> {out}", ["rule"], ["firing bars", "episodes"])
    for rule in sorted(result.firings):
        table.add_row(rule, f"{result.firings[rule]:,}", f"{result.episodes[rule]:,}")
    if result.events:
        table.add_row("market-wide events", "", f"{result.events:,}")
    table.add_section()
    for kind in ("duplicate", "corrected"):
        table.add_row(f"{kind} bars", f"{result.counts[kind]:,}", "")
    for reason, count in sorted(result.rejected.items()):
        table.add_row(f"rejected: {reason}", f"{count:,}", "")
    return table
