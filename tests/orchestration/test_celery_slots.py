"""A worker whose broker was restarted uses all of its slots again."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker

from include.local_stack.ports import HOST
from include.orchestration.celery_warmup import CELERY_CONFIG
from tests.conftest import free_port, service

SLOTS, SECONDS = 3, 20


def test_tasks_that_stay_get_all_slots_after_a_restart_of_the_broker(tmp_path: Path):
    port = free_port()
    command = ["redis-server", "--bind", HOST, "--port", str(port), "--appendonly", "yes", "--dir", str(tmp_path)]
    app = Celery("slots", broker=f"redis://{HOST}:{port}/0", set_as_current=False)
    app.conf.update(
        {name: value for name, value in CELERY_CONFIG.items() if name.startswith(("task_acks", "worker_"))},
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
    )
    started, leave = defaultdict(Event), defaultdict(Event)

    @app.task(name="stay")
    def stay(name: str) -> None:
        started[name].set()
        leave[name].wait(2 * SECONDS)

    def answers() -> bool:
        try:
            return redis.Redis(HOST, port).ping()
        except redis.RedisError:
            return False

    with ExitStack() as during:
        first = during.enter_context(ExitStack())
        first.enter_context(service(command, answers, tmp_path / "first.log"))
        worker = during.enter_context(
            start_worker(app, pool="threads", concurrency=SLOTS, perform_ping_check=False, shutdown_timeout=SECONDS)
        )
        during.callback(lambda: [leave[name].set() for name in "abcde"])
        for name in "ab":
            stay.delay(name)
            assert started[name].wait(SECONDS)
        lost, until = worker.consumer.connection, time.monotonic() + SECONDS
        first.close()
        time.sleep(1)
        during.enter_context(service(command, answers, tmp_path / "second.log"))
        while worker.consumer.connection in (lost, None):
            assert time.monotonic() < until, "the worker has not connected anew"
            time.sleep(0.05)
        for name in "ab":
            leave[name].set()
        for name in "cde":
            stay.delay(name)
        assert [name for name in "cde" if not started[name].wait(SECONDS / 2)] == []
