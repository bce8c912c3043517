"""Measure detection on one core and write what came out as Markdown and JSON."""

from __future__ import annotations

import os

from tests.paths import MEASURED, ROOT

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from tests.benchmarks import machine, measurements, report
from tests.benchmarks.market import Market, by_series, read_recorded, repeat, table

ENGINE_BARS = 4_000_000
PANDAS_BARS = 400_000


class Part(StrEnum):
    engine = "engine"
    pandas = "pandas"
    live = "live"
    flat = "flat"


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Measure these parts alone; repeatable.")] = None,
    flat_bars: Annotated[int, typer.Option(help="Up to how many bars the cost per bar is followed.")] = 10_000_000,
    data: Annotated[Path, typer.Option(envvar="SHARED_DATA", help="Folder of recorded bars.")] = (
        ROOT.parent / "shared" / "data"
    ),
    out: Annotated[Path, typer.Option(help="Folder for detection.md and detection.json.")] = MEASURED / "benchmarks",
) -> None:
    """All literal rules of bars together, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    parts, results = set(only or Part), {"machine": machine.facts()}
    real = read_recorded(data) if data.exists() else None
    if real is None:
        typer.echo(f"no {data}: recorded bars are left out; set SHARED_DATA to a folder of Parquet bars", err=True)
    if Part.engine in parts:
        results["engine"] = {}
        markets = {"invented minutes": Market(1000).bars(ENGINE_BARS // 1000)}
        if real is not None:
            markets["recorded minutes, repeated"] = repeat(real[real["timespan"] == "minute"], ENGINE_BARS // 2)
            markets["recorded, all kinds, repeated"] = repeat(real, ENGINE_BARS // 2)
        for name, bars in markets.items():
            orders = {"file": by_series(bars), "log": bars}
            for history in ("exact", "sketch"):
                for order, ordered in orders.items():
                    results["engine"][f"{name}, {history}, {order}"] = measurements.engine_rate(ordered, history)
    if Part.pandas in parts:
        samples = {"invented minutes": table(Market(100).bars(PANDAS_BARS // 100))}
        samples |= {} if real is None else {"recorded": real}
        results["pandas"] = {name: measurements.against_pandas(_keys(bars)) for name, bars in samples.items()}
    if Part.live in parts:
        results["live"] = measurements.live_step(symbols=11_000, warm_bars=400)
    if Part.flat in parts:
        results["flat"] = measurements.flat_cost(flat_bars, symbols=2000)
    text = report.markdown(results)
    typer.echo(text)
    if parts == set(Part):
        out.mkdir(parents=True, exist_ok=True)
        (out / "detection.md").write_text(text)
        (out / "detection.json").write_text(json.dumps(results, indent=2) + "\n")


def _keys(bars: pd.DataFrame) -> pd.DataFrame:
    return bars[["symbol", "timespan", "ts_ms", "open", "high", "low", "close", "volume"]]


typer.run(main)
