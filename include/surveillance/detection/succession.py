"""Which series a bar belongs to: that of the instrument that held its ticker on its date.

A series is cut where its ticker changes hands, and goes on where its instrument changes its ticker.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from include.surveillance.detection.columns import COLUMNS, BarColumns, SeriesKey
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.instruments import Tickers

EVER = 1 << 62
"""Later than any time, in UTC epoch ms; negative, earlier."""


class Succession:
    """Joins bars into series and names them again. The key of a series is (holder, timespan), see ``Tickers``."""

    def __init__(self, tickers: Tickers, calendar: TradingCalendar):
        self.tickers, self._calendar = tickers, calendar

    def key(self, symbol: str, timespan: str, ts_ms: int) -> SeriesKey:
        """Return the key of the series that a ticker's bar of that start belongs to."""
        tenures = self.tickers.tenures(symbol)
        if not tenures:
            return symbol, timespan
        at = self._count_begun([it.date for it in tenures], timespan, np.array([ts_ms]))[0]
        return tenures[at - 1].holder if at else symbol, timespan

    def name(self, key: SeriesKey, ts_ms: int) -> SeriesKey:
        """Return the ticker of a series at a time, and its timespan."""
        holder, timespan = key
        names = self.tickers.names(holder)
        if len(names) == 1:
            return names[0][1], timespan
        at = self._count_begun([date for date, _ in names[1:]], timespan, np.array([ts_ms]))[0]
        return names[at][1], timespan

    def spells(self, symbol: str, timespan: str) -> list[tuple[SeriesKey, int, int]]:
        """List the series that a ticker has named, oldest first, each with its time, [from, to) in UTC epoch ms."""
        tenures = self.tickers.tenures(symbol)
        if not tenures:
            return [((symbol, timespan), -EVER, EVER)]
        edges = [-EVER, *(self._calendar.begins(it.date, timespan) for it in tenures), EVER]
        holders = [symbol, *(it.holder for it in tenures)]
        return [((holder, timespan), *edge) for holder, edge in zip(holders, pairwise(edges), strict=True)]

    def join(self, bars: BarColumns) -> BarColumns:
        """Return the bars, in their order, with codes that stand for series; ``bars`` itself where no ticker moved."""
        moved = [code for code, (symbol, _) in enumerate(bars.keys) if self.tickers.tenures(symbol)]
        if not moved:
            return bars
        codes = {key: code for code, key in enumerate(bars.keys)}
        joined = bars.code.copy()
        for code in moved:
            (symbol, timespan), index = bars.keys[code], np.flatnonzero(bars.code == code)
            tenures = self.tickers.tenures(symbol)
            holders = [symbol, *(tenure.holder for tenure in tenures)]
            own = np.array([codes.setdefault((holder, timespan), len(codes)) for holder in holders], np.int32)
            joined[index] = own[self._count_begun([it.date for it in tenures], timespan, bars.ts[index])]
        # Whoever asks for the rows of keys that no bar has would make series of them.
        used, joined = np.unique(joined, return_inverse=True)
        keys = list(codes)
        columns = (getattr(bars, name) for name in COLUMNS[1:])
        return BarColumns([keys[code] for code in used.tolist()], joined.astype(np.int32), *columns)

    def sort_profiles(self, profiles: ProfileColumns) -> tuple[ProfileColumns, list[SeriesKey], np.ndarray]:
        """Sort profiles by series and time; return also the series, sorted, and the number of each profile's."""
        named = [profiles.keys[code] for code in profiles.code.tolist()]
        if self.tickers:
            times = profiles.effective_ms.tolist()
            named = [self.key(symbol, timespan, at) for (symbol, timespan), at in zip(named, times, strict=True)]
        keys = sorted(set(named))
        numbers = {key: number for number, key in enumerate(keys)}
        number = np.array([numbers[key] for key in named], np.int64)
        order = np.lexsort((profiles.effective_ms, number))
        return profiles.take(order), keys, number[order]

    def name_bars(
        self, keys: Sequence[SeriesKey], ts: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> tuple[list[SeriesKey], np.ndarray]:
        """Return keys of which the first are those of the series, and one code a bar: that of its ticker then.

        Args:
            ts: starts of the bars, sorted by series and time.
            start, end: of the bars of each series.
        """
        code = np.repeat(np.arange(len(keys), dtype=np.int32), end - start)
        named = list(keys)
        for s, (holder, timespan) in enumerate(keys) if self.tickers else ():
            names = self.tickers.names(holder)
            if len(names) > 1 or names[0][1] != holder:
                own = np.arange(len(named), len(named) + len(names), dtype=np.int32)
                named += [(symbol, timespan) for _, symbol in names]
                own_ts = ts[start[s] : end[s]]
                code[start[s] : end[s]] = own[self._count_begun([date for date, _ in names[1:]], timespan, own_ts)]
        return named, code

    def _count_begun(self, dates: Sequence[str], timespan: str, ts: np.ndarray) -> np.ndarray:
        """Count for each start how many of the dates, which ascend, have begun."""
        return np.searchsorted([self._calendar.begins(date, timespan) for date in dates], ts, side="right")
