"""Wait in the triggerer, without a worker slot, until there is something to do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from tenacity import (
    AsyncRetrying,
    before_sleep_log,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_fixed,
)

from include.orchestration import connections, sender
from include.surveillance.errors import BrokerError, LogBrokenError

if TYPE_CHECKING:
    from include.surveillance.broker import LagProbe

LOG = logging.getLogger(__name__)
PROBE_SECONDS = 0.25
OUTBOX_SECONDS = 1.0
# A broker that is restarted is waited for here, where it costs no worker; one that is gone turns the task red.
PATIENCE_SECONDS = 120.0


class LagTrigger(BaseTrigger):
    """Fires ``{"lag": n}`` as soon as the group is behind, ``{"deadline": True}`` at ``until``.

    Where the group's places are not in their logs any more it fires ``{"broken": sentence}``: its consumer mends that.

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
        names = ("partitions", "group", "until", "not_before")
        return f"{__name__}.LagTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(max(0.0, self.not_before - time.time()))
        retrying = _wait_for(BrokerError, but=(LogBrokenError,))
        probe = await asyncio.to_thread(self._open)
        try:
            while time.time() < self.until:
                lag: int = await retrying(asyncio.to_thread, probe.lag)
                if lag:
                    yield TriggerEvent({"lag": lag})
                    return
                await asyncio.sleep(PROBE_SECONDS)
            yield TriggerEvent({"deadline": True})
        except LogBrokenError as error:
            yield TriggerEvent({"broken": str(error)})
        finally:
            await asyncio.to_thread(probe.close)

    def _open(self) -> LagProbe:
        from include.surveillance.broker import LagProbe  # Kafka's client, in the triggerer only

        return LagProbe(connections.kafka(), self.group, [tuple(pair) for pair in self.partitions])


class OutboxTrigger(BaseTrigger):
    """Fires ``{"due": True}`` as soon as something is to be sent to a channel, ``{"deadline": True}`` at ``until``.

    Args:
        channel: its name.
        until: epoch seconds at which to give up waiting.
        not_before: epoch seconds of the first look.
    """

    def __init__(self, channel: str, until: float, not_before: float = 0.0):
        super().__init__()
        self.channel, self.until, self.not_before = channel, until, not_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("channel", "until", "not_before")
        return f"{__name__}.OutboxTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import psycopg  # in the triggerer only

        await asyncio.sleep(max(0.0, self.not_before - time.time()))
        retrying = _wait_for(psycopg.OperationalError)
        while time.time() < self.until:
            due: bool = await retrying(asyncio.to_thread, sender.is_anything_due, self.channel)
            if due:
                yield TriggerEvent({"due": True})
                return
            await asyncio.sleep(OUTBOX_SECONDS)
        yield TriggerEvent({"deadline": True})


def _wait_for(error: type[Exception], but: tuple[type[Exception], ...] = ()) -> AsyncRetrying:
    """Make what calls again, each second, what raises this error but those: a service may be starting again."""
    return AsyncRetrying(
        retry=retry_if_exception_type(error) & retry_if_not_exception_type(but),
        wait=wait_fixed(1),
        stop=stop_after_delay(PATIENCE_SECONDS),
        before_sleep=before_sleep_log(LOG, logging.WARNING),
        reraise=True,
    )
