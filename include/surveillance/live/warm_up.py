"""Loads what detection compiles, once per process tree: kernels, and the calendar's sessions."""

from __future__ import annotations

import math
from decimal import Decimal

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.state import State
from include.surveillance.records import Bar, NewsItem, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS

DAYS = 3  # full sessions of a profile that borrows nothing
BARS = 30


def warm_up(sessions: Sessions, book: ParameterBook) -> None:
    """Detect once on a made-up symbol, with a profile, news, a late bar and a watermark; keeps nothing.

    The first time on a machine the kernels are compiled, which takes a minute; afterwards they are loaded from
    numba's cache.
    """
    # Sessions long gone, each of full length.
    opens, closes, _ = sessions.arrays()
    full = max(closes - opens)
    *earlier, last = opens[closes - opens == full][: DAYS + 1].tolist()
    history = [_bar(int(open_ms) + k * MINUTE_MS, k) for open_ms in earlier for k in range(full // MINUTE_MS)]
    profiles = build_profiles(BarColumns.from_records(history), sessions, effective_ms=int(last))
    bars = [_bar(int(last) + k * MINUTE_MS, k) for k in range(BARS)]
    latest = bars[-1].close_ms
    news = NewsItem(symbol=_SYMBOL, article_id="1", published_ms=latest, title="none", sentiment="negative")
    watermark = Watermark(symbol=_SYMBOL, timespan="minute", from_ms=int(last), as_of_ms=latest, bars=BARS)
    engine = Engine(book, sessions, profiles=profiles)
    state = detect_records(engine, State("sketch"), [*bars[:-2], bars[-1], news, watermark]).state
    state = detect_records(engine, State.from_bytes(state.to_bytes()), [bars[-2]]).state
    state.to_bytes()


_SYMBOL = "WARMUP"


def _bar(ts_ms: int, k: int) -> Bar:
    price, volume = round(100 + math.sin(k), 2), 1_000 + 37 * (k % 11) + 20_000 * (k % 29 == 28)
    return Bar(
        symbol=_SYMBOL, timespan="minute", ts_ms=ts_ms, open=price, high=price + 1, low=price - 1, close=price,
        volume=Decimal(volume),
    )  # fmt: skip


if __name__ == "__main__":
    warm_up(Sessions(), ParameterBook.default())
