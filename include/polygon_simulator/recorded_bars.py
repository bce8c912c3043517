"""Recorded minute bars, moved in time and otherwise untouched."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np

from include.polygon_simulator.bars import Bars, Source
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import BarFile, read_bars
from include.surveillance.sessions import Session
from include.surveillance.timespans import MINUTE_MS

LOG = logging.getLogger(__name__)


class RecordedSource(Source):
    """Minute bars of files.

    Args:
        path: what ``read_bars`` takes; rows that are no bars are left out and told.
        shift_ms: added to every time, whole minutes.

    Raises:
        ConfigurationError: as of ``read_recorded_minutes``, or a broken shift.
    """

    def __init__(self, path: Path, shift_ms: int):
        if shift_ms % MINUTE_MS:
            raise ConfigurationError(f"shift of {shift_ms} ms is not a whole number of minutes; round it to 60000")
        read = read_recorded_minutes(path)
        for note in read.notes:
            LOG.info("%s", note)
        for reason, count in sorted(Counter(read.rejects["reason"].to_pylist()).items()):
            LOG.warning("%s: %s rows left out: %s", path, f"{count:,}", reason)
        bars = read.bars
        self.first_ms, self.last_ms = int(bars.ts.min()) + shift_ms, int(bars.ts.max()) + shift_ms
        columns = (
            bars.open,
            bars.high,
            bars.low,
            bars.close,
            bars.volume,
            bars.vwap,
            bars.trades,
        )
        self._bars = {}
        for code, (symbol, _) in enumerate(bars.keys):
            own = slice(*np.searchsorted(bars.code, (code, code + 1)))
            self._bars[symbol] = Bars(bars.ts[own] + shift_ms, *(column[own] for column in columns))
        self.symbols = list(self._bars)

    def minutes(self, symbol: str, session: Session, start_ms: int, end_ms: int) -> Bars:
        return self._bars[symbol].between(max(start_ms, session.open_ms), min(end_ms, session.close_ms))


def read_recorded_minutes(path: Path) -> BarFile:
    """Read files of minute bars.

    Raises:
        ConfigurationError: they cannot be read, have no bar, or bars of another timespan.
    """
    read = read_bars(path)
    if wrong := sorted({timespan for _, timespan in read.bars.keys} - {"minute"}):
        raise ConfigurationError(f"{path} holds {', '.join(wrong)} bars; only minute bars can be replayed")
    if not len(read.bars):
        reasons = Counter(read.rejects["reason"].to_pylist()).most_common(3)
        raise ConfigurationError(
            f"{path} holds no usable bar: {', '.join(reason for reason, _ in reasons) or 'no row'}"
        )
    return read
