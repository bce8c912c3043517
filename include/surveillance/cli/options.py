"""Options that several commands share, and how an error reads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import ConfigurationError, SurveillanceError

# A pipe has no width; tables need some.
console = Console(width=None if sys.stdout.isatty() else 120)


class HistoryForm(StrEnum):
    exact = "exact"
    sketch = "sketch"


class Rules(StrEnum):
    literal = "literal"
    robust = "robust"


Bars = Annotated[Path, typer.Option(help="Parquet or CSV of bars.")]
News = Annotated[Path | None, typer.Option(help="Parquet or CSV of news.")]
Splits = Annotated[Path | None, typer.Option(help="Parquet or CSV of splits, as Polygon gives them.")]
Dividends = Annotated[Path | None, typer.Option(help="Parquet or CSV of dividends, as Polygon gives them.")]
TickerChanges = Annotated[Path | None, typer.Option(help="Parquet or CSV of ticker, new_ticker, date.")]
Profiles = Annotated[
    Path | None, typer.Option(help="Profiles as `baselines` writes them; without, they are built session by session.")
]
Params = Annotated[Path | None, typer.Option(help="YAML of parameters; without, those of the platform.")]
RulesForm = Annotated[Rules, typer.Option(help="The rules as written, or held against each symbol's profile.")]
History = Annotated[HistoryForm, typer.Option(help="How percentiles remember: every value, or a sketch.")]
SessionReset = Annotated[bool, typer.Option(help="Restart windows each New York date.")]
Calendar = Annotated[str, typer.Option(help="A calendar of exchange_calendars.")]
Out = Annotated[Path, typer.Option(help="Folder for what is written.")]


def book_of(params: Path | None, rules: Rules | None, session_reset: bool | None = None) -> ParameterBook:
    """The parameters of a file or of the platform; what is None stays as they say."""
    book = ParameterBook.load(params) if params else ParameterBook.default()
    return book.with_(rules=rules.value if rules else None, session_reset=session_reset)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """An error of ours is one line and exit code 1."""
    try:
        yield
    except SurveillanceError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar that says which stage is how far, and disappears when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("read", total=None)
        yield lambda stage, done, total: shown.update(task, description=stage, completed=done, total=total)


def table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table with columns of text, which stay whole, and of numbers."""
    made = Table(title=title, title_justify="left")
    for column in texts:
        made.add_column(column, no_wrap=True)
    for column in numbers:
        made.add_column(column, justify="right")
    return made


def folder(path: Path) -> Path:
    """The folder to write to, made if need be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be a folder to write to: {error.strerror}") from error
    return path
