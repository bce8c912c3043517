"""A worker whose broker was restarted uses all of its slots again, though tasks ran that stay."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import DEVNULL

import psutil
import redis
from celery import Celery

from include.local_stack.ports import HOST
from tests.conftest import free_port, service
from tests.paths import ROOT

SLOTS, SECONDS = 4, 60
# The settings and the warm-up as they are on a worker.
APP = """
import subprocess
import sys
import time
from pathlib import Path
from celery import Celery
from include.orchestration.runtime.celery_warmup import CELERY_CONFIG

app = Celery("slots", broker="{broker}", set_as_current=False)
for name, value in CELERY_CONFIG.items():
    if name.startswith(("broker_connection", "task_acks", "worker_")):
        app.conf[name] = value
app.conf.task_ignore_result = True

@app.task(name="stay")
def stay(name):
    # As Airflow runs a task: a process of its own, which leaves on SIGTERM.
    process = ["airflow worker -- " + name, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(process, executable=sys.executable):
        Path("{folder}", name).touch()
"""
# What runs a worker starts it anew when it ends.
RUN = "until [ -e stop ]; do python -m celery -A slots worker -c {slots} --loglevel WARNING; done"


def kill_children(worker: psutil.Process) -> None:
    for process in worker.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
            process.kill()


def test_tasks_that_stay_get_all_slots_after_a_restart_of_the_broker(tmp_path: Path):
    port = free_port()
    broker = f"redis://{HOST}:{port}/0"
    (tmp_path / "slots.py").write_text(APP.format(broker=broker, folder=tmp_path))
    command = ["redis-server", "--bind", HOST, "--port", str(port), "--appendonly", "yes", "--dir", str(tmp_path)]
    sender = Celery("sender", broker=broker, set_as_current=False)

    def answers() -> bool:
        try:
            return redis.Redis(HOST, port).ping()
        except redis.RedisError:
            return False

    def start(*names: str) -> bool:
        for name in names:
            sender.send_task("stay", [name])
        deadline = time.monotonic() + SECONDS
        while not (started := all((tmp_path / name).exists() for name in names)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return started

    with ExitStack() as during:
        first = during.enter_context(ExitStack())
        first.enter_context(service(command, answers, tmp_path / "first.log"))
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/bin",
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            "C_FORCE_ROOT": "1",
        }
        worker = psutil.Popen(
            ["bash", "-c", RUN.format(slots=SLOTS)], cwd=tmp_path, env=environment, stdout=DEVNULL, stderr=DEVNULL
        )
        during.callback(worker.wait, SECONDS)
        during.callback(kill_children, worker)
        during.callback((tmp_path / "stop").touch)
        assert start("a", "b")
        first.close()
        during.enter_context(service(command, answers, tmp_path / "second.log"))
        assert start("c", "d")
