"""The live page: a stream that says whether anything has changed, and resumes where it was."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from include.orchestration import pulse as platform
from include.orchestration.application import changes
from include.orchestration.application.audit import Act, record_act
from include.orchestration.page import pulse
from include.surveillance.broker import client as kafka_client
from tests.orchestration.conftest import alert, store

PATH = "/surveillance/api/v1"


@pytest.fixture
def stream(client, viewer, desk, monkeypatch):
    """A function: the events of a short stream, as id and what changed."""
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(changes, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(pulse, "STREAM_SECONDS", 0.2)

    def stream(last=None):
        answer = client.get(f"{PATH}/events", headers=viewer | ({"Last-Event-ID": last} if last else {}))
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.split("\n\n")[:-1]]
        return [(block["id"], json.loads(block["data"])["changed"] if "data" in block else None) for block in blocks]

    return stream


def test_whoever_comes_again_is_told_what_changed_meanwhile(stream):
    ((seen, nothing),) = stream()
    assert nothing is None
    store([alert("KO")])
    _, (later, changed) = stream(seen)
    assert changed == ["alerts"]
    record_act(Act("nina", "note", "alert", "x"))
    _, (latest, changed) = stream(later)
    assert changed == ["acts"]
    assert stream(latest) == [(latest, None)]


@pytest.mark.parametrize("last", ["x", "1", "1.2.3", "1.x"])
def test_an_id_that_no_event_had_is_refused(client, viewer, desk, last):
    assert client.get(f"{PATH}/events", headers=viewer | {"Last-Event-ID": last}).status_code == 422


def test_the_pulse_is_shown_to_whoever_reads(client, viewer, desk, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_KAFKA_DEFAULT", raising=False)
    monkeypatch.setattr(platform, "PATIENCE_SECONDS", 60.0)
    platform._kafka.cache_clear()
    answer = client.get(f"{PATH}/pulse", headers=viewer).json()
    stages = {stage["name"]: stage for stage in answer["stages"]}
    assert list(stages) == ["feed", "detection", "telling", "warehouse"]
    assert (answer["ready"], answer["hint"]) == (True, None)
    assert "kafka_default" in stages["feed"]["problem"]


def test_the_pulse_says_that_kafka_does_not_answer(client, viewer, desk, monkeypatch):
    """A server that takes connections and says nothing, as one that hangs does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kafka = {"bootstrap.servers": f"127.0.0.1:{silent.getsockname()[1]}"}
        monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": kafka}))
        monkeypatch.setattr(kafka_client, "TIMEOUT_SECONDS", 2.0)
        monkeypatch.setattr(platform, "PATIENCE_SECONDS", 0.1)
        platform._kafka.cache_clear()
        answers = [client.get(f"{PATH}/pulse", headers=viewer).json()["stages"] for _ in range(3)]
        for thread in threading.enumerate():
            if thread.name == "pulse":
                thread.join(60)
        platform._kafka.cache_clear()
    for stages in answers:
        problems = {stage["name"]: stage["problem"] for stage in stages}
        assert problems["feed"] == problems["detection"] == problems["telling"] == "Kafka does not answer"
