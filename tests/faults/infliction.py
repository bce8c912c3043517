"""What is done to the platform. Each returns when it is done, with the time from which recovery counts."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from confluent_kafka.admin import AdminClient
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from include.desk_client import Desk
from include.surveillance import broker
from include.surveillance.errors import SurveillanceError
from include.surveillance.settings import Settings
from include.surveillance.timespans import MINUTE_MS, now_ms
from tests import segments
from tests.failpoints import is_armed
from tests.faults.acts import Acts
from tests.faults.people import CHANNELS
from tests.faults.stage import LANE_LIMIT_SECONDS, Stage
from tests.paths import ROOT

if TYPE_CHECKING:
    from tests.faults.matrix import Fault

FROZEN_SECONDS = 60.0
BESIDE_SECONDS = 20.0
CHANNEL_DOWN_SECONDS = 30.0
DEATHS_SECONDS = 240.0
# How long a server may be away until whoever acts gives up.
ACTS_SECONDS = 120.0


def kill(stage: Stage, fault: Fault) -> float:
    """``kill -9`` of the whole tree, the parent first; supervisord starts the component again by itself."""
    begun = time.time()
    for process in _tree(stage, fault.target):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return begun


def freeze(stage: Stage, fault: Fault) -> float:
    """The whole tree stands still for a minute, then goes on with what it knew by then."""
    frozen: list[psutil.Process] = []
    try:
        suspend(stage, fault.target, frozen)
        time.sleep(FROZEN_SECONDS)
    finally:
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.resume()
    return time.time()


def suspend(stage: Stage, name: str, frozen: list[psutil.Process]) -> None:
    """Let a component's whole tree stand still; ``frozen`` is filled with its processes."""
    # A process may have forked before it was stopped.
    while new := [process for process in _tree(stage, name) if process not in frozen]:
        for process in new:
            frozen.append(process)
            with suppress(psutil.NoSuchProcess):
                process.suspend()


def restart(stage: Stage, fault: Fault) -> float:
    """Stopped and started in order, as for an upgrade."""
    begun = time.time()
    rpc = stage.stack.supervisor.rpc
    rpc.stopProcess(fault.target, True)
    rpc.startProcess(fault.target, False)
    return begun


def kill_amid_acts(stage: Stage, fault: Fault) -> float:
    """``kill -9`` in the middle of what people do at the desk.

    Raises:
        SurveillanceError: an act that was answered is not there once, another one is there twice, or the chain of the
            audit log is broken.
    """
    acts, begun = Acts(Desk(stage.airflow.session, ACTS_SECONDS)), []
    acts.send(lambda: begun.append(kill(stage, fault)))
    wrong = acts.compare(stage.database)
    command = [sys.executable, "-m", "include.orchestration.verify_audit"]
    done = subprocess.run(command, env=stage.environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    if done.returncode:
        wrong.append(f"the audit log: {done.stderr[-1000:]}")
    if wrong:
        raise SurveillanceError("; ".join(wrong))
    return begun[0]


def await_deaths(stage: Stage, fault: Fault) -> float:
    """Return when a process has died at each of the armed fail points.

    Raises:
        SurveillanceError: nobody came by.
    """
    deadline = time.time() + DEATHS_SECONDS
    while left := [point for point in fault.points if is_armed(stage.fail_points, point)]:
        if time.time() > deadline:
            raise SurveillanceError(f"no process came to {', '.join(left)} within {DEATHS_SECONDS:.0f} s")
        time.sleep(0.1)
    return time.time()


def outlive_limit(stage: Stage, fault: Fault) -> float:
    """A task of the fast lane hangs until the lane ends it; its worker and the tasks beside it must not notice.

    Raises:
        SurveillanceError: the worker is another one now, or nobody has ended the task.
    """
    before = stage.stack.supervisor.info(fault.target)["pid"]
    log = stage.stack.supervisor.logs / f"{fault.target}.log"
    ended = _count_ended(log)
    hung_at = await_deaths(stage, fault)
    while _count_ended(log) == ended:
        if time.time() > hung_at + LANE_LIMIT_SECONDS * 2:
            raise SurveillanceError(f"a task of {fault.target} hangs for {time.time() - hung_at:.0f} s, nobody ends it")
        time.sleep(1)
    if (now := stage.stack.supervisor.info(fault.target)["pid"]) != before:
        raise SurveillanceError(f"{fault.target} was process {before} and is {now}: a task took it along")
    return time.time()


def second_detector(stage: Stage, _: Fault) -> float:
    """A second process detects beside the platform: same group, same transactional ids."""
    command = [sys.executable, "-m", "tests.faults.second_detector", str(BESIDE_SECONDS)]
    done = subprocess.run(command, env=stage.environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SurveillanceError(f"the second detector ended with {done.returncode}: {done.stderr[-1000:]}")
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    return time.time()


def fail_channel(stage: Stage, fault: Fault) -> float:
    """A channel takes nothing for a while; the others take what comes meanwhile.

    Raises:
        SurveillanceError: another channel was held up.
    """
    others = [channel for channel in CHANNELS if channel != fault.target]
    stage.people.fail(fault.target, fault.answer)
    try:
        queued = stage.people.queue(stage)
        time.sleep(CHANNEL_DOWN_SECONDS)
        told = {channel: "\n".join(stage.people.texts(channel)) for channel in others}
        if late := [f"{text} to {channel}" for channel in others for text in queued if text not in told[channel]]:
            raise SurveillanceError(f"held up: {', '.join(late)}")
    finally:
        stage.people.fail(fault.target, None)
    return time.time()


def second_notifier(stage: Stage, _: Fault) -> float:
    """A second process notifies beside the platform: same group, same outbox."""
    command = [sys.executable, "-m", "tests.faults.second_notifier", str(BESIDE_SECONDS)]
    begun = subprocess.Popen(command, env=stage.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(round(BESIDE_SECONDS)):
        stage.people.queue(stage, 3)
        time.sleep(1)
    said, _error = begun.communicate(timeout=120)
    if begun.returncode:
        raise SurveillanceError(f"the second notifier ended with {begun.returncode}")
    sys.stdout.write(said)
    sys.stdout.flush()
    return time.time()


def lose_tail(stage: Stage, _: Fault) -> float:
    """The broker comes back without what this minute's poll has brought to one partition.

    Raises:
        SurveillanceError: the poll has brought nothing.
    """
    begun, minute_ms = time.time(), now_ms() // MINUTE_MS * MINUTE_MS
    rpc, data = stage.stack.supervisor.rpc, stage.stack.state / "kafka" / "data"
    rpc.stopProcess("kafka", True)
    try:
        for partition in stage.partitions:
            if segments.lose_since(data, broker.BARS, partition, minute_ms):
                return begun
        raise SurveillanceError("no partition holds anything of this minute")
    finally:
        rpc.startProcess("kafka", False)


def make_topic_anew(stage: Stage, _: Fault) -> float:
    """The topic of bars is deleted and created while everything runs; polls ask for the last minutes once more."""
    begun = time.time()
    make_anew(stage.kafka, len(stage.partitions))
    overlap_ms = Settings.from_env(stage.environment).poll_overlap_minutes * MINUTE_MS
    stage.live_from_ms = max(stage.live_from_ms, now_ms() // MINUTE_MS * MINUTE_MS - overlap_ms)
    return begun


def make_anew(kafka: broker.Kafka, partitions: int) -> None:
    """Delete the topic of bars and create it as the platform does."""
    admin = AdminClient(dict(kafka))
    admin.delete_topics([broker.BARS], operation_timeout=15)[broker.BARS].result()
    # Kafka answers before a deletion is over.
    unfinished = retry_if_result(lambda made: not made) | retry_if_exception_type(SurveillanceError)
    Retrying(retry=unfinished, wait=wait_fixed(0.2), stop=stop_after_delay(30))(broker.ensure_topics, kafka, partitions)


def nothing(stage: Stage, _: Fault) -> float:
    """For comparison: how long the load takes when all is well."""
    return time.time()


def _count_ended(log: Path) -> int:
    return log.read_bytes().count(b"Task timed out")


def _tree(stage: Stage, name: str) -> list[psutil.Process]:
    parent = psutil.Process(stage.stack.supervisor.info(name)["pid"])
    return [parent, *parent.children(recursive=True)]
