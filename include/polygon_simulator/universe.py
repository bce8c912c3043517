"""The instruments that the simulator lists."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from include.surveillance.errors import ConfigurationError


@dataclass(frozen=True)
class Instrument:
    """One listed ticker.

    ``price`` is the level in dollars around which a generated price moves, ``daily_volume`` the shares of an
    ordinary session. A thin instrument has minutes without a trade.
    """

    symbol: str
    name: str
    sector: str
    price: float = 0.0
    daily_volume: float = 0.0
    type: str = "CS"
    exchange: str = "XNAS"
    thin: bool = False

    def identifier(self, kind: str, length: int) -> str:
        """Return a stable made-up identifier, e.g. for FIGI and CIK."""
        return hashlib.sha256(f"{kind}|{self.symbol}".encode()).hexdigest().upper()[:length]

    @property
    def cik(self) -> str:
        return f"{int(self.identifier('cik', 8), 16) % 2_000_000:010d}"


def _thin(symbol: str, name: str, price: float, daily_volume: float) -> Instrument:
    return Instrument(symbol, name, "funds", price, daily_volume, "ETF", "ARCX", thin=True)


GENERATED = (
    Instrument("AAPL", "Apple Inc.", "technology", 210.0, 52e6),
    Instrument("MSFT", "Microsoft Corporation", "technology", 430.0, 22e6),
    Instrument("NVDA", "NVIDIA Corporation", "technology", 130.0, 190e6),
    Instrument("AMZN", "Amazon.com, Inc.", "consumer", 190.0, 40e6),
    Instrument("JPM", "JPMorgan Chase & Co.", "financials", 245.0, 9e6, exchange="XNYS"),
    Instrument("XOM", "Exxon Mobil Corporation", "energy", 112.0, 15e6, exchange="XNYS"),
    Instrument("JNJ", "Johnson & Johnson", "health", 155.0, 7e6, exchange="XNYS"),
    _thin("PPLT", "abrdn Physical Platinum Shares ETF", 88.0, 30e3),
    Instrument("GOOGL", "Alphabet Inc. Class A", "technology", 172.0, 28e6),
    Instrument("META", "Meta Platforms, Inc.", "technology", 560.0, 13e6),
    Instrument("TSLA", "Tesla, Inc.", "consumer", 250.0, 88e6),
    Instrument("BAC", "Bank of America Corporation", "financials", 43.0, 38e6, exchange="XNYS"),
    Instrument("GS", "The Goldman Sachs Group, Inc.", "financials", 570.0, 2e6, exchange="XNYS"),
    Instrument("CVX", "Chevron Corporation", "energy", 150.0, 8e6, exchange="XNYS"),
    Instrument("COP", "ConocoPhillips", "energy", 104.0, 6e6, exchange="XNYS"),
    _thin("UGA", "United States Gasoline Fund LP", 64.0, 20e3),
    Instrument("PFE", "Pfizer Inc.", "health", 27.0, 35e6, exchange="XNYS"),
    Instrument("UNH", "UnitedHealth Group Incorporated", "health", 520.0, 4e6, exchange="XNYS"),
    Instrument("HD", "The Home Depot, Inc.", "consumer", 385.0, 3.5e6, exchange="XNYS"),
    Instrument("MCD", "McDonald's Corporation", "consumer", 295.0, 3.2e6, exchange="XNYS"),
    Instrument("AMD", "Advanced Micro Devices, Inc.", "technology", 145.0, 45e6),
    Instrument("KO", "The Coca-Cola Company", "consumer", 66.0, 14e6, exchange="XNYS"),
    Instrument("V", "Visa Inc. Class A", "financials", 300.0, 6e6, exchange="XNYS"),
    _thin("CANE", "Teucrium Sugar Fund", 12.5, 15e3),
)

# Nasdaq's own test symbols: nobody can mistake them for a recorded stock.
CANARIES = tuple(
    Instrument(symbol, f"Nasdaq test stock {symbol}", "canary", price, 8e6)
    for symbol, price in (
        ("ZVZZT", 24.0),
        ("ZWZZT", 41.0),
        ("ZXZZT", 63.0),
        ("ZBZZT", 95.0),
        ("ZJZZT", 18.0),
        ("ZAZZT", 33.0),
        ("ZCZZT", 52.0),
    )
)


def generated(count: int) -> tuple[Instrument, ...]:
    """Return the first ``count`` instruments of the generated market.

    Raises:
        ConfigurationError: ``count`` is outside 5..24.
    """
    if not 5 <= count <= len(GENERATED):
        raise ConfigurationError(f"{count} symbols asked for; the generated market has 5 to {len(GENERATED)}")
    return GENERATED[:count]


def listed(path: Path) -> Iterator[Instrument]:
    """Yield the instruments of a CSV with a column ``symbol`` or ``ticker``, and perhaps ``name``.

    Raises:
        ConfigurationError: unreadable file, no such column, or no symbol.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"cannot read symbols from {path}: {error}; give a CSV file") from error
    column = next((name for name in ("symbol", "ticker") if rows and name in rows[0]), None)
    if column is None:
        raise ConfigurationError(f"{path} has no row, or no column symbol or ticker; give a CSV of at least one symbol")
    for row in rows:
        if symbol := (row[column] or "").strip():
            yield Instrument(symbol, (row.get("name") or symbol).strip(), "listed")
