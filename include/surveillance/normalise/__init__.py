"""Normalises the vendor's JSON into records: ``normalise.bars(payload)`` and so on, one function per question.

What cannot be used becomes a Reject with its reason and raw bytes.
"""

from include.surveillance.normalise.ohlcv import bars, snapshot
from include.surveillance.normalise.reference import (
    UNKNOWN_TICKER,
    delisted,
    dividends,
    instruments,
    news,
    splits,
    ticker_changes,
    withdrawn_news,
)
