"""Bursts of volume put into recorded bars at known times, which a detector must detect."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd

from include.surveillance.errors import ConfigurationError
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

SPACING_MS = 60 * MINUTE_MS  # between the starts of two bursts of one symbol, at least
LABELS = {"symbol": "str", "start_ms": "int64", "end_ms": "int64", "kind": "str", "multiple": "float64"}


def inject_bursts(
    bars: pd.DataFrame,
    *,
    seed: int,
    per_symbol_day: int,
    multiples: Sequence[float] = (3, 5, 8),
    minutes: int = 10,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Multiply the volume of consecutive recorded bars, at seeded times that are uniform over each symbol's day.

    A time is a minute (or whatever span the bars have) between the symbol's first and last bar of a New York date,
    the same for the same seed, symbol and date whatever else the bars hold. Times at which no bar was recorded, or
    nearer than an hour to another, are left out, so that a day may get fewer than asked for. Each multiple is used
    equally often on average. Nothing but ``volume`` changes.

    Args:
        bars: columns ``symbol, ts_ms, volume, timespan`` at least, of intraday bars of one timespan.
        seed: of the times and of the multiple at each.
        per_symbol_day: bursts tried on each symbol and date.
        multiples: what volume is multiplied by.
        minutes: length of a burst; at least one bar.

    Returns:
        The bars, in the order given, and the labels: ``symbol, start_ms, end_ms, kind, multiple``, where
        ``start_ms`` and ``end_ms`` are the starts of the first and last bar that were multiplied.

    Raises:
        ConfigurationError: bars of several timespans, or of days.
    """
    spans = sorted(set(bars["timespan"]))
    if len(spans) > 1 or spans == ["day"]:
        raise ConfigurationError(f"bursts go into intraday bars of one timespan; got {', '.join(spans)}; select one")
    injected, ts = bars.copy(), bars["ts_ms"].to_numpy(np.int64)
    volume, labels = bars["volume"].to_numpy(float).copy(), []
    step = SPAN_MS[spans[0]] if spans else MINUTE_MS
    length = max(minutes * MINUTE_MS, step)
    dates = pd.to_datetime(bars["ts_ms"], unit="ms", utc=True).dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    for (symbol, date), index in bars.groupby(["symbol", dates], sort=True).indices.items():
        rng = np.random.default_rng([seed, crc32(symbol.encode()), crc32(date.encode())])
        first, last = int(ts[index].min()), int(ts[index].max())
        starts: list[int] = []
        for step_number, multiple in zip(
            rng.integers(0, (last - first) // step + 1, per_symbol_day).tolist(),
            rng.choice(np.asarray(multiples, dtype=float), per_symbol_day).tolist(),
            strict=True,
        ):
            start = first + step_number * step
            inside = index[(ts[index] >= start) & (ts[index] < start + length)]
            if not len(inside) or start + length > last + step or any(abs(start - at) < SPACING_MS for at in starts):
                continue
            starts.append(start)
            volume[inside] *= multiple
            labels.append((symbol, int(ts[inside].min()), int(ts[inside].max()), "abnormal_volume", multiple))
    injected["volume"] = volume
    return injected, pd.DataFrame(labels, columns=list(LABELS)).astype(LABELS)
