"""``whatif``: two sets of parameters over the same bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from include.surveillance.cli import options
from include.surveillance.cli.options import book_of, console, folder, one_line_errors
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.rules.bar_rule import KINDS
from include.surveillance.errors import ConfigurationError
from include.surveillance.studies.comparison import compare, episodes, write_report
from include.surveillance.studies.evaluation import symbol_days_of
from include.surveillance.studies.recorded import load


def whatif(
    bars: options.Bars,
    params: Annotated[list[Path], typer.Option(help="YAML of parameters; give the option twice: A, then B.")],
    out: options.Out,
    rules: Annotated[
        options.Rules | None, typer.Option(help="The form of the rules; without, what each file says.")
    ] = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    calendar: options.Calendar = "XNYS",
) -> None:
    """Compare two sets of parameters over the same bars: whatif.md, only_a.parquet, only_b.parquet."""
    with one_line_errors():
        if len(params) != 2:
            raise ConfigurationError(f"--params is given {len(params)} times; give it twice: --params A --params B")
        books = [book_of(path, rules) for path in params]
        recorded = load(
            bars,
            calendar=calendar,
            splits=splits,
            dividends=dividends,
            ticker_changes=ticker_changes,
            profiles=profiles,
            robust=any(book.base.rules == "robust" for book in books),
        )
        found = []
        for book in books:
            evaluation = recorded.evaluate(book)
            found.append(episodes(_firings(evaluation)))
        days = symbol_days_of(recorded.bars, recorded.sessions).count
        session = evaluation.scan.positions.session
        first, last = iso_date(int(session.min())), iso_date(int(session.max()))
        cooldowns = (books[0].base.cooldown_bars, books[1].base.cooldown_bars)
        comparison = compare(*found, cooldown_bars=cooldowns, symbol_days=days)
        folder(out)
        about = f"{len(recorded.bars):,} bars, {first} to {last}."
        names = (str(params[0]), str(params[1]))
        write_report(out / "whatif.md", comparison, names=names, symbol_days=days, about=about)
        comparison.only_a.to_parquet(out / "only_a.parquet", index=False)
        comparison.only_b.to_parquet(out / "only_b.parquet", index=False)
    numbers = ["alerts A", "alerts B", "A per symbol-day", "B per symbol-day", "only A", "only B"]
    table = options.table(f"A {params[0]}, B {params[1]} -> {out}", ["rule"], numbers)
    for row in comparison.rules.itertuples():
        rates = (f"{row.per_day_a:.3g}", f"{row.per_day_b:.3g}")
        counts = (f"{count:,}" for count in (row.only_a, row.only_b))
        table.add_row(row.rule, f"{row.alerts_a:,}", f"{row.alerts_b:,}", *rates, *counts)
    console.print(table)


def _firings(found: Evaluation) -> pd.DataFrame:
    bars, firings = found.scan.bars, found.fresh_firings
    symbols, timespans = (np.array([key[part] for key in bars.keys], dtype=object) for part in (0, 1))
    rules, directions = (np.array([kind[part] for kind in KINDS], dtype=object) for part in (0, 1))
    code = bars.code[firings.index]
    return pd.DataFrame(
        {
            "symbol": symbols[code],
            "timespan": timespans[code],
            "rule": rules[firings.kind],
            "direction": directions[firings.kind],
            "ts_ms": bars.ts[firings.index],
            "episode_start_ms": firings.start,
            "value": firings.value,
            "threshold": firings.threshold,
        }
    )
