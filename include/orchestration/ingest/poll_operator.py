"""The one operator that polls: a symbol, a group of symbols or the whole market."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.orchestration import connections
from include.orchestration.ingest import polling
from include.surveillance import failpoints

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.surveillance.polygon.client import Polygon
    from include.surveillance.records import AnyRecord

LOG = logging.getLogger(__name__)
# Of the tasks in one process: all wait for the same second, and each of the first to poll shall be done soon.
_POLLING = BoundedSemaphore(32)


class PollOperator(BaseOperator):
    """poll → normalise → publish. Mapped over ``polling.plan_polls``.

    Args:
        name: what the task is called in the UI.
        symbols: whose bars; none: the whole watchlist, from the vendor's snapshot of the market.
        timespans: which bars.
        since_ms, end_ms: bars that start in this time, UTC epoch milliseconds, and those of ``overlap`` before.
        overlap: how far back to ask again, for late and corrected bars; a snapshot has none.
        delay_seconds: how long after ``end_ms`` to ask.

    A task of one symbol fails with it, and returns nothing: hundreds a minute shall not write their counts. In a group
    the others go on, and the task returns records per topic and which symbols are ``left``.
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

    def execute(self, context: Context) -> dict[str, Any] | None:
        polling.wait_until_closed(self.window.end_ms, self.delay_seconds)
        polygon, publisher = connections.kept_open()
        left: dict[str, Exception] = {}
        with _POLLING:
            sent = publisher.publish(self._poll(polygon, left))
        failpoints.reach("poll.published")
        LOG.info("%s: %s", self.name, sent)
        for symbol, error in left.items():
            LOG.warning("%s is polled again, alone: %s", symbol, error)
        if len(self.symbols) == 1:
            return None
        return {**sent, "left": {"symbols": list(left), "timespans": self.timespans, **self.window._asdict()}}

    def _poll(self, polygon: Polygon, left: dict[str, Exception]) -> Iterator[AnyRecord]:
        """Yield the records of all symbols; a symbol of a group that fails goes to ``left``."""
        from include.surveillance import normalise  # with Polygon's client, too heavy for whoever parses the DAG
        from include.surveillance.polygon.client import poll_each

        if not self.symbols:
            payload = polygon.snapshot(self.window.end_ms)
            yield from normalise.snapshot(payload, polling.read_watchlist(), *self.window, source="live")
            return
        start_ms, end_ms = self.window.start_with(self.overlap), self.window.end_ms
        if len(self.symbols) == 1:
            for timespan in self.timespans:
                payload = polygon.bars(self.symbols[0], timespan, start_ms, end_ms)
                yield from normalise.bars(payload, source="live")
            return
        for symbol, answer in poll_each(polygon, self.symbols, self.timespans, start_ms, end_ms):
            if isinstance(answer, Exception):
                left[symbol] = answer
                # All have failed: no matter of single symbols.
                if len(left) == len(self.symbols):
                    raise answer
                continue
            for payload in answer:
                yield from normalise.bars(payload, source="live")
