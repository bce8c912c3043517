"""Makes the records of a file of bars, as a poll of the same time would have brought them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isnan
from pathlib import Path

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Rows, read_rows
from include.surveillance.normalise.fields import UnusableError, reject, write_out
from include.surveillance.records import Bar, Reject, Watermark
from include.surveillance.timespans import Timespan, now_ms
from include.surveillance.validity import NO_TRADE


def read_records(
    path: Path, symbols: Sequence[str], timespan: Timespan, from_ms: int, to_ms: int
) -> Iterator[Bar | Reject | Watermark]:
    """Read bars of some symbols that start in [from_ms, to_ms), in order of time; then rejects, then one Watermark per
    symbol, whether or not it has bars.

    Raises:
        ConfigurationError: the file cannot be read, or has bars of another timespan.
    """
    rows = read_rows(path, only=symbols)
    if others := {*rows.values["timespan"].to_pylist()} - {timespan}:
        raise ConfigurationError(
            f"{path.name} has {others.pop()} bars, and {timespan} bars are asked for; choose others"
        )
    polled_ms = now_ms()
    bars = sorted(_make_bars(rows, timespan, from_ms, to_ms, polled_ms), key=lambda bar: bar.ts_ms)
    rejects = list(_make_rejects(rows, timespan, polled_ms))
    yield from bars
    yield from rejects
    kept, wrong = Counter(bar.symbol for bar in bars), [it for it in rejects if it.reason != NO_TRADE]
    for symbol in symbols:
        reasons = [it.reason for it in wrong if it.symbol == symbol]
        yield Watermark(
            symbol=symbol,
            timespan=timespan,
            from_ms=from_ms,
            as_of_ms=to_ms,
            bars=kept[symbol],
            rejected=len(reasons),
            reject_reasons=tuple(sorted({*reasons})),
            source="backfill",
            polled_ms=polled_ms,
        )


def _make_bars(rows: Rows, timespan: Timespan, from_ms: int, to_ms: int, polled_ms: int) -> Iterator[Bar]:
    names = ("ts_ms", "open", "high", "low", "close")
    columns = [rows.values["symbol"].to_pylist(), *(rows.values[name].tolist() for name in (*names, "volume"))]
    optional = [rows.values[name].tolist() for name in ("vwap", "trades")]
    for symbol, ts_ms, open_, high, low, close, volume, vwap, trades in zip(*columns, *optional, strict=True):
        if from_ms <= ts_ms < to_ms:
            yield Bar(
                symbol=symbol,
                timespan=timespan,
                ts_ms=ts_ms,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=write_out(Decimal(int(volume) if volume.is_integer() else repr(volume))),
                vwap=None if isnan(vwap) else vwap,
                trades=None if isnan(trades) else int(trades),
                source="backfill",
                polled_ms=polled_ms,
            )


def _make_rejects(rows: Rows, timespan: Timespan, polled_ms: int) -> Iterator[Reject]:
    about = {"timespan": timespan, "source": "backfill", "polled_ms": polled_ms}
    for row in rows.rejects.to_pylist():
        cells = next(csv.reader([row["raw"]]), [])
        at = rows.symbol_column
        symbol = None if at is None or len(cells) <= at else cells[at].strip()
        error = UnusableError(row["reason"], f"row {row['row']:,} of {row['file']}")
        yield reject(row["raw"].encode(), error, symbol=symbol or None, **about)
