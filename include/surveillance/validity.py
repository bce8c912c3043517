"""Which records the engine can work with. What it cannot is set aside with a reason, never dropped.

The same objections twice: of one record as it comes off the log, and of columns as a file holds them.
"""

from __future__ import annotations

import re
from math import inf, isfinite, nan

import numpy as np

from include.surveillance.records import SPAN_MS, Bar, NewsItem, Record, Watermark

LATEST_MS = 4_102_444_800_000  # the year 2100: anything beyond is a wrong unit

UNKNOWN_TIMESPAN = "unknown timespan"
TIME_OUT_OF_RANGE = "time out of range"
PRICE_NOT_POSITIVE = "price not positive"
INSIDE_THE_BAR = "high or low inside the bar"
VOLUME_UNUSABLE = "volume not a number or negative"
VWAP_INFINITE = "vwap not finite"
# Of single records only: columns of a file have neither.
TRADES_OUT_OF_RANGE = "trades out of range"
REVISION_UNUSABLE = "revision not eight hex digits"
_REVISION = re.compile("[0-9a-f]{8}")

OBJECTIONS = (
    UNKNOWN_TIMESPAN,
    TIME_OUT_OF_RANGE,
    PRICE_NOT_POSITIVE,
    INSIDE_THE_BAR,
    VOLUME_UNUSABLE,
    VWAP_INFINITE,
)
"""In the order in which they are looked for; the first is the one that is given."""


def objection(record: Record) -> str | None:
    """Why a record cannot be used, short and countable; None when it can."""
    if isinstance(record, NewsItem):
        return None if 0 < record.published_ms < LATEST_MS else TIME_OUT_OF_RANGE
    bar = isinstance(record, Bar)
    if not bar and not isinstance(record, Watermark):
        return f"unexpected kind {record.__struct_config__.tag}"
    if record.timespan not in SPAN_MS:
        return UNKNOWN_TIMESPAN
    start_ms = record.ts_ms if bar else record.as_of_ms
    if not (0 < start_ms < LATEST_MS and 0 <= record.polled_ms < LATEST_MS):
        return TIME_OUT_OF_RANGE
    if not bar:
        return None
    opened, high, low, close = record.open, record.high, record.low, record.close
    # Almost all bars are good; one comparison says so of all four prices.
    if not (0 < low <= opened <= high < inf and low <= close <= high):
        usable = all(isfinite(price) and price > 0 for price in (opened, high, low, close))
        return INSIDE_THE_BAR if usable else PRICE_NOT_POSITIVE
    # A decimal can be finite and yet too large for what the engine computes with.
    volume = float(record.volume) if record.volume.is_finite() else nan
    if not 0 <= volume < inf:
        return VOLUME_UNUSABLE
    if record.vwap in (inf, -inf):
        return VWAP_INFINITE
    if record.trades is not None and not 0 <= record.trades < 2**53:
        return TRADES_OUT_OF_RANGE
    if not _REVISION.fullmatch(record.revision):
        return REVISION_UNUSABLE
    return None


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
    """Per bar the number of its objection, 1 for the first of ``OBJECTIONS``; 0 when it can be used.

    Columns of one length, float64 but for ``known_timespan`` (bool); NaN stands for what is no number, and in
    ``vwap`` for what the vendor left out.
    """
    with np.errstate(invalid="ignore"):
        usable_price = np.ones(len(ts_ms), dtype=bool)
        for price in (open_, high, low, close):
            usable_price &= (price > 0) & (price < inf)
        found = (
            ~known_timespan,
            ~((ts_ms > 0) & (ts_ms < LATEST_MS)),
            ~usable_price,
            (high < np.maximum(open_, close)) | (low > np.minimum(open_, close)) | (high < low),
            ~((volume >= 0) & (volume < inf)),
            np.isinf(vwap),
        )
    return np.select(found, np.arange(1, len(found) + 1, dtype=np.int16), default=np.int16(0))
