"""What runs in a process of its own, to be killed there."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from include.surveillance import broker, failpoints
from include.surveillance.errors import BrokerError
from include.surveillance.live import detector, history
from include.surveillance.records import Record
from include.surveillance.sessions import Sessions
from include.surveillance.warehouse import landing, streaming
from tests.embedded_warehouse.launcher import Launcher
from tests.integration.detecting import LITERAL, detect_partition
from tests.integration.private_topics import private_topics
from tests.integration.snowpipe import make_snowpipe


def exit_code(target: Callable[..., None], *arguments: object) -> int:
    """Run it to its end; minus the signal's number when it was killed."""
    process = started(target, *arguments)
    process.join(60)
    return process.exitcode


def started(target: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def detect(kafka: dict[str, Any], own: str, folder: str) -> None:
    """Detection of partition 0, in small batches."""
    private_topics(pytest.MonkeyPatch(), own)
    os.environ[failpoints.FOLDER] = folder
    detect_partition(kafka, 0, sessions=Sessions(), limit=60)


def judge(kafka: dict[str, Any], own: str, folder: str) -> None:
    """The history of partition 0."""
    private_topics(pytest.MonkeyPatch(), own)
    os.environ[failpoints.FOLDER] = folder
    history.judge_partition(kafka, 0, sessions=Sessions(), book=LITERAL)


def detect_in_rivalry(kafka: dict[str, Any], own: str, fenced: Path) -> None:
    """Detection of partition 0 in very small batches until nothing is left; writes down each loss of the partition."""
    private_topics(pytest.MonkeyPatch(), own)
    while broker.lag(kafka, detector.GROUP, detector.positions_of(0)):
        try:
            detect_partition(kafka, 0, sessions=Sessions(), limit=15)
        except BrokerError as error:
            with fenced.open("a") as lines:
                lines.write(f"{error}\n")
            time.sleep(random.uniform(0, 0.5))


def publish(kafka: dict[str, Any], own: str, folder: str, records: Sequence[Record]) -> None:
    private_topics(pytest.MonkeyPatch(), own)
    os.environ[failpoints.FOLDER] = folder
    broker.publish(kafka, records)


def land(
    kafka: dict[str, Any], topic: str, home: Path, port: int, database: str, folder: str, by: str = "statements"
) -> None:
    """Landing in the embedded warehouse whose files are in ``home``."""
    os.environ[failpoints.FOLDER] = folder
    launcher = Launcher(home)
    launcher.port = port
    os.environ["REQUESTS_CA_BUNDLE"] = str(launcher.bundle)
    with closing(launcher.connect(database=database)) as connection:
        channels = streaming.Channels(kafka, make_snowpipe(lambda: launcher.connect(database=database)))
        store = channels.store_batch if by == "streaming" else landing.store_batch
        landing.land(connection, kafka, topic, store=store)
