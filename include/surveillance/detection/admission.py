"""Which records the engine can work with. What it cannot is set aside with a reason, never dropped."""

from __future__ import annotations

from math import isfinite

from ..models import SPAN_MS, Bar, NewsItem, Record, Watermark

LATEST_MS = 4_102_444_800_000  # the year 2100: anything beyond is a wrong unit


def objection(record: Record) -> str | None:
    """Why a record cannot be used, short and countable; None when it can."""
    if isinstance(record, NewsItem):
        return None
    if not isinstance(record, Bar | Watermark):
        return f"unexpected kind {record.__struct_config__.tag}"
    if record.timespan not in SPAN_MS:
        return "unknown timespan"
    start_ms = record.ts_ms if isinstance(record, Bar) else record.as_of_ms
    if not 0 < start_ms < LATEST_MS:
        return "time out of range"
    if isinstance(record, Watermark):
        return None
    prices = (record.open, record.high, record.low, record.close)
    if not all(isfinite(price) and price > 0 for price in prices):
        return "price not positive"
    if record.high < max(prices) or record.low > min(prices):
        return "high or low inside the bar"
    if not record.volume.is_finite() or record.volume < 0:
        return "volume not a number or negative"
    return None
