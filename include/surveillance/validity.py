"""Says what is no bar: one list of objections, to a bar of the vendor, of a file and of the log alike.

Only what detection computes with is judged. An optional field (vwap, trades) never costs a bar: a value of it that is
none (``is_vwap``, ``is_trade_count``) is left out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import nan
from typing import Any

import numpy as np

from include.surveillance.records import Bar, NewsItem, Record, Watermark
from include.surveillance.texts import is_identifier
from include.surveillance.timespans import EARLIEST_MS, LATEST_MS, MINUTE_MS, SPAN_MS

# A float, or a numpy array of them: comparing gives a bool or an array of bools.
Numbers = Any

# Split-adjusted prices of serial reverse splitters come near the first; more shares than the second do not exist.
LARGEST_PRICE, LARGEST_VOLUME = 1e12, 1e15
# Shares trade in millionths at most, and less than half of one is written as none.
VOLUME_DECIMALS, SMALLEST_VOLUME = 6, 5e-7
LARGEST_INTEGER = 2**53
LONGEST_SYMBOL = 64
# A day starts at its market's midnight, which lies on no grid of 24 hours.
GRID_MS = SPAN_MS | {"day": MINUTE_MS}
UNITS_PER_MS = {"seconds": 1e-3, "microseconds": 1e3, "nanoseconds": 1e6}
"""The units of time besides milliseconds; no stamp of the market's lies within the range of two of them."""

SYMBOL_UNUSABLE = "symbol unusable"
UNKNOWN_TIMESPAN = "unknown timespan"
OTHER_UNITS = tuple(f"time in {unit}, not milliseconds" for unit in UNITS_PER_MS)
TIME_OUT_OF_RANGE = "time out of range (18 February 1970 to 2099)"
OFF_THE_GRID = "off the grid"
NO_TRADE = "no trade"
REVISION_UNUSABLE = "revision not eight hex digits"
_REVISION = re.compile("[0-9a-f]{8}")

OBJECTIONS = (
    SYMBOL_UNUSABLE,
    UNKNOWN_TIMESPAN,
    *OTHER_UNITS,
    TIME_OUT_OF_RANGE,
    OFF_THE_GRID,
    "price not finite",
    "price not positive",
    "price too large",
    "high below low",
    "open outside low-high",
    "close outside low-high",
    "volume not finite",
    "negative volume",
    "volume too large",
    NO_TRADE,
)
"""Why something is no bar, in this order; the first objection to a row is the one that is given."""

HINTS = {
    UNKNOWN_TIMESPAN: f"known are {', '.join(SPAN_MS)}",
    OFF_THE_GRID: "a bar starts at a multiple of its timespan, an hour at a full hour; a day at any full minute",
    NO_TRADE: "a bar without volume is none",
}
"""What to know about an objection, for whoever sees it once."""


def objection(record: Record) -> str | None:
    """Say why a record of the log cannot be used, short and countable; None when it can."""
    if isinstance(record, Bar):
        if not 0 <= record.polled_ms < LATEST_MS:
            return TIME_OUT_OF_RANGE
        volume = float(record.volume) if record.volume.is_finite() else nan
        prices = (record.open, record.high, record.low, record.close)
        reason = object_to_bar(record.symbol, record.timespan, record.ts_ms, *prices, volume)
        return reason or (None if _REVISION.fullmatch(record.revision) else REVISION_UNUSABLE)
    if isinstance(record, Watermark):
        if record.timespan not in SPAN_MS:
            return UNKNOWN_TIMESPAN
        timely = is_timely(record.as_of_ms) and 0 <= record.polled_ms < LATEST_MS
        return None if timely else TIME_OUT_OF_RANGE
    if isinstance(record, NewsItem):
        return None if is_timely(record.published_ms) else TIME_OUT_OF_RANGE
    return f"unexpected kind {record.__struct_config__.tag}"


def object_to_bar(
    symbol: str, timespan: str, ts_ms: int, open_: float, high: float, low: float, close: float, volume: float
) -> str | None:
    """Say why these values are no bar, one of ``OBJECTIONS``; None when they are one. NaN stands for no number."""
    grid = GRID_MS.get(timespan)
    # Almost all bars are good, and a few comparisons say so.
    if (
        grid
        and EARLIEST_MS <= ts_ms < LATEST_MS
        and not ts_ms % grid
        and 0 < low <= open_ <= high <= LARGEST_PRICE
        and low <= close <= high
        and SMALLEST_VOLUME < volume <= LARGEST_VOLUME
        and is_series_symbol(symbol)
    ):
        return None
    values = (float(max(-(2**63), min(ts_ms, 2**63))), open_, high, low, close, volume)
    columns = [np.array([value]) for value in values]
    found = objections(np.array([is_series_symbol(symbol)]), np.array([grid or 0]), *columns)[0]
    return OBJECTIONS[found - 1] if found else None


def objections(
    known_symbol: np.ndarray,
    grid_ms: np.ndarray,
    ts_ms: np.ndarray,
    open_: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
) -> np.ndarray:
    """Give each row the number of its objection, 1 for the first of ``OBJECTIONS``; 0 when it is a bar.

    Args:
        known_symbol: what ``is_series_symbol`` says, bool.
        grid_ms: ``GRID_MS`` of its timespan, 0 where that is unknown, int64.
        ts_ms, open_, high, low, close, volume: numbers of one length; NaN stands for what is no number.
    """
    prices = (open_, high, low, close)
    with np.errstate(invalid="ignore", over="ignore"):
        objected = (
            ~known_symbol,
            grid_ms == 0,
            *(is_timely(ts_ms / per_ms) for per_ms in UNITS_PER_MS.values()),
            ~is_timely(ts_ms),
            ts_ms % np.maximum(grid_ms, 1) != 0,
            ~np.logical_and.reduce([np.isfinite(price) for price in prices]),
            ~np.logical_and.reduce([price > 0 for price in prices]),
            ~np.logical_and.reduce([price <= LARGEST_PRICE for price in prices]),
            high < low,
            (open_ < low) | (open_ > high),
            (close < low) | (close > high),
            ~np.isfinite(volume),
            volume < 0,
            volume > LARGEST_VOLUME,
            volume <= SMALLEST_VOLUME,
        )
    return np.select(objected, np.arange(1, len(objected) + 1, dtype=np.int16), default=np.int16(0))


@lru_cache(maxsize=1 << 16)
def is_series_symbol(symbol: str) -> bool:
    """Whether a text can name a series: a word of visible ASCII without the sign that ids are joined with."""
    return is_identifier(symbol, LONGEST_SYMBOL) and "|" not in symbol


def round_volume(volume: np.ndarray) -> np.ndarray:
    """Round volumes to the millionths that shares trade in, as ``normalise`` does; one that has no more stays bit for
    bit, and so does a negative one, however small: it is an error, and no zero."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = volume * 10.0**VOLUME_DECIMALS
        rounded = (volume >= 0) & (steps < LARGEST_INTEGER)
        return np.where(rounded, np.rint(steps) / 10.0**VOLUME_DECIMALS, volume)


def is_vwap(value: Numbers) -> Numbers:
    """Whether a number, or each of an array, can be a bar's average price."""
    return (value > 0) & (value <= LARGEST_PRICE)


def is_trade_count(value: Numbers) -> Numbers:
    """Whether a number, or each of an array, can be a bar's number of trades."""
    return (value >= 0) & (value < LARGEST_INTEGER) & (value == value // 1)


def is_timely(ts_ms: Numbers) -> Numbers:
    """Whether a time, or each of an array, is one that records may have, UTC epoch milliseconds."""
    return (ts_ms >= EARLIEST_MS) & (ts_ms < LATEST_MS)
