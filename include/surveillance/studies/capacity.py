"""Capacity: the processors, partitions, workers, rows, bytes and calls that a watchlist takes.

The model adds up costs and knows no queues: the cost of one unit of each kind of work, times the units of a minute. It
says what runs out first. A test compares it with the measurements in ``docs/measured/benchmarks/platform.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from include.surveillance.detection.shards import SERIES_BYTES
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import PollBy, Settings, automatic_poll_by
from include.surveillance.timespans import MINUTE_MS

SESSION_MINUTES = 390
# 5-minute, hour and day bars are asked for when one has closed.
LONGER_BARS_PER_MINUTE = 1 / 5 + 1 / 60 + 1 / SESSION_MINUTES


@dataclass(frozen=True)
class Costs:
    """The cost of one unit of work.

    CPU-ms count all processes that the unit keeps busy, databases included, on one core of a small cloud machine. Rows
    and bytes of tasks were measured over a day of 195,000 poll tasks; messages are encoded, and not yet compressed.
    """

    idle_ms_per_minute: float = 15_000  # schedulers, servers and the runs of every minute
    task_ms: float = 45  # a task in the fast lane
    call_ms: float = 0.7  # a call to the vendor in a group, with normalising and publishing
    snapshot_ms: float = 0.15  # a symbol of the market's snapshot, normalised and published
    detect_ms: float = 0.065  # a bar detected
    land_ms: float = 0.046  # a row landed
    rows_per_task: float = 3  # a task instance and two events
    metadata_bytes_per_task: float = 1_710
    log_bytes_per_task: float = 7_700  # two blocks of the file system
    bar_bytes: float = 300
    watermark_bytes: float = 230
    metric_bytes: float = 630
    state_bytes: float = SERIES_BYTES  # of a mature series in the detector's snapshot


@dataclass(frozen=True)
class Load:
    """A watchlist, and the machines and settings with which it is watched.

    Attributes:
        symbols: on the watchlist.
        cores: processors of all machines together.
        mode: of polling; None lets the number of symbols decide.
        timespans: 1 with minute bars only, 4 with all.
    """

    symbols: int
    cores: int = 2
    mode: PollBy | None = None
    timespans: int = 4

    def __post_init__(self) -> None:
        for name in ("symbols", "cores"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be at least 1")


@dataclass(frozen=True)
class Plan:
    """What a load takes. A day is a session of 390 minutes, before anything is pruned."""

    mode: PollBy
    calls_per_minute: float
    tasks_per_minute: float
    cpu_ms_per_minute: dict[str, float]
    cpu_share: float
    cores_needed: int
    partitions_needed: int
    detect_workers_needed: int
    messages_per_day: float
    kafka_gb_per_day: float
    snapshot_mb: float
    metadata_rows_per_day: float
    metadata_gb_per_day: float
    log_gb_per_day: float


# Of all cores, so that a burst at the minute's start, a retry and a landing find room.
COMFORTABLE_SHARE = 0.6
# A minute's bars are to be detected in so many seconds, so that an alert follows its bar by five.
BURST_SECONDS = 2.5
# What a detector that opens reads at once; it takes a second or two.
SNAPSHOT_BYTES = 64 * 2**20
# One worker process serves so many partitions of one machine; a second machine wants one of its own.
PARTITIONS_PER_WORKER = 16


def plan_load(load: Load, costs: Costs | None = None) -> Plan:
    """Compute what a load takes."""
    costs, symbols = costs or Costs(), load.symbols
    mode = load.mode or automatic_poll_by(symbols)
    longer = LONGER_BARS_PER_MINUTE if load.timespans > 1 else 0.0
    # A snapshot holds minute bars only; longer bars are asked for in groups.
    by_call = symbols * (longer if mode == "market" else 1 + longer)
    by_snapshot = symbols if mode == "market" else 0
    groups = ceil(symbols / Settings.poll_group_size)
    polls = {"symbols": symbols, "groups": groups, "market": 1 + (groups * min(1.0, longer))}[mode]
    tasks = polls + 3  # plan, news, check_polls
    repeated = 1 if mode == "market" else 1 + Settings.poll_overlap_minutes
    bars = symbols * (repeated + longer)
    watermarks = by_call + by_snapshot
    metrics = symbols * (1 + longer)
    cpu = {
        "idle": costs.idle_ms_per_minute,
        "poll": tasks * costs.task_ms + by_call * costs.call_ms + by_snapshot * costs.snapshot_ms,
        # A bar that is asked for again is read and put aside, which costs about a quarter.
        "detect": (metrics + (bars - metrics) / 4) * costs.detect_ms,
        "land": (bars + metrics) * costs.land_ms,
    }
    kafka_bytes = bars * costs.bar_bytes + watermarks * costs.watermark_bytes + metrics * costs.metric_bytes
    busy, day = sum(cpu.values()), SESSION_MINUTES
    snapshot_bytes = symbols * load.timespans * costs.state_bytes
    partitions = max(4, ceil(cpu["detect"] / (BURST_SECONDS * 1_000)), ceil(snapshot_bytes / SNAPSHOT_BYTES))
    return Plan(
        mode=mode,
        calls_per_minute=by_call + bool(by_snapshot) + 1,
        tasks_per_minute=tasks,
        cpu_ms_per_minute=cpu,
        cpu_share=busy / (MINUTE_MS * load.cores),
        cores_needed=ceil(busy / (MINUTE_MS * COMFORTABLE_SHARE)),
        partitions_needed=partitions,
        detect_workers_needed=ceil(partitions / PARTITIONS_PER_WORKER),
        messages_per_day=day * (bars + watermarks + metrics),
        kafka_gb_per_day=day * kafka_bytes / 1e9,
        snapshot_mb=snapshot_bytes / 1e6,
        metadata_rows_per_day=day * tasks * costs.rows_per_task,
        metadata_gb_per_day=day * tasks * costs.metadata_bytes_per_task / 1e9,
        log_gb_per_day=day * tasks * costs.log_bytes_per_task / 1e9,
    )


def advise(load: Load, needed: Plan) -> list[str]:
    """List what to add, in order: first what costs least and is hard to change later."""
    steps = [f"POLL_BY={needed.mode}, or auto: {needed.tasks_per_minute:,.0f} tasks a minute"]
    if needed.tasks_per_minute > 1_500:
        steps[0] += ", more than the scheduler starts in a minute: poll by groups or by market"
    steps.append(f"a vendor's plan of {needed.calls_per_minute:,.0f} calls a minute")
    if needed.partitions_needed > 4:
        steps.append(
            f"KAFKA_PARTITIONS={needed.partitions_needed} before the first bar: topics of another number are made anew"
        )
    if needed.cores_needed > load.cores:
        steps.append(f"{needed.cores_needed} cores: first worker-batch on a machine of its own, then worker-detect")
    if needed.detect_workers_needed > 1:
        steps.append(f"{needed.detect_workers_needed} of worker-detect: they share the partitions")
    return steps
