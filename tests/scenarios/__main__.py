"""What the rules that follow a scenario find and raise on real bars: ``make scenarios``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from include.surveillance.detection.rules.literal.pump_and_dump import LiteralPumpAndDump as Rule
from include.surveillance.sessions import Sessions
from tests.benchmarks.scorecard.__main__ import date_bars
from tests.paths import MEASURED, SHARED_DATA
from tests.scenarios import page, pumps

MEMBERS, MICROCAPS, SIGNALS = "day_sp500_2009_2010", "day_microcaps_2025", "day_microcaps_2025_signals.csv"
OTHERS = ("day_2018_2019", "day_msft_2000_2013")
STRENGTHS = (0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
LENGTHS = (1, 3, 5)
MULTIPLES = (3.0, 5.0, 7.0, 10.0)
STRONG, USUAL_MULTIPLE, USUAL_LENGTH = 0.5, 10.0, 3


def main(
    data: Annotated[Path, typer.Option(envvar="SHARED_DATA", help="Folder of recorded bars and labels.")] = SHARED_DATA,
    hosts: Annotated[int, typer.Option(min=10, help="Stretches of real bars for each injected pump.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the hosts.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for the pages.")] = MEASURED / "scenarios",
) -> None:
    """One page per scenario."""
    names = (MEMBERS, MICROCAPS, *OTHERS)
    missing = [name for name in (*(f"{name}.parquet" for name in names), SIGNALS) if not (data / name).exists()]
    if missing:
        typer.echo(f"error: {data} lacks {', '.join(missing)}; give --data or set SHARED_DATA", err=True)
        raise typer.Exit(1)
    text = page.write_pumps(measure_pumps(data, hosts, seed))
    out.mkdir(parents=True, exist_ok=True)
    (out / "pump_and_dump.md").write_text(text)
    typer.echo(text)


def measure_pumps(data: Path, count: int, seed: int) -> page.PumpTrial:
    """Choose limits on one half of the symbols, judge the shipped ones on the other, and inject pumps."""
    sessions, shipped = Sessions("XNYS"), Rule()
    bars = {name: _read(data / f"{name}.parquet", sessions) for name in (MEMBERS, MICROCAPS, *OTHERS)}
    signals = pd.read_csv(data / SIGNALS, keep_default_na=False)
    halves = [{name: pumps.take_half(bars[name], half) for name in (MEMBERS, MICROCAPS)} for half in (0, 1)]
    tried = list(pumps.try_limits(halves[0][MEMBERS], halves[0][MICROCAPS], signals, sessions))
    judged = []
    for half in halves:
        runs = pumps.find_runs(half[MICROCAPS], signals)
        fired = {name: pumps.fire(half[name], shipped, sessions) for name in half}
        rates = {name: pumps.count_alerts(half[name], fired[name], shipped) for name in half}
        met = pumps.meet_runs(half[MICROCAPS], fired[MICROCAPS], runs)
        judged.append(page.Judged(half[MICROCAPS]["symbol"].nunique(), rates[MEMBERS], rates[MICROCAPS], met))
    thin = pumps.make_thin(bars[MEMBERS])
    everywhere = bars | {f"{MEMBERS}, as if thinly traded": thin}
    rates = {
        name: pumps.count_alerts(one, pumps.fire(one, shipped, sessions), shipped) for name, one in everywhere.items()
    }
    given = [(rise, length, USUAL_MULTIPLE) for rise in STRENGTHS for length in LENGTHS]
    given += [(STRONG, USUAL_LENGTH, multiple) for multiple in MULTIPLES if multiple != USUAL_MULTIPLE]
    of_length = {length: pumps.draw_hosts(thin, count, length, seed) for length in LENGTHS}
    power = {
        (rise, length, multiple): pumps.measure_power(of_length[length], rise, length, multiple, shipped, sessions)
        for rise, length, multiple in given
    }
    return page.PumpTrial(tried, pumps.choose(tried), judged, rates, power)


def _read(path: Path, sessions: Sessions) -> pd.DataFrame:
    return date_bars(pd.read_parquet(path), sessions).sort_values(["symbol", "ts_ms"]).reset_index(drop=True)


if __name__ == "__main__":
    typer.run(main)
