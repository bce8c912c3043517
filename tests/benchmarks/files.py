"""Measure how long a month of flat files of 500 symbols takes to read: made, read once, compared with what was made."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import typer

from include.surveillance.files.bars import read_bars
from include.surveillance.sessions import Session, Sessions
from include.surveillance.timespans import MINUTE_MS
from tests.benchmarks import machine
from tests.paths import MEASURED

SYMBOLS, SESSIONS, UNTIL_MS = 500, 21, 1_706_800_000_000  # January 2024
LIMIT_SECONDS = 20


def write_day(folder: Path, session: Session, random: np.random.Generator) -> int:
    """Write one day as the vendor does; return its rows."""
    minutes = np.arange(session.open_ms, session.close_ms, MINUTE_MS)
    shape = (SYMBOLS, len(minutes))
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 4e-4, shape), axis=1)), 4)
    names = np.array([f"S{number:03}" for number in range(SYMBOLS)])
    columns = {
        "ticker": np.repeat(names, len(minutes)),
        "volume": random.lognormal(7, 1, shape).astype(int).ravel() + 1,
        "open": close.ravel(),
        "close": close.ravel(),
        "high": np.round(close * 1.0002, 4).ravel(),
        "low": np.round(close * 0.9998, 4).ravel(),
        "window_start": np.tile(minutes * 1_000_000, SYMBOLS),
        "transactions": random.integers(1, 500, close.size),
    }
    with gzip.open(folder / f"{session.date}.csv.gz", "wb", 6) as file:
        pv.write_csv(pa.table(columns), file, pv.WriteOptions(quoting_style="none"))
    return close.size


def main() -> None:
    """Write, read and report."""
    random = np.random.default_rng(1)
    with TemporaryDirectory(prefix="flat-files-") as name:
        folder = Path(name)
        rows = sum(write_day(folder, session, random) for session in Sessions().recent(SESSIONS, UNTIL_MS))
        size = sum(file.stat().st_size for file in folder.iterdir())
        wall, used = perf_counter(), process_time()
        read = read_bars(folder)
        wall, used = perf_counter() - wall, process_time() - used
    assert len(read.bars) == rows, f"{len(read.bars)} of {rows} bars were read"
    assert wall <= LIMIT_SECONDS, f"{rows} rows took {wall:.1f} s, more than {LIMIT_SECONDS} s"
    facts = ", ".join(f"{name} {value}" for name, value in machine.facts().items())
    text = (
        "# Reading flat files\n\n`make bench-files`: a month of minutes, one packed file a day, as the vendor writes "
        "them.\n\n| rows | files | packed | seconds | seconds of processor | rows/s |\n|---|---|---|---|---|---|\n"
        f"| {rows:,} | {SESSIONS} | {size / 1e6:.0f} MB | {wall:.1f} | {used:.1f} | {rows / wall:,.0f} |\n\n{facts}\n"
    )
    (MEASURED / "benchmarks" / "files.md").write_text(text)
    typer.echo(text)


if __name__ == "__main__":
    main()
