"""Recorded minute bars, moved in time and otherwise untouched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from include.polygon_simulator.bars import Bars, Source
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Session
from include.surveillance.timespans import MINUTE_MS

COLUMNS = ("symbol", "ts_ms", "open", "high", "low", "close", "volume", "vwap", "trades", "timespan")


class RecordedSource(Source):
    """Minute bars of a file.

    Args:
        path: Parquet or CSV with the columns of ``COLUMNS``; ``ts_ms`` is the bar's start in UTC epoch milliseconds.
        shift_ms: added to every time, whole minutes.

    Raises:
        ConfigurationError: unreadable file, missing column, a timespan other than minute, or a broken shift.
    """

    def __init__(self, path: Path, shift_ms: int):
        if shift_ms % MINUTE_MS:
            raise ConfigurationError(f"shift of {shift_ms} ms is not a whole number of minutes; round it to 60000")
        frame = _read(path)
        self.first_ms, self.last_ms = (int(frame["ts_ms"].agg(edge)) + shift_ms for edge in ("min", "max"))
        self._bars = {str(symbol): _columns(part, shift_ms) for symbol, part in frame.groupby("symbol", sort=True)}
        self.symbols = list(self._bars)

    def minutes(self, symbol: str, session: Session, start_ms: int, end_ms: int) -> Bars:
        return self._bars[symbol].between(max(start_ms, session.open_ms), min(end_ms, session.close_ms))


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            # There is a ticker NA.
            frame = pd.read_csv(path, keep_default_na=False, na_values={"vwap": [""], "trades": [""]})
        else:
            frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read bars from {path}: {error}; give a Parquet or CSV file") from error
    if missing := [column for column in COLUMNS if column not in frame]:
        raise ConfigurationError(f"{path} has no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
    if wrong := sorted(set(frame["timespan"]) - {"minute"}):
        raise ConfigurationError(f"{path} holds {', '.join(wrong)} bars; only minute bars can be replayed")
    return frame.sort_values(["symbol", "ts_ms"])


def _columns(part: pd.DataFrame, shift_ms: int) -> Bars:
    names = ("open", "high", "low", "close", "volume", "vwap", "trades")
    columns = (part[name].to_numpy(dtype=float, na_value=np.nan) for name in names)
    return Bars(part["ts_ms"].to_numpy(dtype=np.int64) + shift_ms, *columns)
