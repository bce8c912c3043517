"""The command line: ``python -m include.surveillance``. Needs no Airflow, and but for ``tail`` no Kafka."""

from __future__ import annotations

import typer

from include.surveillance.cli.baselines import baselines
from include.surveillance.cli.calibrate import calibrate_command
from include.surveillance.cli.capacity import capacity
from include.surveillance.cli.evaluate import evaluate_command
from include.surveillance.cli.explain import explain
from include.surveillance.cli.replay import replay
from include.surveillance.cli.tail import tail
from include.surveillance.cli.whatif import whatif

app = typer.Typer(help="Market surveillance from the shell.", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(replay)
app.command(name="calibrate")(calibrate_command)
app.command()(whatif)
app.command(name="evaluate")(evaluate_command)
app.command()(explain)
app.command()(baselines)
app.command()(tail)
app.command()(capacity)
