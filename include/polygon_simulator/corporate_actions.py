"""Corporate actions of the generated instruments: splits that their bars show, and quarterly dividends."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zlib import crc32

from include.polygon_simulator.market import Market
from include.surveillance.timespans import DAY_MS

HISTORY_DAYS, NOTICE_DAYS, QUARTER_DAYS = 730, 14, 91


def splits(market: Market) -> list[dict[str, Any]]:
    """Return the splits of the last two years and the coming two weeks, newest first, in the vendor's older shape."""
    now = market.clock()
    sources = {symbol: source for symbol, source in market.sources.items() if source is not market.crowd}
    items = []
    session, end_ms = market.sessions.at_or_before(now - HISTORY_DAYS * DAY_MS), now + NOTICE_DAYS * DAY_MS
    while session and (following := market.sessions.following(session.open_ms)) and following.open_ms < end_ms:
        for symbol, source in sources.items():
            before, after = source.share_factor(symbol, session), source.share_factor(symbol, following)
            if before != after:
                new, old = (int(factor / min(before, after)) for factor in (before, after))
                items.append(
                    {
                        "id": _identity("split", symbol, market.day(following)),
                        "ticker": symbol,
                        "execution_date": market.day(following),
                        "split_from": old,
                        "split_to": new,
                    }
                )
        session = following
    return items[::-1]


def dividends(market: Market) -> list[dict[str, Any]]:
    """Return quarterly cash dividends of the last two years and the coming two weeks, in the vendor's older shape."""
    last = date.fromisoformat(market.today()) + timedelta(days=NOTICE_DAYS)
    items = []
    for instrument in market.instruments.values():
        if not instrument.price or instrument.thin:
            continue
        latest = last - timedelta(days=(last.toordinal() + crc32(instrument.symbol.encode())) % QUARTER_DAYS)
        for quarter in range(HISTORY_DAYS // QUARTER_DAYS):
            day = latest - timedelta(days=QUARTER_DAYS * quarter)
            items.append(
                {
                    "id": _identity("dividend", instrument.symbol, day.isoformat()),
                    "ticker": instrument.symbol,
                    "cash_amount": round(instrument.price * 0.004, 2),
                    "currency": "USD",
                    "declaration_date": (day - timedelta(days=21)).isoformat(),
                    "dividend_type": "CD",
                    "ex_dividend_date": day.isoformat(),
                    "frequency": 4,
                    "pay_date": (day + timedelta(days=14)).isoformat(),
                    "record_date": day.isoformat(),
                }
            )
    return sorted(items, key=lambda item: (item["ex_dividend_date"], item["ticker"]), reverse=True)


def stocks_splits(market: Market) -> list[dict[str, Any]]:
    """Return the splits in the vendor's newer shape."""
    items = splits(market)
    for item in items:
        factor = item["split_from"] / item["split_to"]
        item["adjustment_type"] = "forward_split" if factor < 1 else "reverse_split"
        item["historical_adjustment_factor"] = factor
    return items


def stocks_dividends(market: Market) -> list[dict[str, Any]]:
    """Return the dividends in the vendor's newer shape."""
    items = dividends(market)
    for item in items:
        del item["dividend_type"]
        item["distribution_type"] = "recurring"
        item["historical_adjustment_factor"] = 0.996
        item["split_adjusted_cash_amount"] = item["cash_amount"]
    return items


def _identity(kind: str, symbol: str, day: str) -> str:
    return f"E{crc32(f'{kind}|{symbol}|{day}'.encode()):08x}{crc32(f'{day}|{symbol}'.encode()):08x}"
