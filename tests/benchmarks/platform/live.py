"""``symbols-500`` and ``market-11000``: live minutes, polled, detected and landed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from include.local_stack.ports import HOST
from include.surveillance import broker
from include.surveillance.timespans import MINUTE_MS
from tests.benchmarks.platform.cpu import Meter
from tests.benchmarks.platform.desks import compare, open_desks, sign_in
from tests.benchmarks.platform.figures import Figure, Result, quantile, ratio, spread
from tests.benchmarks.platform.latency import LatencyStamps, due, next_minute_ms, sleep_until
from tests.benchmarks.platform.stage import BESIDE, Stage

STOCK = "symbols-500, stock configuration"
IDLE_SECONDS = 20
# The first minutes open connections, load code and catch up with those before; they are not measured.
FIRST_MINUTES = 3
# At most, until the last measured minute has been polled and detected.
AFTER_SECONDS = 75
# What a task of Airflow costs is spent here.
BY_TASKS = ("worker-poll", "scheduler", "execution-api", "postgres", "redis")
POLLS = """
    select dag_run.data_interval_end, count(*), min(ti.start_date), max(ti.end_date),
           count(*) filter (where ti.state = 'success')
    from task_instance ti join dag_run using (dag_id, run_id)
    where ti.dag_id = 'ingest_market_data' and ti.task_id = 'poll'
      and dag_run.data_interval_end > to_timestamp(%s) and dag_run.data_interval_end <= to_timestamp(%s)
    group by 1 order by 1
"""
OPEN_POLLS = """
    select count(*), count(*) filter (where ti.state in ('success', 'failed', 'skipped', 'upstream_failed'))
    from task_instance ti join dag_run using (dag_id, run_id)
    where ti.dag_id = 'ingest_market_data' and ti.task_id = 'poll' and dag_run.data_interval_end = to_timestamp(%s)
"""
NEWEST = "An alert counts from the newest of what it rests on, bar or article."
LANDED = """
    select ts_ms, max(date_part(epoch_millisecond, first_landed_at))
    from (
        select payload:ts_ms::int as ts_ms, event_id, min(landed_at) as first_landed_at from raw.raw_bars
        where payload:timespan::varchar = 'minute' and payload:source::varchar = 'live' group by 1, 2
    )
    group by 1
"""


@dataclass
class Live:
    """What so many live minutes were like.

    Attributes:
        meter: over the measured minutes.
        idle: CPU seconds a second of ``BY_TASKS`` together, before anything was polled.
        polls: per run (minute's close in ms, tasks, first start, last end in ms, tasks that succeeded).
        missing, due: minute bars that are not on the topic, and that should be.
    """

    stamps: LatencyStamps
    meter: Meter
    idle: float
    polls: list[tuple[int, int, float, float, int]]
    missing: int
    due: int

    def tasks_per_second(self) -> float | None:
        """Of the poll tasks of a run: from the close, or the first that started after it, to the end of the last."""
        rates = [n / ((end - max(begun, close)) / 1000) for close, n, begun, end, _ in self.polls if end > close]
        return median(rates) if rates else None

    def ms_per_task(self, *names: str, idle: float = 0.0) -> float | None:
        """CPU milliseconds of these components for each poll task, less what they take when nothing is polled."""
        tasks = sum(n for _, n, *_ in self.polls)
        spent = sum(self.meter.spent.get(name, 0.0) for name in names) - idle * self.meter.seconds
        return ratio(1000 * spent, tasks)


def live(stage: Stage, minutes: int, *, first: int = FIRST_MINUTES, beside: bool = True, landed: bool = False) -> Live:
    """Poll, and measure ``minutes`` of it, until they have ``landed`` too. Polling goes on when this returns."""
    quiet = Meter(stage.stack).start()
    time.sleep(IDLE_SECONDS)
    idle = sum(quiet.stop().spent.get(name, 0.0) for name in BY_TASKS) / quiet.seconds
    since = {topic: stage.ends(topic) for topic in (broker.BARS, broker.NEWS, broker.ALERTS)}
    for dag_id in ("ingest_market_data", *(BESIDE if beside else ())):
        stage.airflow.unpause(dag_id)
    from_ms = next_minute_ms() + first * MINUTE_MS
    to_ms = from_ms + minutes * MINUTE_MS
    sleep_until(from_ms)
    stage.say(f"measuring {minutes} minutes")
    meter = Meter(stage.stack).start()
    sleep_until(to_ms)
    meter.stop()
    _settle(stage, to_ms, landed)
    stamps = LatencyStamps(from_ms, to_ms)
    stamps.read_bars(stage.kafka, since[broker.BARS])
    stamps.read_news(stage.kafka, since[broker.NEWS])
    stamps.read_alerts(stage.kafka, since[broker.ALERTS])
    expected = due(stage.polygon, stage.symbols, from_ms, to_ms)
    rows = stage.metadata(POLLS, (from_ms / 1000, to_ms / 1000))
    polls = [
        (round(1000 * close.timestamp()), tasks, 1000 * begun.timestamp(), 1000 * ended.timestamp(), good)
        for close, tasks, begun, ended, good in rows
        if begun and ended
    ]
    return Live(stamps, meter, idle, polls, len(stamps.missing(expected)), len(expected))


def _settle(stage: Stage, close_ms: int, landed: bool) -> None:
    """Return when a minute has been polled and detected, or when it has been waited for long enough."""

    def polled() -> bool:
        ((tasks, ended),) = stage.metadata(OPEN_POLLS, (close_ms / 1000,))
        return tasks == ended > 0

    for holds in (polled, lambda: not stage.lag(landed)):
        while time.time() < close_ms / 1000 + AFTER_SECONDS and not holds():
            time.sleep(0.5)


def symbols_500(stage: Stage, minutes: int) -> tuple[Result, Live]:
    measured, count = live(stage, minutes), len(stage.symbols)
    about = f"{count} symbols, a task each, every minute for {minutes} minutes; every other DAG runs too. {NEWEST}"
    return Result(
        f"symbols-{count}",
        about,
        [
            *spread("minute's close to bar on the topic", measured.stamps.after_close(), "s", max=30),
            Figure("bars of the vendor that are not on the topic", measured.missing, f"of {measured.due:,}", most=0),
            Figure("bars measured", len(measured.stamps.appended)),
            Figure("minutes polled", len(measured.polls), f"of {minutes}", least=minutes),
            Figure("CPU of both cores together, simulated vendor left out", 100 * measured.meter.share(), "%", most=60),
            *spread("bar on the topic to alert on the topic", measured.stamps.after_bar(), "s", p95=5),
            Figure("alerts", len(measured.stamps.alerts), "", least=1),
            *_tasks(measured),
        ],
        cpu=measured.meter.shares(),
    ), measured


def _tasks(measured: Live) -> list[Figure]:
    failed = sum(n - good for _, n, _, _, good in measured.polls)
    return [
        Figure("poll tasks a second, once the minute has closed", measured.tasks_per_second(), "1/s"),
        Figure("poll tasks that did not succeed", failed),
        Figure("CPU of a poll task in its worker", measured.ms_per_task("worker-poll"), "ms"),
        Figure(
            "CPU of a poll task in worker, scheduler, execution API, PostgreSQL and Redis, idle left out",
            measured.ms_per_task(*BY_TASKS, idle=measured.idle),
            "ms",
        ),
    ]


def stock(stage: Stage, minutes: int, ours: Live | None) -> Result:
    """Polling alone, by Airflow as it comes."""
    measured = live(stage, minutes, first=1, beside=False)
    figures = _tasks(measured)
    if ours:
        rate = ratio(ours.tasks_per_second(), measured.tasks_per_second())
        cost = ratio(measured.ms_per_task("worker-poll"), ours.ms_per_task("worker-poll"))
        figures += [
            Figure("tasks a second, the platform's over stock", rate, "x"),
            Figure("CPU of a task in its worker, stock over the platform's", cost, "x"),
        ]
    about = (
        f"{len(stage.symbols)} symbols for {minutes} minutes by the same DAG with Airflow's own settings: no warm-up, "
        "no fast lane, the database as result backend, the scheduler's defaults."
    )
    return Result(STOCK, about, figures, cpu=measured.meter.shares())


def market_11000(stage: Stage, minutes: int) -> Result:
    measured = live(stage, minutes, first=2, landed=True)
    closes = range(measured.stamps.from_ms + MINUTE_MS, measured.stamps.to_ms + 1, MINUTE_MS)
    landed = {ts_ms + MINUTE_MS: at for ts_ms, at in stage.warehouse(LANDED)}
    waits = [(landed[close] - close) / 1000 for close in closes if close in landed]
    whole = measured.stamps.whole_minutes()
    rows = [
        (
            f"{close // MINUTE_MS % 60:02d}",
            f"{wait:.1f}",
            f"{(landed[close] - close) / 1000:.1f}" if close in landed else "",
        )
        for close, wait in zip(closes, whole, strict=False)
    ]
    return Result(
        f"market-{len(stage.symbols)}",
        f"{len(stage.symbols):,} symbols by the vendor's snapshot, every minute for {minutes} minutes. {NEWEST}",
        [
            Figure("minute's close to its last alert on the topic, p95", quantile(whole, 0.95), "s", most=15),
            Figure("minute's close to its last alert on the topic, p50", quantile(whole, 0.5), "s"),
            *spread("minute's close to bar on the topic", measured.stamps.after_close(), "s"),
            *spread("bar on the topic to alert on the topic", measured.stamps.after_bar(), "s"),
            *spread("minute's close to all of its bars in the warehouse", waits, "s", max=60),
            Figure("minutes landed", len(waits), f"of {minutes}", least=minutes),
            Figure("bars of the vendor that are not on the topic", measured.missing, f"of {measured.due:,}", most=0),
            Figure("alerts", len(measured.stamps.alerts), "", least=1),
            Figure("CPU of both cores together, simulated vendor left out", 100 * measured.meter.share(), "%"),
        ],
        cpu=measured.meter.shares(),
        tables={"Each minute": [("minute", "last alert after s", "landed after s"), *rows]},
    )


def market_with_desks(stage: Stage, minutes: int, count: int, alone: Result) -> Result:
    """Measure the market again while so many desks are open, and compare it with how it was ``alone``."""
    address = f"http://{HOST}:{stage.environment['AIRFLOW__API__PORT']}"
    names = ("AIRFLOW_ADMIN_USER", "AIRFLOW_ADMIN_PASSWORD")
    token = sign_in(address, *(stage.environment[name] for name in names))
    with open_desks(address, token, count) as desks:
        result = market_11000(stage, minutes)
    result.name = name_with_desks(alone.name, count)
    result.about += (
        f" Meanwhile {count} pages of one headless Chromium on the same machine stood on the desk's queue, each with "
        "its own stream of changes; right before, the same was measured without them."
    )
    result.figures += [*compare(alone, result), *desks.figures()]
    return result


def name_with_desks(name: str, count: int) -> str:
    return f"{name}, {count} desks open"
