"""``explain``: why an alert was raised, and whether it would be raised again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from include.surveillance.alerts.market_events import MARKET
from include.surveillance.cli import options
from include.surveillance.cli.options import book_of, console, one_line_errors
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import read_bars
from include.surveillance.sessions import Sessions
from include.surveillance.studies.explanation import Explained, Row, SymbolFile, from_log, stored_rows, symbol_of
from include.surveillance.studies.replay import replay as replay_files

SHOWN = 25


def explain(
    alert_id: Annotated[str, typer.Argument(help="rule|symbol|timespan|start|version, in quotes.")],
    bars: Annotated[Path | None, typer.Option(help="Parquet or CSV of bars that the alert was raised on.")] = None,
    alerts: Annotated[
        Path | None, typer.Option(help="The alerts.parquet that has it; without, the one beside the bars, if any.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="host:port of a Kafka broker, instead of files.")] = None,
    news: options.News = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    params: options.Params = None,
    rules: Annotated[options.Rules | None, typer.Option(help="As in the replay; without, literal.")] = None,
    history: options.History = options.HistoryForm.exact,
    session_reset: options.SessionReset = False,
    calendar: Annotated[str, typer.Option(envvar="MARKET_CALENDAR", help="A calendar of exchange_calendars.")] = "XNYS",
    shift_ms: Annotated[
        int, typer.Option(envvar="MARKET_SHIFT_MS", help="How far the log's bars were moved in time, in ms.")
    ] = 0,
    partitions: Annotated[int, typer.Option(envvar="KAFKA_PARTITIONS", help="Partitions of the topics.")] = 4,
) -> None:
    """Re-read an alert's inputs, run the rules on them, and say whether the alert is reproduced bit for bit.

    The options of the run that raised it must be given again. Exit code 1: it differs, or is not reproduced.
    """
    with one_line_errors():
        if (bars is None) == (kafka is None):
            raise ConfigurationError("explain needs either --bars FILE or --kafka HOST:PORT")
        if kafka:
            sessions = Sessions(calendar, shift_ms)
            connection, book = {"bootstrap.servers": kafka}, book_of(params, rules)
            found = from_log(connection, alert_id, partitions=partitions, sessions=sessions, book=book)
        else:
            beside = bars.parent / "alerts.parquet"
            alerts = alerts or (beside if beside.exists() else None)
            stored = stored_rows(alerts, alert_id) if alerts else []
            with SymbolFile(bars, symbol_of(alert_id)) as file:
                replay_files(
                    file.path,
                    file.folder,
                    sessions=Sessions(calendar),
                    book=book_of(params, rules or options.Rules.literal, session_reset or None),
                    history=history.value,
                    news=news,
                    splits=splits,
                    dividends=dividends,
                    ticker_changes=ticker_changes,
                    profiles=profiles,
                )
                again = stored_rows(file.folder / "alerts.parquet", alert_id)
                found = Explained(stored, again, _bars(file.path))
    raise typer.Exit(_report(alert_id, found, str(alerts or kafka or "")))


def _bars(path: Path) -> dict[str, Row]:
    bars = read_bars(path).bars
    names = ("ts", "open", "high", "low", "close", "volume")
    columns = zip(*(getattr(bars, name).tolist() for name in names), strict=True)
    return {bars.event_id(at): dict(zip(("ts_ms", *names[1:]), row, strict=True)) for at, row in enumerate(columns)}


def _report(alert_id: str, found: Explained, where: str) -> int:
    """Print it; the exit code."""
    if not found.again and not found.stored:
        typer.echo(
            f"error: {alert_id} is not raised by these inputs; give the options of the run that raised it", err=True
        )
        return 1
    row = (found.again or found.stored)[-1]
    console.print(row["explanation"], highlight=False, markup=False, soft_wrap=True)
    table = Table(show_header=False)
    for name, value in row.items():
        if name not in ("explanation", "event_ids") and value not in (None, ""):
            table.add_row(name, str(value))
    console.print(table)
    console.print(_inputs(row, found.inputs))
    if not found.again:
        typer.echo(f"NOT REPRODUCED: {where} has it, these inputs do not raise it", err=True)
        return 1
    if not found.stored:
        if where:
            typer.echo(f"NOT STORED: these inputs raise it, {where} does not have it", err=True)
            return 1
        console.print(
            "Raised by these inputs. Nothing was stored to compare with: give --alerts.",
            highlight=False,
            soft_wrap=True,
        )
        return 0
    if found.differences:
        typer.echo(f"DIFFERS from {where}:", err=True)
        for line in found.differences:
            typer.echo(f"  {line}", err=True)
        return 1
    console.print(
        f"Reproduced bit for bit: {len(found.stored)} of {len(found.stored)} as in {where}.",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _inputs(row: Row, inputs: dict[str, Row]) -> Table:
    """The bars and news that the alert rests on; without their ids, those of its bar and the ones before."""
    ids = row.get("event_ids")
    if ids is None:
        place = f"{row['symbol']}|{row['timespan']}|"
        before = [key for key in inputs if key.startswith(place) and inputs[key]["ts_ms"] <= row["ts_ms"]]
        ids = before[-1 : -SHOWN - 1 : -1]
    table = options.table(f"{len(ids)} inputs", ["id"], ["open", "high", "low", "close", "volume"])
    for key in list(ids)[:SHOWN]:
        # An event of the market rests on alerts.
        table.add_row(key, *([] if row["symbol"] == MARKET else _cells(inputs.get(key))))
    return table


def _cells(row: dict[str, Any] | Row | None) -> list[str]:
    if row is None:
        return ["not among the inputs"]
    if "title" in row:
        return [str(row["title"])]
    return [f"{float(row[name]):,g}" for name in ("open", "high", "low", "close", "volume")]
