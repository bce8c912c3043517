"""Normalise: the vendor's JSON -> records. What cannot be used becomes a Reject with its reason and raw bytes."""

from include.surveillance.normalise.ohlcv import bars, snapshot
from include.surveillance.normalise.reference import dividends, instruments, news, splits

__all__ = ["bars", "dividends", "instruments", "news", "snapshot", "splits"]
