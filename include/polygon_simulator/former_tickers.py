"""Tickers that instruments of the simulated market have given up, and instruments that are traded no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from include.polygon_simulator.answers import RefusedError
from include.polygon_simulator.market import Market
from include.polygon_simulator.universe import Instrument

# As far back as the vendor's reference data goes.
BEGINNING = "2003-09-10"
LISTED_ON = {"META": "2012-05-18", "TSLA": "2010-06-29", "V": "2008-03-19"}
RENAMED = {"META": ("FB", "2022-06-09")}
"""Ticker -> the one before, and the day on which it was changed."""
DELISTED = {"ATVI": (Instrument("ATVI", "Activision Blizzard, Inc.", "technology"), "2023-10-13")}
"""Ticker -> the instrument, and the last day on which it was traded."""


def composite_figi(instrument: Instrument) -> str:
    return f"BBG{instrument.identifier('composite', 9)}"


def inactive(market: Market) -> list[tuple[Instrument, str, str]]:
    """List (instrument under its former ticker, its composite FIGI, the last day of that ticker)."""
    renamed = [
        (replace(market.instruments[now], symbol=before), composite_figi(market.instruments[now]), date)
        for now, (before, date) in RENAMED.items()
        if now in market.instruments
    ]
    return [*renamed, *((gone, composite_figi(gone), date) for gone, date in DELISTED.values())]


def ticker_events(market: Market, identifier: str) -> dict[str, Any]:
    """Return what the vendor says of the tickers of one instrument, newest first.

    Args:
        identifier: a ticker that is traded, or a composite FIGI.

    Raises:
        RefusedError: no instrument has it.
    """
    instruments = [*market.instruments.values(), *(gone for gone, _ in DELISTED.values())]
    named = (it for it in instruments if identifier in (it.symbol, composite_figi(it)))
    instrument = next(named, None)
    if instrument is None:
        raise RefusedError(404, "NOT_FOUND", "Ticker not found.")
    began = [(instrument.symbol, LISTED_ON.get(instrument.symbol, BEGINNING))]
    if instrument.symbol in RENAMED:
        before, date = RENAMED[instrument.symbol]
        began = [(instrument.symbol, date), (before, began[0][1])]
    return {
        "name": instrument.name,
        "composite_figi": composite_figi(instrument),
        "cik": instrument.cik,
        "events": [
            {"ticker_change": {"ticker": ticker}, "type": "ticker_change", "date": date} for ticker, date in began
        ],
    }
