"""The command line of the simulator."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from include.polygon_simulator.market import Market, crowded, replay_market, synthetic_market
from include.polygon_simulator.server import create_app
from include.surveillance.errors import ConfigurationError

KEEP_ALIVE_SECONDS, LONGEST_ANSWER_MS = 180, 60_000


def run(
    port: Annotated[int, typer.Option(help="TCP port.")],
    host: Annotated[str, typer.Option(help="Address to bind; loopback unless --allow-remote.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same market.")] = 1,
    calendar: Annotated[str, typer.Option(help="Sessions of the generated market: 24/7 or XNYS.")] = "24/7",
    symbols: Annotated[int, typer.Option(help="Instruments of the generated market.")] = 24,
    replay: Annotated[Path | None, typer.Option(help="Parquet or CSV of minute bars to replay on XNYS.")] = None,
    shift_ms: Annotated[int, typer.Option(help="Milliseconds from recorded time to now, whole minutes.")] = 0,
    watched_from_ms: Annotated[
        int,
        typer.Option(
            min=0,
            help="UTC epoch ms from which a generated market has frequent anomalies for one session; 0 for never.",
        ),
    ] = 0,
    publish_delay_seconds: Annotated[float, typer.Option(min=0, help="From a minute's close to its bar.")] = 1.0,
    universe: Annotated[
        Path | None, typer.Option(envvar="SIMULATOR_UNIVERSE", help="CSV with a column symbol: generate these, too.")
    ] = None,
    answer_ms: Annotated[
        str, typer.Option(envvar="SIMULATOR_ANSWER_MS", help="Hold each answer back so long, e.g. 20-80.")
    ] = "0",
    calls_per_minute: Annotated[int, typer.Option(min=0, help="Answer 429 beyond this; 0 for no limit.")] = 0,
    allow_remote: Annotated[bool, typer.Option(help="Bind beyond loopback, inside a container.")] = False,
    api_key: Annotated[str, typer.Option(envvar="SIMULATOR_API_KEY", show_default=False)] = "",
) -> None:
    """Serve Polygon's REST API from a generated market or from recorded bars."""
    try:
        _check(host, allow_remote, api_key)
        market = _market(
            seed, calendar, symbols, replay, shift_ms, watched_from_ms, round(publish_delay_seconds * 1000)
        )
        market, held_back = crowded(market, universe) if universe else market, _milliseconds(answer_ms)
    except ConfigurationError as error:
        typer.echo(f"polygon simulator: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"polygon simulator: {market.mode} market, {len(market.instruments)} symbols, http://{host}:{port}")
    app = create_app(market, api_key, calls_per_minute, held_back)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        # Whoever polls once a minute keeps its connections.
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=2048,
        access_log=False,
        date_header=False,
    )


def _check(host: str, allow_remote: bool, api_key: str) -> None:
    if not api_key:
        raise ConfigurationError("no API key; set SIMULATOR_API_KEY to the key that clients shall send")
    loopback = host == "localhost"
    if not loopback:
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            raise ConfigurationError(f"host {host!r} is not an IP address; use 127.0.0.1") from None
    if not loopback and not allow_remote:
        raise ConfigurationError(f"{host} is reachable from outside; use 127.0.0.1 or add --allow-remote")


def _milliseconds(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        least, most = float(low), float(high or low)
    except ValueError:
        least = most = -1.0
    if not 0 <= least <= most <= LONGEST_ANSWER_MS:
        raise ConfigurationError(f"--answer-ms {text} is no range of 0 to {LONGEST_ANSWER_MS}; write e.g. 20-80")
    return least, most


def _market(
    seed: int, calendar: str, symbols: int, replay: Path | None, shift_ms: int, watched_from_ms: int, delay_ms: int
) -> Market:
    if replay is not None:
        if watched_from_ms:
            raise ConfigurationError("--watched-from-ms is for a generated market; leave it out with --replay")
        return replay_market(seed, replay, shift_ms, delay_ms=delay_ms)
    if shift_ms:
        raise ConfigurationError("--shift-ms moves recorded bars; it needs --replay")
    return synthetic_market(seed, calendar, symbols, watched_from_ms, delay_ms=delay_ms)


if __name__ == "__main__":
    typer.run(run)
