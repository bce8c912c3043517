"""A recording of two symbols, the same with unusable rows, and a runner of commands."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from include.surveillance.cli import app

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
DAY = 86_400_000
COLUMNS = ["symbol", "timespan", "ts_ms", "open", "high", "low", "close", "volume"]


def recording(sessions: int = 5) -> pd.DataFrame:
    """Two symbols, 60 minutes of each of the latest sessions before and on 2019-02-14; bursts in the last."""
    random = np.random.default_rng(3)
    parts = []
    for symbol, price in (("KO", 50.0), ("NVDA", 150.0)):
        for back in range(sessions - 1, -1, -1):
            # 2019-02-08 to 02-14 without the weekend.
            start = OPEN - {0: 0, 1: 1, 2: 2, 3: 3, 4: 6}[back] * DAY
            close = price * np.exp(np.cumsum(random.normal(0, 5e-4, 390)))
            opened = np.r_[close[0], close[:-1]]
            volume = random.lognormal(8, 0.3, 390).round()
            if back == 0:
                volume[200:205] *= 12
            high, low = np.maximum(opened, close) * 1.0001, np.minimum(opened, close) * 0.9999
            ts_ms = start + 60_000 * np.arange(390)
            parts.append(
                pd.DataFrame(
                    dict(zip(COLUMNS, (symbol, "minute", ts_ms, opened, high, low, close, volume), strict=True))
                )
            )
    return pd.concat(parts, ignore_index=True)


def hostile() -> pd.DataFrame:
    """Usable bars in no order, with rows of every bad kind among them."""
    good = recording(1).sample(frac=1, random_state=1).astype(object)
    bad = good.head(12).copy()
    bad["ts_ms"] += 7 * DAY
    changes = [
        ("close", nan),
        ("close", inf),
        ("open", -1),
        ("volume", -5),
        ("low", 1e9),
        ("high", "high"),
        ("volume", ""),
    ]
    changes += [("ts_ms", "x"), ("ts_ms", 10**30), ("timespan", "week"), ("symbol", "")]
    for row, (column, value) in enumerate(changes):
        bad.iloc[row, bad.columns.get_loc(column)] = value
    corrected = good.head(3).assign(volume=1)
    return pd.concat([good, bad.head(len(changes)), good.head(5), corrected], ignore_index=True)


def run(*arguments: object, **options: object):
    named = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    result = CliRunner().invoke(app, [*map(str, arguments), *named])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def stricter(folder: Path) -> Path:
    path = folder / "stricter.yaml"
    path.write_text("base: {rules: literal, abnormal_volume: {multiple: 1000000}}")
    return path
