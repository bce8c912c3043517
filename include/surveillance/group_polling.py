"""Poll many symbols at once: each comes with its payloads or with its own error, so that none costs the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from .errors import ConfigurationError, SurveillanceError
from .models import Timespan
from .polygon import Payload, Polygon

# Calls at a time: at 50 ms an answer these are 600 calls a second, more than one core can normalise.
IN_FLIGHT = 32


def poll_each(
    polygon: Polygon, symbols: Sequence[str], timespans: Sequence[Timespan], from_ms: int, to_ms: int
) -> Iterator[tuple[str, list[Payload] | SurveillanceError]]:
    """Each symbol, in the order given, with a payload per timespan, or with the error of the first that failed.

    All have the patience of one question together: while the vendor is down, a group is given up as soon as a symbol.

    Raises:
        ConfigurationError: this machine's clock is off; no symbol could do better.
    """
    polygon = polygon.sharing_patience()

    def poll(symbol: str) -> list[Payload] | SurveillanceError:
        try:
            return [polygon.bars(symbol, timespan, from_ms, to_ms) for timespan in timespans]
        except ConfigurationError:
            raise
        except SurveillanceError as error:
            return error

    # What a call logs belongs to whoever asked for the group.
    asking = copy_context()
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="poll") as pool:
        yield from zip(symbols, pool.map(lambda symbol: asking.copy().run(poll, symbol), symbols), strict=True)
