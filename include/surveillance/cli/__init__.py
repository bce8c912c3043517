"""The command line: ``python -m include.surveillance``. Needs no Airflow, and but for ``tail`` no Kafka."""

from __future__ import annotations

import typer

from .baselining import baselines
from .calibrating import calibrate_command
from .comparing import whatif
from .evaluating import evaluate_command
from .explain import explain
from .planning import capacity
from .replaying import replay
from .tailing import tail

app = typer.Typer(help="Market surveillance from the shell.", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(replay)
app.command(name="calibrate")(calibrate_command)
app.command()(whatif)
app.command(name="evaluate")(evaluate_command)
app.command()(explain)
app.command()(baselines)
app.command()(tail)
app.command()(capacity)
