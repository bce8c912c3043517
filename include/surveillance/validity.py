"""Says which records the engine can work with; the others are set aside with a reason, never dropped.

The same objections stand here twice: to one record as it comes off the log, and to columns as a file holds them.
"""

from __future__ import annotations

import re
from math import inf, isfinite, nan

import numpy as np

from include.surveillance.records import Bar, NewsItem, Record, Watermark
from include.surveillance.timespans import SPAN_MS

LATEST_MS = 4_102_444_800_000  # the year 2100: anything beyond is a wrong unit

UNKNOWN_TIMESPAN = "unknown timespan"
TIME_OUT_OF_RANGE = "time out of range"
PRICE_NOT_POSITIVE = "price not positive"
INSIDE_THE_BAR = "high or low inside the bar"
VOLUME_UNUSABLE = "volume not a number or negative"
VWAP_INFINITE = "vwap not finite"
# Only single records can have these: columns of a file have neither field.
TRADES_OUT_OF_RANGE = "trades out of range"
REVISION_UNUSABLE = "revision not eight hex digits"
_REVISION = re.compile("[0-9a-f]{8}")

OBJECTIONS = (UNKNOWN_TIMESPAN, TIME_OUT_OF_RANGE, PRICE_NOT_POSITIVE, INSIDE_THE_BAR, VOLUME_UNUSABLE, VWAP_INFINITE)
"""What columns are checked for, in this order; the first objection to a bar is the one that is given."""


def objection(record: Record) -> str | None:
    """Say why a record cannot be used, short and countable; None when it can."""
    if isinstance(record, Bar):
        start_ms = record.ts_ms
    elif isinstance(record, Watermark):
        start_ms = record.as_of_ms
    elif isinstance(record, NewsItem):
        return None if 0 < record.published_ms < LATEST_MS else TIME_OUT_OF_RANGE
    else:
        return f"unexpected kind {record.__struct_config__.tag}"
    if record.timespan not in SPAN_MS:
        return UNKNOWN_TIMESPAN
    if not (0 < start_ms < LATEST_MS and 0 <= record.polled_ms < LATEST_MS):
        return TIME_OUT_OF_RANGE
    return _objection_to_values(record) if isinstance(record, Bar) else None


def _objection_to_values(bar: Bar) -> str | None:
    opened, high, low, close = bar.open, bar.high, bar.low, bar.close
    # Almost all bars are good; one comparison says so of all four prices.
    if not (0 < low <= opened <= high < inf and low <= close <= high):
        usable = all(isfinite(price) and price > 0 for price in (opened, high, low, close))
        return INSIDE_THE_BAR if usable else PRICE_NOT_POSITIVE
    # A decimal can be finite and yet too large for what the engine computes with.
    volume = float(bar.volume) if bar.volume.is_finite() else nan
    if not 0 <= volume < inf:
        return VOLUME_UNUSABLE
    if bar.vwap in (inf, -inf):
        return VWAP_INFINITE
    if bar.trades is not None and not 0 <= bar.trades < 2**53:
        return TRADES_OUT_OF_RANGE
    return None if _REVISION.fullmatch(bar.revision) else REVISION_UNUSABLE


def objections(
    known_timespan: np.ndarray,
    ts_ms: np.ndarray,
    open_: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    vwap: np.ndarray,
) -> np.ndarray:
    """Give each bar the number of its objection, 1 for the first of ``OBJECTIONS``; 0 when it can be used.

    Columns of one length, float64 but for ``known_timespan`` (bool); NaN stands for what is no number, and in
    ``vwap`` for what the vendor left out.
    """
    with np.errstate(invalid="ignore"):
        usable_price = np.ones(len(ts_ms), dtype=bool)
        for price in (open_, high, low, close):
            usable_price &= (price > 0) & (price < inf)
        objected = (
            ~known_timespan,
            ~((ts_ms > 0) & (ts_ms < LATEST_MS)),
            ~usable_price,
            (high < np.maximum(open_, close)) | (low > np.minimum(open_, close)) | (high < low),
            ~((volume >= 0) & (volume < inf)),
            np.isinf(vwap),
        )
    return np.select(objected, np.arange(1, len(objected) + 1, dtype=np.int16), default=np.int16(0))
