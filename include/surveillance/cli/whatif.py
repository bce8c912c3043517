"""``whatif``: two sets of parameters over the same bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.surveillance.cli import options
from include.surveillance.cli.options import console, load_book, new_table, show_progress, tell
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.studies.comparison import HEADER, compare_books, describe_overrides
from include.surveillance.studies.recorded import RecordedFiles


@options.asks_how_to_read
def whatif(
    bars: options.Bars,
    params: Annotated[list[Path], typer.Option(help="YAML of parameters; give the option twice: A, then B.")],
    out: options.Out,
    rules: options.Rules = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Compare two sets of parameters over the same bars: whatif.md, only_a.parquet, only_b.parquet."""
    if len(params) != 2:
        raise ConfigurationError(f"--params is given {len(params)} times; give it twice: --params A --params B")
    a, b = params
    books = (load_book(a, rules), load_book(b, rules))
    files = RecordedFiles(bars, None, splits, dividends, ticker_changes, profiles, reading)
    with show_progress() as progress:
        comparison = compare_books(
            files, books, out, names=(str(a), str(b)), calendar=calendar, tell=tell, progress=progress
        )
    table = new_table(f"A {a}, B {b} -> {out}", HEADER[:2], HEADER[2:])
    for cells in comparison.describe():
        table.add_row(*cells)
    console.print(table)
    for who, name, values in describe_overrides(books):
        tell(f"{who}: {name} sets {values}")
