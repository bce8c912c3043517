"""``backtest``: what came after the alerts that would have been raised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.surveillance.cli import options
from include.surveillance.cli.options import console, load_book, new_table, show_progress, tell
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.studies import backtest_report
from include.surveillance.studies.backtest import MATCHES, SEED, backtest_books
from include.surveillance.studies.recorded import RecordedFiles


@options.asks_how_to_read
def backtest(
    bars: options.Bars,
    out: options.Out,
    params: Annotated[
        list[Path] | None,
        typer.Option(help="YAML of parameters; given twice: A and B, side by side; without, those of the platform."),
    ] = None,
    rules: options.Rules = None,
    news: options.News = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    scheduled_events: options.ScheduledEvents = None,
    profiles: options.Profiles = None,
    matches: Annotated[int, typer.Option(min=1, help="Calm bars that each alert is compared with.")] = MATCHES,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = SEED,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Measure what came after each alert, against calm bars: backtest.html, outcomes.parquet, matched.parquet."""
    paths = params or [Settings.parameters_file]
    if len(paths) > 2:
        raise ConfigurationError(f"--params is given {len(paths)} times; give it once or twice")
    books = [(str(path), load_book(path, rules)) for path in paths]
    files = RecordedFiles(
        bars, news, splits, dividends, ticker_changes, profiles, reading, scheduled_events=scheduled_events
    )
    with show_progress() as progress:
        result = backtest_books(
            files, books, out, sessions=Sessions(calendar), matches=matches, seed=seed, tell=tell, progress=progress
        )
    table = new_table(f"absolute abnormal returns -> {out}", backtest_report.HEADER, backtest_report.TERMINAL)
    for cells in backtest_report.terminal_rows(result):
        table.add_row(*cells)
    console.print(table)
    for line in backtest_report.describe_benchmarks(result):
        tell(line)
    for letter, one in zip("AB", result.tried, strict=False):
        tell(f"{letter} {one.name}: {len(one.alerts):,} alerts. {backtest_report.describe_missing(one)}")
