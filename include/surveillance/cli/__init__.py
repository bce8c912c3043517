"""The command line: ``python -m include.surveillance``. Needs no Airflow; some commands ask Kafka."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from include.surveillance.cli.alerts import alerts
from include.surveillance.cli.backtest import backtest
from include.surveillance.cli.baselines import baselines
from include.surveillance.cli.calibrate import calibrate
from include.surveillance.cli.capacity import capacity
from include.surveillance.cli.chart import chart
from include.surveillance.cli.evaluate import evaluate
from include.surveillance.cli.explain import explain
from include.surveillance.cli.export import export
from include.surveillance.cli.offsets import offsets
from include.surveillance.cli.replay import replay
from include.surveillance.cli.tail import tail
from include.surveillance.cli.whatif import whatif
from include.surveillance.errors import SurveillanceError


class Commands(TyperGroup):
    """Ends a command that raises one of our errors with one line and exit code 1."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer hides the class that it passes
        try:
            return super().invoke(ctx)
        except SurveillanceError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands, help="Market surveillance from the shell.", no_args_is_help=True, pretty_exceptions_enable=False
)
for command in (
    replay,
    alerts,
    chart,
    calibrate,
    whatif,
    backtest,
    evaluate,
    explain,
    baselines,
    export,
    tail,
    capacity,
):
    app.command()(command)
app.add_typer(offsets, name="offsets")
