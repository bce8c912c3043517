"""The workers: every queue has one, and none shares its name or its pid file."""

from __future__ import annotations

import pytest

from include.local_stack import components
from include.local_stack.ports import Ports
from include.orchestration.queues import Queue
from include.surveillance.settings import CHANNELS


def workers(tmp_path, **given: str) -> dict[str, list[str]]:
    environment = {
        "KAFKA_PARTITIONS": "4",
        "DBT_DOCS_DIR": str(tmp_path),
        "AIRFLOW__API__BASE_URL": "http://127.0.0.1:1",
        **given,
    }
    started = components.airflow(tmp_path, Ports(), environment)
    return {component.name: component.command for component in started if "celery" in component.command}


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_every_queue_has_its_worker(tmp_path):
    queues = [option(command, "--queues").split(",") for command in workers(tmp_path).values()]
    assert sorted(queue for consumed in queues for queue in consumed) == sorted([*Queue, "default"])


def test_every_partition_the_notifier_and_every_channel_have_a_slot(tmp_path):
    slots = int(option(workers(tmp_path, KAFKA_PARTITIONS="12")["worker-detect"], "--concurrency"))
    assert slots == 12 + 1 + len(CHANNELS) + 1


@pytest.mark.parametrize("count", [1, 3])
def test_more_workers_detect_when_more_are_set(tmp_path, count):
    started = workers(tmp_path, DETECT_WORKERS=str(count))
    assert sum(option(command, "--queues") == "detect" for command in started.values()) == count
    for name in ("--celery-hostname", "--pid"):
        assert len({option(command, name) for command in started.values()}) == len(started)


def test_what_nobody_waits_for_gives_way(tmp_path):
    assert [name for name, command in workers(tmp_path).items() if command[0] == "nice"] == ["worker-batch"]
    assert workers(tmp_path)["worker-batch"][:3] == ["nice", "-n", "10"]
