"""Trigger and sensors against a real Kafka: nothing is lost, nothing is held, a restart changes nothing."""

import asyncio
import json
import threading
import time
import uuid
from contextlib import contextmanager
from itertools import repeat
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.orchestration import sensors, triggers
from include.orchestration.sensors import ConsumeSensor, DetectSensor
from include.orchestration.triggers import LagTrigger
from include.surveillance import broker
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.live import detector
from include.surveillance.live.detector import Detector
from include.surveillance.records import Watermark
from tests.integration.test_detect import bar, partition  # noqa: F401


def watermark(n):
    return Watermark(symbol="ACME", timespan="minute", from_ms=n, as_of_ms=n + 60_000, bars=1)


@pytest.fixture
def group(topics, monkeypatch):
    """A group of its own at the end of topic BARS, with the connection that the code reads."""
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": topics}))
    monkeypatch.setenv("DETECT_LINGER_SECONDS", "0")
    monkeypatch.setattr(sensors, "PACE_SECONDS", 0.0)
    name = f"test-{uuid.uuid4().hex}"
    positions = [(broker.BARS, number) for number in range(4)]
    broker.commit(topics, name, broker.read(topics, dict.fromkeys(positions)).next_offsets)
    return SimpleNamespace(name=name, kafka=topics, positions=positions, pairs=[list(pair) for pair in positions])


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
    with pytest.raises(ConfigurationError, match=r"kafka_default has no bootstrap\.servers"):
        first_event(LagTrigger([[broker.BARS, 0]], "nobody", time.time() + 30))


class Counting(ConsumeSensor):
    """Counts and commits what it finds."""

    def __init__(self, *, topic, fails=0, **kwargs):
        super().__init__(task_id="count", **kwargs)
        self.topic, self.fails = topic, fails

    def group(self):
        return self.topic.name

    def partitions(self):
        return self.topic.positions

    def handle_backlog(self):
        if self.fails:
            self.fails -= 1
            raise BrokerError("the first time fails")
        batch = broker.read(self.topic.kafka, broker.committed(self.topic.kafka, self.topic.name, self.topic.positions))
        broker.commit(self.topic.kafka, self.topic.name, batch.next_offsets)
        return {"records": len(batch.messages)}


def context(started=None):
    moment = time.time() if started is None else started
    return {"dag_run": SimpleNamespace(start_date=SimpleNamespace(timestamp=lambda: moment))}


def deferred(call):
    with pytest.raises(TaskDeferred) as found:
        call()
    return found.value


def test_sensor_handles_backlog_after_backlog_until_its_deadline(group):
    sensor = Counting(topic=group, lifetime_seconds=30)
    run = context()
    wait = deferred(lambda: sensor.execute(run))
    for n in (3, 2):
        broker.publish(group.kafka, [watermark(i) for i in range(n)])
        event = first_event(again(wait.trigger))
        assert event == {"lag": n}
        wait = deferred(lambda event=event, wait=wait: getattr(sensor, wait.method_name)(run, event, **wait.kwargs))
    assert wait.kwargs["counts"] == {"records": 5}
    assert sensor.resume(run, {"deadline": True}, **wait.kwargs) == {"records": 5}


def test_failed_handling_leaves_the_backlog_to_the_retry(group):
    sensor = Counting(topic=group, lifetime_seconds=30, fails=1)
    broker.publish(group.kafka, [watermark(1)])
    with pytest.raises(BrokerError):
        sensor.resume(context(), {"lag": 1}, {}, time.time() + 30)
    retry = deferred(lambda: sensor.execute(context()))
    assert retry.kwargs["counts"] == {"records": 1}


def test_sensor_that_cannot_move_on_waits_before_it_looks_again(group):
    sensor = Counting(topic=group, lifetime_seconds=30)
    broker.publish(group.kafka, [watermark(1)])
    moved = deferred(lambda: sensor.resume(context(), {"lag": 1}, {}, time.time() + 30))
    stuck = deferred(lambda: sensor.resume(context(), {"lag": 1}, {}, time.time() + 30))
    assert stuck.trigger.not_before > moved.trigger.not_before + 4


def test_sensor_stays_on_its_worker_while_messages_come(group, monkeypatch):
    """Also for those that come while it looks in vain."""
    monkeypatch.setenv("DETECT_LINGER_SECONDS", "3")
    broker.publish(group.kafka, [watermark(1)])
    others = [threading.Timer(delay, broker.publish, (group.kafka, [watermark(delay)])) for delay in (1, 2)]
    for other in others:
        other.start()
    wait = deferred(lambda: Counting(topic=group, lifetime_seconds=60).execute(context()))
    assert wait.kwargs["counts"] == {"records": 3}
    assert wait.trigger.not_before < wait.trigger.until


class Scripted(ConsumeSensor):
    """Finds as many records at each look as it is told, each look takes a while; nothing when there is no more."""

    def __init__(self, *, script, **kwargs):
        super().__init__(task_id="scripted", **kwargs)
        self.script = iter(script)

    def group(self):
        return "nobody"

    def partitions(self):
        return [(broker.BARS, 0)]

    @contextmanager
    def open_step(self):
        def step(patience):
            time.sleep(0.05)
            return {"records": next(self.script, 0)}

        yield step


def test_sensor_ends_at_the_first_pause_after_its_time(group):
    """Twenty looks take longer than it has to live."""
    assert Scripted(script=[1] * 20, lifetime_seconds=0.1).execute(context()) == {"records": 20}


def test_sensor_that_finds_no_pause_ends_all_the_same(group, monkeypatch):
    monkeypatch.setattr(sensors, "OVERTIME_SECONDS", 0.5)
    assert Scripted(script=repeat(1), lifetime_seconds=0.1).execute(context())["records"] > 1


def test_sensor_whose_worker_stops_leaves_for_the_triggerer_with_what_it_has_counted(group):
    sensor = Scripted(script=repeat(1), lifetime_seconds=60)
    threading.Timer(0.3, sensor.on_kill).start()
    wait = deferred(lambda: sensor.execute(context()))
    assert wait.kwargs["counts"]["records"] > 1
    assert wait.trigger.not_before <= time.time()


def test_detection_keeps_its_partition_open_from_batch_to_batch(group, partition, monkeypatch):  # noqa: F811
    monkeypatch.setenv("DETECT_LINGER_SECONDS", "2")
    later = threading.Timer(1, broker.publish, (group.kafka, [bar(1), bar(2)]))
    later.start()
    opened, enter = [], Detector.__enter__
    monkeypatch.setattr(Detector, "__enter__", lambda detector: opened.append(detector) or enter(detector))
    wait = deferred(lambda: DetectSensor(task_id="detect", partition=partition, lifetime_seconds=60).execute(context()))
    assert (wait.kwargs["counts"]["bars"], len(opened)) == (3, 1)
    assert wait.trigger.partitions == [list(position) for position in detector.positions_of(partition)]


def test_retry_after_the_deadline_ends_at_once(group):
    assert Counting(topic=group, lifetime_seconds=30).execute(context(started=time.time() - 31)) == {}
