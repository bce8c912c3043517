"""The command line of the local stack: ``python -m include.local_stack COMMAND``."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from include.local_stack.environment import ROOT, user_environment
from include.local_stack.errors import StackError
from include.local_stack.feature_store import show_features
from include.local_stack.market import Market
from include.local_stack.monitoring import is_wanted
from include.local_stack.ports import HOST, Ports
from include.local_stack.prerequisites import ensure_prerequisites, list_prerequisites
from include.local_stack.stack import Stack, clean, rotate_secrets, state_folder
from include.local_stack.supervisor import Supervisor
from include.machine import list_shortages
from include.surveillance.errors import SurveillanceError

WATCH_SECONDS = 2
# What a shell reports after Ctrl-C.
INTERRUPTED = 130

app = typer.Typer(
    help="The whole platform on this machine, without Docker.", no_args_is_help=True, pretty_exceptions_enable=False
)
console = Console(highlight=False, soft_wrap=True)
Replay = Annotated[Path | None, typer.Option(help="Recorded bars (Parquet or CSV) to replay instead of generating.")]
Duration = Annotated[float | None, typer.Option(help="Seconds of live minutes before the summary; endless without.")]
To = Annotated[Path | None, typer.Option(help="The copy's folder, a new one; default: backups/ and the time.")]
Secrets = Annotated[Path | None, typer.Option(help="File for passwords and keys, apart from the copy.")]
Source = Annotated[Path, typer.Argument(help="The copy's folder.")]
ToldUntil = Annotated[
    str | None, typer.Option(help="When people were last told of an alert, e.g. 2026-03-09T14:05Z; default: now.")
]


@app.command()
def up(replay: Replay = None) -> None:
    """Start everything and keep it running until Ctrl-C or `stop`."""
    with _stack(replay) as stack, suppress(KeyboardInterrupt):
        stack.show_addresses()
        _watch(stack)


@app.command()
def demo(duration: Duration = None, replay: Replay = None) -> None:
    """Start everything, backfill, go live and print each alert."""
    from include.local_stack.demo import run  # loads Kafka's and the warehouse's clients, which nothing else needs

    with _stack(replay) as stack:
        try:
            code = run(stack, duration)
        except KeyboardInterrupt:
            code = INTERRUPTED if duration else 0
    raise typer.Exit(code)


@app.command()
def stop() -> None:
    """Stop what another shell has started."""
    supervisor = Supervisor(state_folder(user_environment()))
    if not supervisor.is_running():
        console.print("not running")
        return
    supervisor.stop()
    console.print("stopped")


@app.command()
def restart(name: Annotated[str, typer.Argument(help="A component, as `status` names it.")]) -> None:
    """Start one component anew, also one that stands still."""
    supervisor = Supervisor(state_folder(user_environment()))
    if not supervisor.is_running():
        raise StackError("the stack is not running; start it with `make up`")
    supervisor.restart(name)
    console.print(f"{name} has been started anew")


@app.command(name="clean")
def clean_() -> None:
    """Remove all state: data, logs, secrets, Kafka's jars."""
    state = state_folder(user_environment())
    clean(state)
    console.print(f"removed {state}")


@app.command()
def rotate() -> None:
    """Generate all passwords and keys anew; they hold from the next start."""
    state = state_folder(user_environment())
    rotate_secrets(state)
    console.print(f"{state / 'secrets.env'}: everything in it is new and holds from the next start")


@app.command()
def backup(to: To = None, secrets: Secrets = None) -> None:
    """Copy all data, of a running stack or a stopped one, into a new folder."""
    from include.local_stack.backup import back_up

    back_up(_stored_stack(), (to or Path("backups") / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}").resolve(), secrets)


@app.command()
def restore(source: Source, secrets: Secrets = None, told_until: ToldUntil = None) -> None:
    """Restore a copy into an empty state folder."""
    from include.local_stack.backup import restore as restore_copy

    state = state_folder(user_environment())
    options = ["--told-until", told_until] if told_until else []
    restore_copy(_stored_stack, state, source.resolve(), secrets, *options)


@app.command()
def status() -> None:
    """Print each component's state."""
    supervisor = Supervisor(state_folder(user_environment()))
    if not supervisor.is_running():
        console.print("not running")
        raise typer.Exit(1)
    for info in supervisor.states():
        console.print(f"{info['name']:<14} {info['statename']:<9} {info['description']}")


@app.command()
def env() -> None:
    """Print the components' environment as `export` lines: eval "$(python -m include.local_stack env)"."""
    for name, value in sorted(_stored_stack().environment.items()):
        if os.environ.get(name) != value:
            typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def features(symbol: Annotated[str, typer.Option(help="Whose features are read online.")] = "AAPL") -> None:
    """Show what is served of a symbol, and what was known when each labelled alert was raised."""
    stack = _stored_stack()
    redis = f"redis://:{stack.credentials['REDIS_PASSWORD']}@{HOST}:{stack.ports.redis}"
    raise typer.Exit(show_features(stack.environment, redis, ["--symbol", symbol]))


@app.command()
def doctor() -> None:
    """Check what the stack needs from this machine; the exit code is 1 when something is missing."""
    user = user_environment()
    ports = Ports.from_env(user)
    needed = list_prerequisites(monitoring=is_wanted(user))
    problems = [f"{item.name} is missing; install {item.packages[-1]}" for item in needed if not item.find()]
    if not Supervisor(state_folder(user)).is_running():
        for name in vars(ports):
            try:
                ports.check_free([name])
            except StackError as error:
                problems.append(str(error))
    for shortage in list_shortages(ROOT):
        console.print(f"[yellow]![/] too little {escape(shortage)}")
    for problem in problems:
        console.print(f"[red]✗[/] {escape(problem)}")
    if problems:
        raise typer.Exit(1)
    console.print("[green]✓[/] nothing is missing")


@app.command()
def install() -> None:
    """Install the Debian packages that are missing."""
    ensure_prerequisites(console.print, monitoring=is_wanted(user_environment()))


def _stored_stack() -> Stack:
    """Make the stack of the market that the state folder holds."""
    market = Market.stored(state_folder(user_environment())) or Market()
    return Stack(Path(market.file) if market.file else None, console)


def _stack(replay: Path | None) -> Stack:
    """Make the stack to start.

    Raises:
        typer.Exit: it runs already; its addresses have been shown.
    """
    stack = Stack(replay, console)
    if stack.supervisor.is_running():
        console.print("already running; `make stop` stops it:")
        stack.show_addresses()
        raise typer.Exit(1)
    return stack


def _watch(stack: Stack) -> None:
    """Return when supervisord is gone; say so once when a component has been given up."""
    given_up: set[str] = set()
    while stack.supervisor.is_running():
        for info in stack.supervisor.states():
            if info["statename"] == "FATAL" and info["name"] not in given_up:
                given_up.add(info["name"])
                console.print(f"[red]✗[/] {info['name']} keeps ending; see {info['stdout_logfile']}")
        time.sleep(WATCH_SECONDS)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    os.umask(0o077)
    # SIGINT too: a shell that starts us in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except SurveillanceError as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
