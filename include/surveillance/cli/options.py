"""Options that several commands share, and what they print with."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from include.surveillance.detection.parameters.book import ParameterBook, read_parameters
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.profiles.build import Progress
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.files.formats import FORMATS
from include.surveillance.files.stamps import STAMPS
from include.surveillance.files.times import SLASHED_DATES
from include.surveillance.settings import Settings
from include.surveillance.timespans import SPAN_MS, read_time

if TYPE_CHECKING:
    from include.surveillance.studies.replay_options import ReplayOptions

# A pipe has no width; tables need some.
# Titles and symbols are printed, and square brackets in them are no markup.
console = Console(width=None if sys.stdout.isatty() else 120, markup=False)

Bars = Annotated[
    Path, typer.Option(help="A file of bars, Parquet or CSV, packed or not; a folder; or a pattern in quotes.")
]
News = Annotated[
    Path | None,
    typer.Option(
        help="Parquet or CSV of news: symbol, article_id, published_ms (UTC epoch ms), title, sentiment (positive, "
        "neutral, negative or empty) and, if any, tickers (with commas), company, withdrawn (true or false), url, "
        "publisher."
    ),
]
Splits = Annotated[
    Path | None,
    typer.Option(help="Parquet or CSV of splits: ticker, execution_date (YYYY-MM-DD), split_from, split_to (shares)."),
]
Dividends = Annotated[
    Path | None,
    typer.Option(help="Parquet or CSV of dividends: ticker, ex_dividend_date (YYYY-MM-DD), cash_amount (dollars)."),
]
TickerChanges = Annotated[Path | None, typer.Option(help="Parquet or CSV of ticker, new_ticker, date (YYYY-MM-DD).")]
ScheduledEvents = Annotated[
    Path | None,
    typer.Option(
        help="Parquet or CSV of what was scheduled: symbol (* for all), date (YYYY-MM-DD) and, if any, kind (else "
        "results), time (HH:MM, New York). Alerts around it are tagged scheduled."
    ),
]
Profiles = Annotated[
    Path | None, typer.Option(help="Profiles as `baselines` writes them; without, they are built session by session.")
]
Params = Annotated[Path | None, typer.Option(help="YAML of parameters; without, those of the platform.")]
Rules = Annotated[
    RuleForm | None,
    typer.Option(
        help="The rules as written, or held against each symbol's profile; without, as the parameters say: robust, "
        "which is how the platform alerts."
    ),
]
History = Annotated[
    Percentiles | None,
    typer.Option(
        help="How percentiles remember: every value, or a sketch; without, exact with literal rules, and with robust "
        "ones sketch, as live."
    ),
]
SessionReset = Annotated[bool, typer.Option(help="Restart windows each New York date.")]
# What a replay says beside its alerts need not be said again.
BarsOfAlerts = Annotated[
    Path | None, typer.Option(help="The bars that the alert was raised on; without, those of the replay in --alerts.")
]
SessionResetOfAlerts = Annotated[
    bool | None, typer.Option(help="Restart windows each New York date; without, as the replay did.")
]
CalendarOfAlerts = Annotated[
    str | None,
    typer.Option(envvar="MARKET_CALENDAR", help="A calendar of exchange_calendars; without, the replay's, else XNYS."),
]
Calendar = Annotated[str, typer.Option(help="A calendar of exchange_calendars, by any of its names, e.g. nyse.")]
READING = {
    "format": Annotated[
        str | None, typer.Option(help=f"Format of the bars, by their header unless given: {', '.join(FORMATS)}.")
    ],
    "tz": Annotated[
        str | None,
        typer.Option(help="Zone of times without an offset, e.g. UTC; unless given America/New_York or the format's."),
    ],
    "symbol": Annotated[
        str | None, typer.Option(help="Symbol of bars without a column for it; unless given the file's name has it.")
    ],
    "timespan": Annotated[
        str | None,
        typer.Option(
            help=f"Timespan of bars without a column for it: {', '.join(SPAN_MS)}; unless given, by their stamps."
        ),
    ],
    "stamps": Annotated[
        str | None,
        typer.Option(help=f"How day bars are stamped: {', '.join(STAMPS)}; unless given, as all of them are."),
    ],
    "dates": Annotated[
        str | None,
        typer.Option(
            help=f"Dates such as 01/02/2024: {', '.join(SLASHED_DATES)}; unless given, as one beyond 12 says."
        ),
    ],
}
Out = Annotated[Path, typer.Option(help="Folder for what is written.")]
Kafka = Annotated[str, typer.Option(help="host:port of a Kafka broker, or a JSON file of its client's configuration.")]


def asks_how_to_read(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that has a parameter ``reading`` the options of ``READING`` in its place."""
    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in READING.items()
    ]
    others = [it.replace(kind=it.KEYWORD_ONLY) for it in signature.parameters.values() if it.name != "reading"]

    @wraps(command)
    def with_reading(**given: Any) -> None:
        reading = Reading(*(given.pop(name) for name in READING))
        command(**given, reading=reading)

    asked = signature.replace(parameters=[*others, *options])
    with_reading.__signature__ = asked  # type: ignore[attr-defined]  # what typer reads
    with_reading.__annotations__ = {name: it.annotation for name, it in asked.parameters.items()}
    return with_reading


def find_alerts(given: Path) -> Path:
    """Return the alerts.parquet of a folder; a file as it is."""
    return given / "alerts.parquet" if given.is_dir() else given


def read_kafka_client(given: str) -> dict[str, Any]:
    """Return the client's configuration: of a broker that asks for no login, or what a JSON file holds.

    Raises:
        ConfigurationError: the file is no JSON object with ``bootstrap.servers``.
    """
    file = Path(given)
    if not file.is_file():
        return {"bootstrap.servers": given}
    try:
        client = json.loads(file.read_text())
        if client["bootstrap.servers"]:
            return client
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{given} is no client configuration ({error}); write JSON with bootstrap.servers, as in the extra of "
            "connection kafka_default"
        ) from error
    raise ConfigurationError(f"{given} has an empty bootstrap.servers; write host:port")


def read_moment(option: str, text: str | None, *, to_end: bool = False) -> int | None:
    """Read a time as epoch milliseconds; None stays None.

    Args:
        to_end: a date alone is meant to its end, not from its beginning.

    Raises:
        ConfigurationError: the text is no time.
    """
    if text is None:
        return None
    try:
        ts_ms = read_time(text)
        if to_end and len(text) == len("2026-01-31"):
            ts_ms = read_time(str(date.fromisoformat(text) + timedelta(days=1))) - 1
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option} {text!r} is no time; write 2026-01-30, '2026-01-30 09:30' (New York), an ISO 8601 time with an "
            "offset, or epoch milliseconds"
        ) from error
    return ts_ms


def load_book_of(ran: ReplayOptions) -> ParameterBook:
    """Load the parameters that a replay ran with."""
    return load_book(Path(ran.params) if ran.params else None, ran.rules, ran.session_reset)


def load_book(
    params: Path | None, rules: RuleForm | dict[str, RuleForm] | None, session_reset: bool | None = None
) -> ParameterBook:
    """Load the parameters of a file or of the platform; what is None stays as they say.

    Tells which of the overrides that are shipped hold beside a file, or do not.
    """
    shipped = ParameterBook.default()
    book = ParameterBook.load(params) if params else shipped
    if params and params.resolve() != Settings.parameters_file:
        given = {(one.target, one.effective, field) for one in book.overrides for field in one.set}
        absent = [one for one in shipped.overrides if not {(one.target, one.effective, it) for it in one.set} <= given]
        names = ", ".join(it.name for it in absent or shipped.overrides)
        if absent:
            tell(f"{params} has overrides of its own; not in force of those shipped: {names}")
        elif "overrides" not in read_parameters(params):
            tell(f"{params} has no overrides; in force are those shipped: {names}")
    return book.replaced(alerting_form=rules, session_reset=session_reset)


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show a bar with the stage and its progress, which disappears at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("read", total=None)
        yield lambda stage, done, total: shown.update(task, description=stage, completed=done, total=total)


def tell(line: str) -> None:
    """Print one line as it is, however long."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def new_table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table with columns of text, which stay whole, and of numbers."""
    table = Table(title=title, title_justify="left")
    for column in texts:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right")
    return table
