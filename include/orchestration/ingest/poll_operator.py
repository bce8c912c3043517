"""The one operator that polls: a symbol, a group of symbols or the whole market, whatever one task is to ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.orchestration import connections
from include.orchestration.ingest import polling

if TYPE_CHECKING:
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.records import Record

LOG = logging.getLogger(__name__)
# Of the tasks in one process: all wait for the same second, and each of the first to ask shall be done soon.
_ASKING = BoundedSemaphore(32)


class PollOperator(BaseOperator):
    """poll → normalise → publish. Mapped over the questions of ``polling.questions``.

    Args:
        name: what the task is called in the UI.
        symbols: whose bars; none: the whole watchlist, from the vendor's snapshot of the market.
        timespans: which bars.
        since_ms, end_ms: bars that start in this time, UTC epoch milliseconds, and those of ``overlap`` before.
        overlap: how far back to ask again, for late and corrected bars; a snapshot has none.
        delay_seconds: how long after ``end_ms`` to ask.

    A task of one symbol fails with it, and returns nothing: hundreds a minute shall not write their counts. In a group
    the others go on, and the task returns records per topic and who is ``left`` to be asked for.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        name: str,
        symbols: list[str],
        timespans: list[str],
        since_ms: int,
        end_ms: int,
        overlap: timedelta,
        delay_seconds: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.name, self.symbols, self.timespans = name, symbols, timespans
        self.window, self.overlap, self.delay_seconds = polling.Window(since_ms, end_ms), overlap, delay_seconds

    def execute(self, context: dict[str, Any]) -> dict[str, Any] | None:
        polling.wait_for(self.window.end_ms, self.delay_seconds)
        polygon, publisher = connections.lasting()
        ask = self._symbol if len(self.symbols) == 1 else self._group if self.symbols else self._market
        left: dict[str, Exception] = {}
        with _ASKING:
            sent = publisher.publish(ask(polygon, left))
        LOG.info("%s: %s", self.name, sent)
        for symbol, error in left.items():
            LOG.warning("%s is polled again, alone: %s", symbol, error)
        if ask == self._symbol:
            return None
        return {**sent, "left": {"symbols": list(left), "timespans": self.timespans, **self.window._asdict()}}

    def _symbol(self, polygon: Polygon, left: dict[str, Exception]) -> Iterator[Record]:
        from include.surveillance import normalise

        for timespan in self.timespans:
            yield from normalise.bars(polygon.bars(*self.symbols, timespan, *self._asking()), source="live")

    def _group(self, polygon: Polygon, left: dict[str, Exception]) -> Iterator[Record]:
        from include.surveillance import normalise
        from include.surveillance.polygon.client import poll_each

        for symbol, answer in poll_each(polygon, self.symbols, self.timespans, *self._asking()):
            if isinstance(answer, Exception):
                left[symbol] = answer
                # None has come: no matter of single symbols.
                if len(left) == len(self.symbols):
                    raise answer
                continue
            for payload in answer:
                yield from normalise.bars(payload, source="live")

    def _market(self, polygon: Polygon, left: dict[str, Exception]) -> Iterator[Record]:
        from include.surveillance import normalise

        payload = polygon.snapshot(self.window.end_ms)
        yield from normalise.snapshot(payload, polling.symbols(), *self.window, source="live")

    def _asking(self) -> tuple[int, int]:
        return self.window.asking(self.overlap), self.window.end_ms
