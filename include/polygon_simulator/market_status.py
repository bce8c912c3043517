"""The market's status: open or closed now, and the coming holidays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import exchange_calendars
import pandas as pd

from include.polygon_simulator.market import Market
from include.surveillance.timespans import NEW_YORK

AHEAD = timedelta(days=365)


def market_now(market: Market) -> dict[str, Any]:
    """Return whether the exchanges are open, by the server's clock."""
    now = market.clock()
    phase = market.sessions.phase(now)
    word = {"opening_auction": "open", "regular": "open", "closed": "closed"}.get(phase, "extended-hours")
    return {
        "market": word,
        "earlyHours": phase == "pre",
        "afterHours": phase in ("closing_auction", "post"),
        "serverTime": datetime.fromtimestamp(now // 1000, NEW_YORK).isoformat(),
        "exchanges": dict.fromkeys(("nyse", "nasdaq", "otc"), word),
        "currencies": {"fx": "open", "crypto": "open"},
    }


def upcoming_holidays(market: Market) -> list[dict[str, Any]]:
    """Return closed days and early closes of the coming year, per exchange; none in a market that never closes."""
    if market.sessions.calendar != "XNYS":
        return []
    shift = timedelta(milliseconds=market.sessions.shift_ms)
    first = datetime.fromtimestamp(market.clock() / 1000, UTC).replace(tzinfo=None) - shift
    calendar = exchange_calendars.get_calendar("XNYS", start="2000-01-03")
    start, end = pd.Timestamp(first.date()), pd.Timestamp((first + AHEAD).date())
    names = calendar.regular_holidays.holidays(start - pd.Timedelta(days=2), end, return_name=True)
    entries = [
        {"name": name, "date": str((day + shift).date()), "status": "closed"}
        for day, name in names.items()
        if day >= start
    ]
    for day in calendar.early_closes:
        if start <= day <= end:
            near = names[abs(names.index - day) <= pd.Timedelta(days=1)]
            entries.append(
                {
                    "name": str(near.iloc[0]) if len(near) else "Early Close",
                    "date": str((day + shift).date()),
                    "status": "early-close",
                    "open": _utc(calendar.session_open(day) + shift),
                    "close": _utc(calendar.session_close(day) + shift),
                }
            )
    both = [{"exchange": exchange} | entry for entry in entries for exchange in ("NYSE", "NASDAQ")]
    return sorted(both, key=lambda entry: entry["date"])


def _utc(at: pd.Timestamp) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
