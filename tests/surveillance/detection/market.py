"""A small market for the tests of detection: bars by the minute from an open, and a profile made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.log_pass import Detection, detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.overrides import Override
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.detection.slots import lay_out_slots
from include.surveillance.detection.state import State
from include.surveillance.records import (
    SPAN_MS,
    Alert,
    Bar,
    Dividend,
    NewsItem,
    Profile,
    Record,
    ScheduledEvent,
    Source,
    Split,
    TickerChange,
    Watermark,
)
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open; the next session is the next day
DAY = 86_400_000
SESSIONS = Sessions()
SLOTS = lay_out_slots("minute", 390, extended=True).regular


def at(minute: float, start: int = OPEN) -> int:
    return start + round(minute * MINUTE_MS)


def bar(minute: int, *, close: float = 100.0, volume: float = 1000, start: int = OPEN, **over) -> Bar:
    """Half a dollar of room on both sides of 100."""
    over = {
        "symbol": "NVDA",
        "timespan": "minute",
        "open": close,
        "high": max(close, 100.5),
        "low": min(close, 99.5),
    } | over
    ts_ms = start + minute * SPAN_MS[over["timespan"]]
    return Bar(ts_ms=ts_ms, close=close, volume=Decimal(str(volume)), polled_ms=ts_ms + 62_000, **over)


def calm(count: int = 20, first: int = 0, **over) -> list[Bar]:
    return [bar(minute, **over) for minute in range(first, first + count)]


def news(minute: float, article: str = "a1", sentiment: str | None = "negative", **over) -> NewsItem:
    given = {"symbol": "NVDA", "title": "Recall"} | over
    return NewsItem(article_id=article, published_ms=at(minute), sentiment=sentiment, **given)


def watermark(minute: int, start: int = OPEN, **over) -> Watermark:
    as_of_ms = at(minute, start)
    over = {"symbol": "NVDA", "bars": 1, "from_ms": as_of_ms - MINUTE_MS, "polled_ms": as_of_ms + 2_000} | over
    return Watermark(timespan="minute", as_of_ms=as_of_ms, **over)


def profile(**over) -> Profile:
    """Usual are 5,000 shares in five minutes, returns of any size and a day that is 2 % wide."""
    given = {
        "symbol": "NVDA",
        "timespan": "minute",
        "effective_ms": OPEN - DAY,
        "first_date": "2019-01-15",
        "last_date": "2019-02-13",
        "sessions": 20,
        "volume_level": [float(np.log1p(5000))] * SLOTS,
        "volume_scale": [0.4] * SLOTS,
        "return_factor": [1.0] * SLOTS,
        "presence": [1.0] * SLOTS,
        "volatility_fire": 0.002,
        "volatility_clear": 0.001,
        "range_percent": 0.02,
        "turnover": 1e8,
        "liquidity": "liquid",
    }
    return Profile(**given | over)


def whole_day(**over) -> Profile:
    """The same at all times of the vendor's day."""
    count = lay_out_slots("minute", 390, extended=True).total
    flat = {"volume_level": float(np.log1p(5000)), "volume_scale": 0.4, "return_factor": 1.0, "presence": 1.0}
    return profile(**{name: [value] * count for name, value in flat.items()} | over)


def engine(
    profiles: Iterable[Profile] = (),
    *,
    splits: Sequence[Split] = (),
    dividends: Sequence[Dividend] = (),
    ticker_changes: Sequence[TickerChange] = (),
    scheduled: Sequence[ScheduledEvent] = (),
    overrides: Sequence[Override] = (),
    judges: Source | None = None,
    **parameters,
) -> Engine:
    actions = CorporateActions(tuple(splits), tuple(dividends), tuple(ticker_changes), tuple(scheduled))
    return Engine(ParameterBook(Parameters(**parameters), overrides), SESSIONS, actions, profiles, judges)


def run(records: Iterable[Record], state: State | None = None, **given) -> Detection:
    """``given``: what ``engine`` takes."""
    return detect_records(engine(**given), state or State("exact"), records)


def evaluate(machine: Engine, state: State, bars: Sequence[Bar]) -> Evaluation:
    """One pass over bars that carry their series on."""
    columns = BarColumns.from_records(bars)
    return machine.evaluate(state, columns, state.rows_for(columns.keys))


def fired(bars: Sequence[Bar], rule: str | None = None, state: State | None = None, **given) -> list[tuple]:
    """(rule, direction, start) of every single firing of bars that come in order."""
    evaluation = evaluate(engine(**given), state or State("exact"), bars)
    firings = evaluation.fresh_firings
    starts = evaluation.scan.bars.ts[firings.index].tolist()
    named = [(*KINDS[kind], start) for kind, start in zip(firings.kind, starts, strict=True)]
    return [one for one in named if rule in (None, one[0])]


def alerts(detection: Detection, rule: str | None = None, *statuses: str) -> list[Alert]:
    return [it for it in detection.alerts if rule in (None, it.rule) and (not statuses or it.status in statuses)]


def minutes(found: Iterable[Alert], start: int = OPEN) -> list[float]:
    """When alerts fired, in minutes after the open."""
    return [(alert.ts_ms - start) / MINUTE_MS for alert in found]
