"""The trigger against a real Kafka: it sees lag whenever that began, and a restart changes nothing."""

import asyncio
import json
import time

import pytest

from include.orchestration import notifier, triggers
from include.orchestration.triggers import LagTrigger, OutboxTrigger
from include.surveillance import broker
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.records import Watermark
from tests.orchestration.conftest import alert


def watermark(n):
    return Watermark(symbol="ACME", timespan="minute", from_ms=n, as_of_ms=n + 60_000, bars=1)


def first_event(trigger):
    async def ask():
        async for event in trigger.run():
            return event.payload
        return None

    return asyncio.run(ask())


def again(trigger):
    """The trigger as another triggerer makes it from what is stored."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    assert (module, name) == (LagTrigger.__module__, "LagTrigger")
    return LagTrigger(**json.loads(json.dumps(arguments)))


def test_trigger_fires_on_lag_that_was_there_before(group):
    broker.publish(group.kafka, [watermark(n) for n in range(3)])
    assert first_event(LagTrigger(group.pairs, group.name, time.time() + 30)) == {"lag": 3}


def test_trigger_waits_for_lag(group):
    async def publish_while_waiting():
        events = LagTrigger(group.pairs, group.name, time.time() + 30).run()
        waiting = asyncio.create_task(anext(events))
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done
        await asyncio.to_thread(broker.publish, group.kafka, [watermark(1)])
        return (await waiting).payload

    assert asyncio.run(publish_while_waiting()) == {"lag": 1}


def test_trigger_gives_up_at_the_deadline(group):
    assert first_event(LagTrigger(group.pairs, group.name, time.time() + 0.3)) == {"deadline": True}


def test_trigger_made_anew_after_a_restart_sees_the_same(group):
    broker.publish(group.kafka, [watermark(1)])
    trigger = LagTrigger(group.pairs, group.name, time.time() + 30)
    assert first_event(trigger) == first_event(again(trigger)) == {"lag": 1}


def test_triggers_do_not_hold_the_event_loop(group):
    async def count_ticks():
        triggers = [LagTrigger(group.pairs, group.name, time.time() + 1) for _ in range(5)]
        waits = [asyncio.create_task(anext(trigger.run())) for trigger in triggers]
        ticks = 0
        while not all(wait.done() for wait in waits):
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(count_ticks()) > 20


def test_trigger_waits_for_a_broker_that_is_restarted(group, monkeypatch):
    """Without a worker and without a failed try."""
    broker.publish(group.kafka, [watermark(1)])
    lag, refusals = broker.LagProbe.lag, [BrokerError("not there"), BrokerError("not there yet")]

    def away_at_first(probe):
        if refusals:
            raise refusals.pop()
        return lag(probe)

    monkeypatch.setattr(broker.LagProbe, "lag", away_at_first)
    assert first_event(LagTrigger(group.pairs, group.name, time.time() + 30)) == {"lag": 1}
    assert not refusals


def test_trigger_says_when_kafka_does_not_answer(monkeypatch):
    monkeypatch.setattr(broker.offsets, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(triggers, "PATIENCE_SECONDS", 0.1)
    connection = {"conn_type": "kafka", "extra": {"bootstrap.servers": "127.0.0.1:1"}}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps(connection))
    with pytest.raises(BrokerError, match=r"127.0.0.1:1 does not answer"):
        first_event(LagTrigger([[broker.BARS, 0]], "nobody", time.time() + 30))


def test_missing_servers_name_the_connection(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": {}}))
    with pytest.raises(ConfigurationError, match=r"connection kafka_default of .* has no bootstrap\.servers"):
        first_event(LagTrigger([[broker.BARS, 0]], "nobody", time.time() + 30))


def test_the_outboxs_trigger_fires_when_something_is_due_and_gives_up_at_the_deadline(database, monkeypatch):
    monkeypatch.setattr(triggers, "OUTBOX_SECONDS", 0.05)

    def trigger():
        path, arguments = OutboxTrigger("log", time.time() + 0.3).serialize()
        assert path == f"{OutboxTrigger.__module__}.OutboxTrigger"
        return OutboxTrigger(**json.loads(json.dumps(arguments)))

    assert first_event(trigger()) == {"deadline": True}
    notifier.notify([alert()])
    assert first_event(trigger()) == {"due": True}
