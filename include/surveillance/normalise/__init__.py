"""Normalises the vendor's JSON into records: ``normalise.bars(payload)`` and so on, one function per question.

What cannot be used becomes a Reject with its reason and raw bytes. ``ohlcv`` reads bars and ``reference`` everything
else, both one field at a time with ``fields``.
"""

from include.surveillance.normalise.ohlcv import bars, snapshot
from include.surveillance.normalise.reference import dividends, instruments, news, splits

__all__ = ["bars", "dividends", "instruments", "news", "snapshot", "splits"]
