"""Sensors against a real Kafka: nothing is lost, nothing is held, a restart changes nothing."""

import threading
import time
from contextlib import contextmanager
from itertools import repeat
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.orchestration import notifier, sensors
from include.orchestration.sensors import ConsumeSensor, DetectSensor, SendSensor
from include.orchestration.triggers import OutboxTrigger
from include.surveillance import broker
from include.surveillance.errors import BrokerError
from include.surveillance.live import detector
from include.surveillance.live.detector import Detector
from tests.orchestration.conftest import alert
from tests.orchestration.test_triggers import again, first_event, watermark
from tests.surveillance.live.partition_log import bar, partition  # noqa: F401


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Sensors look again at once, and do not linger."""
    monkeypatch.setenv("DETECT_LINGER_SECONDS", "0")
    monkeypatch.setattr(sensors, "PACE_SECONDS", 0.0)


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
        broker.commit(self.topic.kafka, self.topic.name, batch.places)
        return {"records": len(batch.messages)}


def context(started=None):
    moment = time.time() if started is None else started
    return {"dag_run": SimpleNamespace(start_date=SimpleNamespace(timestamp=lambda: moment))}


def deferred(call):
    with pytest.raises(TaskDeferred) as raised:
        call()
    return raised.value


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
    """Finds as many records at each look as its script says, each look takes a while; nothing when there is no more."""

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


def test_the_channels_sensor_sends_what_waits_and_then_waits_in_the_triggerer(database, caplog):
    notifier.notify([alert(), alert("ZVZZT")])
    sensor = SendSensor(task_id="send_log", channel="log", lifetime_seconds=30)
    wait = deferred(lambda: sensor.execute(context()))
    assert wait.kwargs["counts"] == {"sent": 2}
    assert "[high] ZVZZT opened 3.1 % above the previous close" in caplog.text
    assert isinstance(wait.trigger, OutboxTrigger)
    notifier.notify([alert("THIRD")])
    again_waits = deferred(lambda: sensor.resume(context(), {"due": True}, **wait.kwargs))
    assert again_waits.kwargs["counts"] == {"sent": 3}
    assert sensor.resume(context(), {"deadline": True}, **wait.kwargs) == {"sent": 2}
