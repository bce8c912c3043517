"""Wait in the triggerer, without a worker slot, until a consumer group is behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

PROBE_SECONDS = 0.25


class LagTrigger(BaseTrigger):
    """Fires ``{"lag": n}`` as soon as the group is behind, ``{"deadline": True}`` at ``until``.

    Level-triggered: it compares committed with end offsets and never joins the group, so there is no message
    to lose and nothing to remember; a triggerer that starts anew just looks again.

    Args:
        partitions: pairs of topic and partition.
        group: the consumer group whose committed offsets count.
        until: epoch seconds at which to give up waiting.
        not_before: epoch seconds of the first look, to spare a group that could not move on.
    """

    def __init__(self, partitions: list[list[Any]], group: str, until: float, not_before: float = 0.0):
        super().__init__()
        self.partitions, self.group, self.until, self.not_before = partitions, group, until, not_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {
            "partitions": self.partitions,
            "group": self.group,
            "until": self.until,
            "not_before": self.not_before,
        }
        return f"{__name__}.LagTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(max(0.0, self.not_before - time.time()))
        probe = await asyncio.to_thread(self._open)
        try:
            while time.time() < self.until:
                if lag := await asyncio.to_thread(probe.lag):
                    yield TriggerEvent({"lag": lag})
                    return
                await asyncio.sleep(PROBE_SECONDS)
            yield TriggerEvent({"deadline": True})
        finally:
            await asyncio.to_thread(probe.close)

    def _open(self) -> Any:
        from include.orchestration import connections
        from include.surveillance.broker import LagProbe

        return LagProbe(connections.kafka(), self.group, [tuple(pair) for pair in self.partitions])
