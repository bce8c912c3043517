"""Files of bars, made row by row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

OPEN = 1_550_154_600_000
HEADER = "symbol,timespan,ts_ms,open,high,low,close,volume"
PRICES = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0}
GOOD = {"symbol": "NVDA", "timespan": "minute", "ts_ms": OPEN, **PRICES, "volume": 1000}


def csv(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text("\n".join([header, *lines]))
    return path


def parquet(tmp_path: Path, rows: list[dict], **types: pa.DataType) -> Path:
    path = tmp_path / "bars.parquet"
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: pa.array([row.get(name) for row in rows], types.get(name)) for name in names}), path)
    return path


def reasons(rejects: pa.Table) -> list[str]:
    return rejects["reason"].to_pylist()
