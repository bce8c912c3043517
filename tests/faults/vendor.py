"""The simulator, asked anew: which minute bars the platform must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from include.surveillance import normalise
from include.surveillance.polygon.client import Polygon
from include.surveillance.records import Bar, Reject

Key = tuple[str, str, int]  # symbol, timespan, start


class Vendor:
    """The simulator as a customer who is not patient."""

    def __init__(self, environment: Mapping[str, str]):
        # Nobody waits for a simulator that is down: whoever asks, asks again a second later.
        self._polygon = Polygon(
            environment["POLYGON_API_KEY"], environment["POLYGON_BASE_URL"], timeout_seconds=5, patience_seconds=1
        )

    def minutes(self, symbols: Iterable[str], from_ms: int, to_ms: int) -> tuple[dict[Key, Bar], set[str]]:
        """Return usable minute bars that start in [from_ms, to_ms) and have ended, and the ids of unusable ones.

        Raises:
            VendorUnavailableError: the simulator does not answer.
        """
        bars: dict[Key, Bar] = {}
        rejects: set[str] = set()
        for symbol in symbols if from_ms < to_ms else ():
            for record in normalise.bars(self._polygon.bars(symbol, "minute", from_ms, to_ms), source="backfill"):
                if isinstance(record, Bar):
                    bars[key_of(record)] = record
                elif isinstance(record, Reject):
                    rejects.add(record.event_id)
        return bars, rejects


def key_of(bar: Bar) -> Key:
    return bar.symbol, bar.timespan, bar.ts_ms
