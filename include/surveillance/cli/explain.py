"""``explain``: why an alert was raised, and whether it would be raised again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from include.surveillance.alerts import wording
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.cli import options
from include.surveillance.cli.options import (
    console,
    find_alerts,
    load_book,
    load_book_of,
    new_table,
    read_kafka_client,
    tell,
)
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.records import Bar, NewsItem, Record
from include.surveillance.sessions import Sessions
from include.surveillance.studies.explanation import (
    Explained,
    Row,
    explain_from_files,
    explain_from_log,
)
from include.surveillance.studies.landed import explain_from_warehouse
from include.surveillance.studies.replay_options import CALENDAR, ReplayOptions
from include.surveillance.warehouse.login import open_warehouse

SHOWN = 25
PRICES = ["open", "high", "low", "close"]


@options.asks_how_to_read
def explain(
    alert_id: Annotated[str, typer.Argument(help="rule|symbol|timespan|start|version, in quotes.")],
    bars: options.BarsOfAlerts = None,
    alerts: Annotated[
        Path | None,
        typer.Option(help="The alerts.parquet that has it, or its folder; without, the one beside the bars, if any."),
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(
            help="host:port of a Kafka broker or a JSON file of its client's configuration, instead of files."
        ),
    ] = None,
    warehouse: Annotated[
        bool,
        typer.Option("--warehouse", help="From what has landed in the warehouse of the SNOWFLAKE_* variables alone."),
    ] = False,
    news: options.News = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    params: options.Params = None,
    rules: options.Rules = None,
    history: options.History = None,
    session_reset: options.SessionResetOfAlerts = None,
    calendar: options.CalendarOfAlerts = None,
    shift_ms: Annotated[
        int, typer.Option(envvar="MARKET_SHIFT_MS", help="How far the log's bars were moved in time, in ms.")
    ] = 0,
    *,
    reading: Reading,
) -> None:
    """Re-read an alert's inputs, run the rules on them, and say whether the alert is reproduced bit for bit.

    Beside its alerts a replay says what it ran with; an option that is given holds instead.
    Exit code 1: it differs, or is not reproduced.
    """
    if warehouse and not (kafka or bars or alerts):
        with open_warehouse(os.environ) as connection:
            explained = explain_from_warehouse(connection, alert_id, sessions=Sessions(calendar or CALENDAR, shift_ms))
    elif kafka and not (bars or alerts or warehouse):
        sessions, book = Sessions(calendar or CALENDAR, shift_ms), load_book(params, rules)
        client = read_kafka_client(kafka)
        explained = explain_from_log(client, alert_id, sessions=sessions, book=book)
    elif (bars or alerts) and not (kafka or warehouse):
        beside = bars.parent / "alerts.parquet" if bars else None
        alerts = find_alerts(alerts) if alerts else beside if beside and beside.exists() else None
        given = ReplayOptions.given(
            {
                "bars": bars, "news": news, "splits": splits, "dividends": dividends, "ticker_changes": ticker_changes,
                "profiles": profiles, "params": params,
            },
            reading, rules=rules, history=history, session_reset=session_reset, calendar=calendar,
        )  # fmt: skip
        ran = given.completed(alerts)
        explained = explain_from_files(
            ran.files(),
            alert_id,
            alerts=alerts,
            sessions=ran.sessions(),
            book=load_book_of(ran),
            percentiles=ran.history,
        )
    else:
        raise ConfigurationError(
            "explain needs either --alerts FOLDER, --bars FILE or both, or --kafka HOST:PORT, or --warehouse"
        )
    raise typer.Exit(_report(alert_id, explained, str(alerts or kafka or ("RAW" if warehouse else ""))))


def _report(alert_id: str, explained: Explained, source: str) -> int:
    """Print the alert, its inputs and the verdict; return the exit code."""
    stored, reproduced = explained.stored, explained.reproduced
    if not reproduced and not stored:
        raise ConfigurationError(
            f"{alert_id} is not raised by these inputs; give the options of the run that raised it"
        )
    row = (reproduced or stored)[-1]
    tell(row["explanation"])
    table = Table(show_header=False)
    for name, value in row.items():
        if name not in ("explanation", "event_ids") and value not in (None, ""):
            table.add_row(name, _write(name, value))
    console.print(table)
    console.print(_inputs(row, explained.inputs))
    if not reproduced:
        problem = [f"NOT REPRODUCED: {source} has it, these inputs do not raise it"]
    elif not stored and source:
        problem = [f"NOT STORED: these inputs raise it, {source} does not have it"]
    elif not stored:
        tell("Raised by these inputs. Nothing was stored to compare with: give --alerts.")
        return 0
    elif differences := explained.differences:
        problem = [f"DIFFERS from {source}:", *(f"  {line}" for line in differences)]
    elif explained.unsupported:
        problem = [f"NOT SUPPORTED: reproduced as in {source}, but not from what it cites:", *explained.unsupported]
    else:
        tell(f"Reproduced bit for bit: {len(stored)} of {len(stored)} as in {source}.")
        tell("Value and threshold follow from the inputs, the profile and the parameters that it cites.")
        return 0
    typer.echo("\n".join(problem), err=True)
    return 1


def _inputs(row: Row, inputs: Mapping[str, Record]) -> Table:
    """List the records that the alert rests on."""
    ids = row.get("event_ids") or ()
    table = new_table(f"{len(ids)} inputs", ["id"], [*PRICES, "volume"])
    for key in list(ids)[:SHOWN]:
        # An event of the market rests on alerts.
        table.add_row(key, *([] if row["symbol"] == MARKET else _cells(inputs.get(key))))
    return table


def _write(name: str, value: Any) -> str:
    """Write a field: beside a time New York's date and clock and UTC's, a number as it is and never as 3.5e+06."""
    if name.endswith("_ms") and name != "data_age_ms":
        return f"{value} ({wording.date(value)} {wording.clock(value)})"
    return f"{Decimal(repr(value)):,f}" if isinstance(value, float) and isfinite(value) else str(value)


def _cells(record: Record | None) -> list[str]:
    if record is None:
        return ["not among the inputs"]
    if isinstance(record, NewsItem):
        return [record.title]
    if isinstance(record, Bar):
        return [*wording.prices(*(getattr(record, name) for name in PRICES)), *wording.numbers(float(record.volume))]
    return [""] * (len(PRICES) + 1)
