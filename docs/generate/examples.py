"""One invented day of one invented symbol, in which every rule of either form has a reason to fire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from math import pi, sin

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Bar, NewsItem, Profile, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, NEW_YORK, to_ms

SYMBOL = "XMPL"
# Monday to Friday, 9:30 in New York.
OPENS = [round(datetime(2026, 1, day, 14, 30, tzinfo=UTC).timestamp()) * 1_000 for day in range(5, 10)]
FULL = 390
# Minutes of the last session.
BURST, BREAKOUT, UNREST, LAST = 60, 120, 200, 260
MINUTE_OF = {
    "abnormal_volume": BURST,
    "news_impact": BURST,
    "price_breakout": BREAKOUT,
    "volatility_spike": UNREST,
}


@cache
def alerts() -> dict[tuple[str, str], Alert]:
    """The alert that each rule and form raises of what was invented for it."""
    sessions = Sessions("XNYS")
    raised: dict[tuple[str, str], Alert] = {}
    *earlier, last = OPENS
    history = [bar for open_ms in earlier for bar in calm(open_ms, 100.0)]
    day = [*eventful(last, 102.6), *after(last), *pumped(sessions)]
    profiles = build_profiles(BarColumns.from_records(history), sessions, effective_ms=last)
    forms: list[tuple[RuleForm, Sequence[Profile]]] = [("literal", []), ("robust", profiles)]
    for form, known in forms:
        engine = Engine(ParameterBook().replaced(alerting_form=form), sessions, profiles=known)
        for alert in detect_records(engine, State("exact"), [*history, *day]).alerts:
            if alert.form == form and alert.ts_ms >= last + MINUTE_OF.get(alert.rule, 0) * MINUTE_MS:
                raised.setdefault((alert.rule, form), alert)
    return raised


def calm(open_ms: int, price: float) -> list[Bar]:
    """A session in which nothing happens."""
    return [_bar(open_ms, k, price + _swing(k) + 0.01 * (k * 7 % 5 - 2), 1_000 + 50 * (k % 7)) for k in range(FULL)]


def eventful(open_ms: int, price: float) -> list[Bar]:
    """A session that opens with a gap; then a burst of volume, a breakout and unrest, until its bars stop."""
    bars = calm(open_ms, price)[: LAST + 1]
    bars[BURST] = _bar(open_ms, BURST, bars[BURST].close, 30_000)
    for k in range(BREAKOUT, LAST + 1):
        wide = 0.1 if k >= UNREST else 0.01
        bars[k] = _bar(open_ms, k, price + _swing(k) + 0.4 + wide * (k * 7 % 5 - 2), 8_000 if k == BREAKOUT else 1_200)
    return bars


def pumped(sessions: Sessions) -> list[Bar]:
    """Day bars that are quiet until the session after the last one: then the price rises on volume."""
    *quiet, rising = [day.date for day in sessions.between("2025-12-01", "2026-01-13")][-21:]
    moves = [(date, 2.00, 100_000) for date in quiet] + [(rising, 2.90, 640_000)]
    return [
        Bar(
            symbol=SYMBOL, timespan="day", ts_ms=to_ms(datetime.fromisoformat(date).replace(tzinfo=NEW_YORK)),
            open=close, high=close, low=close, close=close, volume=Decimal(volume),
        )
        for date, close, volume in moves
    ]  # fmt: skip


def after(open_ms: int) -> list[NewsItem | Watermark]:
    """An article just before the burst, and polls that bring bars which cannot be used, and none at all."""
    article = NewsItem(
        symbol=SYMBOL,
        article_id="1",
        published_ms=open_ms + (BURST - 3) * MINUTE_MS + 30_000,
        title=f"Regulator opens an inquiry into {SYMBOL}",
        tickers=(SYMBOL,),
        sentiment="negative",
    )
    spoilt, empty = (open_ms + (LAST + minutes) * MINUTE_MS for minutes in (1, 21))
    return [
        article,
        Watermark(
            symbol=SYMBOL, timespan="minute", from_ms=spoilt - 5 * MINUTE_MS, as_of_ms=spoilt, bars=4, rejected=1,
            reject_reasons=("high below low",),
        ),
        Watermark(symbol=SYMBOL, timespan="minute", from_ms=spoilt, as_of_ms=empty, bars=0),
    ]  # fmt: skip


def _swing(k: int) -> float:
    """How a day's price goes up and down, by 1.4 % in all."""
    return 0.7 * sin(2 * pi * k / FULL)


def _bar(open_ms: int, k: int, close: float, volume: int) -> Bar:
    close = round(close, 2)
    return Bar(
        symbol=SYMBOL, timespan="minute", ts_ms=open_ms + k * MINUTE_MS, open=close, high=round(close + 0.02, 2),
        low=round(close - 0.02, 2), close=close, volume=Decimal(volume),
    )  # fmt: skip
