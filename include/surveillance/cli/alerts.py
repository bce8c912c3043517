"""``alerts``: what fired, and what of it matters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer

from include.surveillance.alerts.kinds import Kind
from include.surveillance.cli import options
from include.surveillance.cli.options import read_kafka_client, tell
from include.surveillance.detection.rules.registry import RULES
from include.surveillance.errors import ConfigurationError
from include.surveillance.severities import Severity
from include.surveillance.studies.listing import (
    FIELDS,
    Order,
    list_alerts,
    read_alert_rows,
    read_log_alerts,
    select_alerts,
)
from include.surveillance.texts import one_line


def alerts(
    alerts: Annotated[
        Path | None, typer.Option(help="alerts.parquet as replay and export write it, or the folder that has it.")
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(help="The log's alerts instead: host:port, or a JSON file of a client's configuration."),
    ] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Only of this symbol; may be given again.")] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help=f"Only of this rule; may be given again: {', '.join(RULES)}, market_event.")
    ] = None,
    severity: Annotated[Severity, typer.Option(help="The least severity.")] = "low",
    kind: Annotated[
        Kind | None, typer.Option(help="About the market, or about the feed and the platform; without, both.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From then on: 2026-01-30, '2026-01-30 09:30' (New York), ISO 8601 or epoch ms.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, as --since; a date alone is meant to its end.")] = None,
    sort: Annotated[
        Order, typer.Option(help="What nothing explains and the highest score first, or the earliest.")
    ] = "score",
    top: Annotated[int | None, typer.Option(min=1, help="At most so many; without, all.")] = None,
    written: Annotated[
        Literal["table", "csv", "json"], typer.Option("--as", help="How they are printed; JSON is one object a line.")
    ] = "table",
) -> None:
    """List alerts, each once, as it was at its strongest: New York time, severity, score (0-100), symbol, rule, id.

    CSV and JSON have the times in UTC epoch ms as well, of bars' starts: ts_ms of the strongest, first_ms, last_ms.
    """
    if (alerts is None) == (kafka is None):
        raise ConfigurationError("alerts needs either --alerts FILE or --kafka HOST:PORT")
    if alerts is not None:
        rows = read_alert_rows(alerts)
    else:
        rows = pd.DataFrame(read_log_alerts(read_kafka_client(str(kafka))), columns=list(FIELDS))
    listed = list_alerts(rows)
    found = select_alerts(
        listed,
        symbols=symbol or (),
        rules=rule or (),
        severity=severity,
        kind=kind,
        since_ms=options.read_moment("--since", since),
        until_ms=options.read_moment("--until", until, to_end=True),
        order=sort,
        top=top,
    )
    if written == "csv":
        typer.echo(found.to_csv(index=False), nl=False)
    elif written == "json":
        lines = found.to_json(orient="records", lines=True, double_precision=15, force_ascii=False)
        typer.echo(lines if len(found) else "", nl=False)
    else:
        _print(found)
        tell(f"{len(found):,} of {len(listed):,} alerts.")


def _print(found: pd.DataFrame) -> None:
    for row in found.itertuples():
        rule = f"{row.rule} {row.direction or ''}".rstrip()
        tag = f"  [{row.tag}]" if isinstance(row.tag, str) else ""
        note = f" (nobody is notified: {row.inhibited_by})" if isinstance(row.inhibited_by, str) else ""
        strength = f"{row.severity:<8} {row.score:5.1f}"
        tell(f"{row.new_york} NY  {strength}  {row.symbol:<6} {rule}{tag}  {row.form}  {row.event_id}")
        tell(f"    {one_line(str(row.explanation), 2_000)}{note}")
