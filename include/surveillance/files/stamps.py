"""Day bars as sources stamp them -> as the platform stamps them: with the midnight that begins their date.

The vendor stamps a day bar with New York's midnight. Yahoo and Stooq write a date, which most readers take for midnight
UTC, the evening before in New York; others stamp the session's open or its close.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, NEW_YORK, to_utc

Stamps = Literal["midnight", "utc-midnight", "open", "close"]
STAMPS: tuple[Stamps, ...] = get_args(Stamps)
_WORDS: dict[Stamps, str] = {
    "midnight": "New York's midnight",
    "utc-midnight": "midnight UTC",
    "open": "the open of their session",
    "close": "the close of their session",
}


def align_day_bars(bars: BarColumns, sessions: Sessions, stamps: Stamps | None = None) -> tuple[BarColumns, str]:
    """Stamp the day bars with New York's midnight of their date; leave all others as they are.

    Args:
        stamps: how they are stamped; None: all of them have to say the same.

    Returns:
        The bars, and one line that says what was found; "" where nothing had to be done. Where the market keeps no New
        York clock (``24/7``), days begin at midnight UTC and nothing has to be done either.

    Raises:
        ConfigurationError: the stamps fit none of ``STAMPS``, or differ, or not those that were named.
    """
    days = np.array([timespan == "day" for _, timespan in bars.keys], dtype=bool)[bars.code]
    if not days.any() or not sessions.extended:
        return bars, ""
    ts = bars.ts[days]
    found = find_stamps(ts, sessions)
    if stamps is None:
        stamps = _choose(ts, found)
    elif not found[stamps].all():
        at = int(ts[~found[stamps]][0])
        raise ConfigurationError(
            f"{int(np.sum(~found[stamps])):,} of {len(ts):,} day bars are not stamped with {_WORDS[stamps]}, e.g. "
            f"{_clock(at)}; name other --stamps: {', '.join(STAMPS)}"
        )
    if stamps == "midnight":
        return bars, ""
    aligned = bars.ts.copy()
    aligned[days] = _midnights(ts if stamps == "utc-midnight" else ts + _new_york_offsets(ts), sessions.shift_ms)
    line = f"{len(ts):,} day bars are stamped with {_WORDS[stamps]}; they are taken for bars of that date in New York"
    return replace(bars, ts=aligned), line


def find_stamps(ts: np.ndarray, sessions: Sessions) -> dict[Stamps, np.ndarray]:
    """Say, for each way to stamp a day bar, which of the times (UTC epoch ms, int64) fit it; bool arrays."""
    ts = ts - sessions.shift_ms
    local = ts + _new_york_offsets(ts)
    opens, closes, _ = sessions.arrays()
    return {
        "midnight": local % DAY_MS == 0,
        "utc-midnight": ts % DAY_MS == 0,
        "open": np.isin(ts, opens - sessions.shift_ms),
        "close": np.isin(ts, closes - sessions.shift_ms),
    }


def _choose(ts: np.ndarray, found: dict[Stamps, np.ndarray]) -> Stamps:
    for stamps in STAMPS:
        if found[stamps].all():
            return stamps
    counts = Counter({stamps: int(fits.sum()) for stamps, fits in found.items()})
    other = ~np.logical_or.reduce(list(found.values()))
    said = [f"{count:,} with {_WORDS[stamps]}" for stamps, count in counts.most_common() if count]
    if other.any():
        said.append(f"{int(other.sum()):,} with none of these, e.g. {_clock(int(ts[other][0]))}")
    raise ConfigurationError(
        f"{len(ts):,} day bars are stamped in more than one way: {', '.join(said)}; split the file, or name "
        f"--stamps: {', '.join(STAMPS)}"
    )


def _new_york_offsets(ts: np.ndarray) -> np.ndarray:
    """Return New York's clock less UTC at each time, in ms."""
    days, at = np.unique(ts // (DAY_MS // 24), return_inverse=True)
    offsets = [to_utc(int(hour) * (DAY_MS // 24)).astimezone(NEW_YORK).utcoffset() for hour in days]
    return np.array([round(it.total_seconds() * 1_000) if it else 0 for it in offsets], dtype=np.int64)[at]


def _midnights(local: np.ndarray, shift_ms: int) -> np.ndarray:
    """Return New York's midnight, UTC epoch ms, of the date in which each time of a clock lies."""
    dates = (local - shift_ms) // DAY_MS * DAY_MS
    # Midnight is five hours or four after UTC's; the clock never changes at midnight.
    standard = dates + 5 * (DAY_MS // 24)
    return dates - _new_york_offsets(standard) + shift_ms


def _clock(ts_ms: int) -> str:
    return f"{to_utc(ts_ms).astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
