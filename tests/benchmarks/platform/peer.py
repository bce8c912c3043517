"""``peer``: the same live minutes, detected by the platform, by a plain consumer loop and by quixstreams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from include.surveillance import broker
from include.surveillance.errors import SurveillanceError
from include.surveillance.timespans import MINUTE_MS, now_ms
from tests.benchmarks.platform.cpu import CORES, Meter, measure_tree
from tests.benchmarks.platform.figures import Result, quantile
from tests.benchmarks.platform.latency import LatencyStamps, next_minute_ms, sleep_until
from tests.benchmarks.platform.stage import Stage
from tests.paths import ROOT

HERE = Path(__file__).parent
QUIX = ROOT / ".local" / "quixstreams"
PLATFORM = "the platform (worker-detect, triggerer)"
HEADINGS = ("detected by", "bars", "bar to measures, p50 s", "p95 s", "max s", "CPU %")
PEERS = {"plain consumer loop": "peer.loop", "quixstreams": "peer.quix"}
# Bars before the measured minutes that a peer works off first, so that its rules have something to go by.
HISTORY_MS = 10 * MINUTE_MS
SETTLE_SECONDS = 20
CATCH_UP_SECONDS = 420
QUIET_LOOKS = 5  # half a second apart


def peer(stage: Stage, minutes: int) -> Result:
    """Polling must be going on."""
    # Minutes before their use: a broker answers a creation before it leads the partitions.
    _make_topics(stage)
    with ExitStack() as peers:
        processes = {name: peers.enter_context(_peer_process(stage, topics)) for name, topics in PEERS.items()}
        for name, topics in PEERS.items():
            _catch_up(stage, topics, processes[name])
        rows = _measure(stage, minutes, processes)
    return Result(
        "peer",
        f"{len(stage.symbols)} symbols polled by the platform; three consumers of the same topic at once, "
        f"over {minutes} minutes, all exactly once. From a bar's append until its measures can be read.",
        tables={"Side by side": [HEADINGS, *rows]},
        notes=[
            (
                "The loop commits at most every half second and snapshots its state with each commit, as the platform "
                "does; it is not watched, restarted or shown by anything."
            ),
            (
                "quixstreams keeps the state per symbol in RocksDB with a changelog, calls the engine bar by bar and "
                "commits every half second; what is judged across symbols of a partition it cannot see."
            ),
            "CPU of the platform's detection: worker-detect and triggerer, notification included, scheduler left out.",
        ],
    )


def _measure(stage: Stage, minutes: int, peers: Mapping[str, psutil.Popen]) -> list[tuple[str, ...]]:
    """A row for each that detects: from a bar's append to when its measures can be read, and its share of all cores."""
    since = stage.ends(broker.BARS)
    from_ms = next_minute_ms()
    to_ms = from_ms + minutes * MINUTE_MS
    topics = {PLATFORM: broker.METRICS, **{name: f"{PEERS[name]}.metrics" for name in peers}}
    arrivals = {name: Arrivals(stage.kafka, stage.ends(topic)) for name, topic in topics.items()}
    sleep_until(from_ms)
    meter, started = Meter(stage.stack).start(), {name: measure_tree(peer.pid) for name, peer in peers.items()}
    sleep_until(to_ms)
    meter.stop()
    workers = [name for name in meter.spent if name.startswith("worker-detect")]
    shares = {PLATFORM: meter.share("triggerer", *workers)}
    for name, peer in peers.items():
        shares[name] = (measure_tree(peer.pid) - started[name]) / (meter.seconds * CORES)
    # A bar arrives some seconds after its minute's close, its measures somewhat later.
    sleep_until(to_ms + SETTLE_SECONDS * 1000)
    stamps = LatencyStamps(from_ms, to_ms)
    # Everything since: bars of the first minute may have been appended before it began.
    stamps.read_bars(stage.kafka, since)
    return [_row(name, stamps.until_measured(arrivals[name].stop()), shares[name]) for name in topics]


class Arrivals:
    """Reads a topic from ``since`` on as it grows; a message's time is when it could be read: its transaction's end."""

    def __init__(self, kafka: broker.Kafka, since: Mapping[broker.Position, int]):
        self._over, self._arrived = Event(), list[tuple[int, bytes]]()
        settings = {"group.id": "bench", "isolation.level": "read_committed", "fetch.wait.max.ms": 100}
        self._consumer = Consumer({**kafka, **settings})
        self._consumer.assign([TopicPartition(*position, offset) for position, offset in since.items()])
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._over.is_set():
            message = self._consumer.poll(0.5)
            if message is not None and not message.error():
                self._arrived.append((now_ms(), message.value()))

    def stop(self) -> list[tuple[int, bytes]]:
        """When each came, epoch ms, and its value."""
        self._over.set()
        self._thread.join()
        self._consumer.close()
        return self._arrived


def _row(name: str, waits: list[float], share: float) -> tuple[str, ...]:
    numbers = ("" if (q := quantile(waits, part)) is None else f"{q:.2f}" for part in (0.5, 0.95, 1.0))
    return (name, f"{len(waits)}", *numbers, f"{100 * share:.1f}")


@contextmanager
def _peer_process(stage: Stage, topics: str) -> Iterator[psutil.Popen]:
    kind, since_ms = topics.rpartition(".")[2], now_ms() - HISTORY_MS
    log = stage.stack.state / "logs" / f"{topics}.log"
    given = {
        "KAFKA": json.dumps(stage.kafka),
        "MARKET_CALENDAR": stage.environment["MARKET_CALENDAR"],
        "PYTHONPATH": str(ROOT),
        "SINCE": json.dumps(_offsets_at(stage, since_ms)),
        "SINCE_MS": str(since_ms),
        "STATE": str(stage.stack.state / topics),
    }
    python = sys.executable if kind == "loop" else str(_quix_python())
    with log.open("w") as output:
        process = psutil.Popen(
            [python, "-m", f"tests.benchmarks.platform.{kind}"],
            env=os.environ | given,
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
        if process.poll() is not None:
            raise SurveillanceError(f"{topics} has ended by itself:\n{log.read_text()[-2000:]}")
    finally:
        process.terminate()
        process.wait(30)


def _catch_up(stage: Stage, topics: str, process: psutil.Popen) -> None:
    """Return when a peer has brought out metrics, and for two seconds no more: between two minutes' bars."""
    known = [0]

    def rests() -> bool:
        if process.poll() is not None:
            raise SurveillanceError(f"{topics} has ended by itself; see {stage.stack.state}/logs/{topics}.log")
        known.append(sum(stage.ends(f"{topics}.metrics").values()))
        return known[-1] == known[-QUIET_LOOKS:][0] > 0

    stage.until(rests, CATCH_UP_SECONDS, f"{topics} has caught up")


def _make_topics(stage: Stage) -> None:
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(16 * 1024 * 1024)}
    names = [f"{topics}.{kind}" for topics in PEERS.values() for kind in ("alerts", "metrics", "state")]
    admin = AdminClient(dict(stage.kafka))
    for future in admin.create_topics(
        [NewTopic(name, len(stage.partitions), 1, config=config) for name in names]
    ).values():
        future.result()


def _offsets_at(stage: Stage, ts_ms: int) -> list[tuple[int, int]]:
    consumer = Consumer({**stage.kafka, "group.id": "bench"})
    try:
        asked = [TopicPartition(broker.BARS, partition, ts_ms) for partition in stage.partitions]
        starts = consumer.offsets_for_times(asked, timeout=15)
        return [(start.partition, max(0, start.offset)) for start in starts]
    finally:
        consumer.close()


def _quix_python() -> Path:
    """Python of an environment that holds quixstreams; made when it is not there."""
    python, uv, wanted = QUIX / "bin" / "python", Path(sys.executable).parent / "uv", HERE / "requirements-quix.txt"
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, QUIX], check=True)
    subprocess.run([uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", python, wanted], check=True)
    return python
