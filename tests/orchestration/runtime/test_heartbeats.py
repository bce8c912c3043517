"""Heartbeats: Airflow hears of a task that takes long, and of none that has ended."""

import logging
import os
from threading import Event
from types import SimpleNamespace

import pytest

from include.orchestration.runtime import heartbeats
from include.orchestration.runtime.heartbeats import Heart, process_heart

SECONDS = 20.0


class Supervisor:
    """A task's end of the line to Airflow: counts heartbeats, and refuses the first ones."""

    def __init__(self, name, refusals=0):
        self.id, self.pid, self.beats, self.refusals = name, os.getpid(), [], refusals
        self.arrived = Event()
        self.client = SimpleNamespace(task_instances=SimpleNamespace(heartbeat=self.heartbeat))

    def heartbeat(self, task_id, pid):
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("the server is being restarted")
        self.beats.append((task_id, pid))
        self.arrived.set()


@pytest.fixture
def heart(monkeypatch):
    monkeypatch.setattr(heartbeats, "SILENT_SECONDS", 0.02)
    monkeypatch.setattr(heartbeats, "LOOK_SECONDS", 0.01)
    return Heart()


def test_a_task_that_takes_long_is_heard_of_by_its_own_name(heart):
    long, other = Supervisor("long"), Supervisor("other")
    with heart.beat(long), heart.beat(other):
        assert long.arrived.wait(SECONDS)
        assert other.arrived.wait(SECONDS)
    assert set(long.beats) == {("long", os.getpid())}
    assert set(other.beats) == {("other", os.getpid())}


def test_nothing_is_heard_of_a_task_that_has_ended(heart):
    ended, later = Supervisor("ended"), Supervisor("later")
    with heart.beat(ended):
        assert ended.arrived.wait(SECONDS)
    count = len(ended.beats)
    with heart.beat(later):
        assert later.arrived.wait(SECONDS)
    assert len(ended.beats) == count


def test_a_heartbeat_that_airflow_does_not_take_is_logged_and_sent_again(heart, caplog):
    refused = Supervisor("refused", refusals=1)
    with caplog.at_level(logging.WARNING), heart.beat(refused):
        assert refused.arrived.wait(SECONDS)
    assert "task instance refused: Airflow did not take the heartbeat" in caplog.text


def test_a_fork_has_a_heart_of_its_own():
    process_heart.cache_clear()
    assert process_heart(1) is process_heart(1)
    assert process_heart(1) is not process_heart(2)
    process_heart.cache_clear()
