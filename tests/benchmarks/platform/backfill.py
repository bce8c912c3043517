"""``backfill``: 780,000 minute bars of 20 sessions through topics, detection and landing at once."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from include.surveillance import broker
from include.surveillance.broker import Position
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, write_utc
from tests.benchmarks.market import Market
from tests.benchmarks.platform.cpu import Meter
from tests.benchmarks.platform.figures import Figure, Result, ratio
from tests.benchmarks.platform.stage import Stage
from tests.ground import read_since

SYMBOLS, SESSIONS, SESSION_MINUTES = 100, 20, 390
# Recorded after those that are measured, for a profile.
FURTHER = 3
# The day on which the recording ends: a replay lies 60 minutes into its last session.
LAST_MS = 1_780_000_000_000
LAND_EVERY_SECONDS = 10
WORKERS = ("worker-poll", "worker-detect", "worker-batch")


def record(file: Path, sessions: int = SESSIONS) -> list[str]:
    """Write a recording of so many whole sessions, ``FURTHER`` and the one that is going on; returns its symbols."""
    whole = [
        session
        for session in Sessions("XNYS").recent(2 * sessions + 20, LAST_MS)
        if session.close_ms - session.open_ms == SESSION_MINUTES * MINUTE_MS
    ][-sessions - FURTHER - 1 :]
    market = Market(SYMBOLS)
    names = np.array([symbol for symbol, _ in market.keys])
    parts = []
    for session in whole:
        bars = market.bars(SESSION_MINUTES)
        starts = session.open_ms + MINUTE_MS * np.repeat(np.arange(SESSION_MINUTES), SYMBOLS)
        values = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
        parts.append(pd.DataFrame({"symbol": names[bars.code], "ts_ms": starts, **values}))
    table = pd.concat(parts, ignore_index=True).assign(vwap=np.nan, trades=np.nan, timespan="minute")
    table.to_parquet(file)
    return names.tolist()


def backfill(stage: Stage, sessions: int = SESSIONS) -> Result:
    bars = SYMBOLS * sessions * SESSION_MINUTES
    since = stage.ends(broker.BARS, broker.METRICS)
    meter = Meter(stage.stack, every=5).start()
    began, run_id = time.time(), _ask(stage, _opens(stage)[:sessions])
    query = "select (select count(*) from raw.raw_bars), (select count(*) from raw.raw_metrics)"
    stage.until(lambda: min(stage.warehouse(query)[0]) >= bars, 900, f"{bars:,} bars and metrics landed")
    landed_s = time.time()
    meter.stop()
    stage.airflow.wait("backfill_market_data", run_id, 120)
    bar_times, metric_times = (
        _times(stage, {position: offset for position, offset in since.items() if position[0] == topic})
        for topic in (broker.BARS, broker.METRICS)
    )
    begun_s = bar_times[0]
    stages = {
        "published": bar_times[1],
        "detected": metric_times[1],
        "landed": landed_s,
    }
    spent, memory = sum(meter.spent.values()), sorted(meter.memory.items())
    return Result(
        "backfill",
        f"{SYMBOLS} symbols, {sessions} XNYS sessions of minute bars, {bars:,} in all, by DAG backfill_market_data.",
        [
            Figure(
                "bars a second from the first on the topic to the last landed",
                bars / (landed_s - begun_s),
                "1/s",
                least=15_000,
            ),
            Figure("start-up: asked for to the first on the topic", begun_s - began, "s"),
            Figure("CPU for a bar, all components together", 1e6 * spent / bars, "us"),
            Figure("workers' memory, peak of the second half over that of the first", _growth(meter), "x", most=1.25),
        ],
        cpu=meter.shares(),
        tables={
            "Stages": [
                ("stage", "s after the first bar", "bars/s so far"),
                *((name, f"{end - begun_s:.1f}", f"{bars / (end - begun_s):,.0f}") for name, end in stages.items()),
            ],
            "Memory, MB (PSS)": [
                ("component", "first", "peak", "last"),
                *((name, *(f"{mb:.0f}" for mb in (mbs[0], max(mbs), mbs[-1]))) for name, mbs in memory),
            ],
        },
        notes=[f"Landing ran every {LAND_EVERY_SECONDS} s. The clock is read every half second at its end."],
    )


def backfill_further(stage: Stage, sessions: int) -> None:
    """Bring in what was recorded after the measured sessions."""
    run_id = _ask(stage, _opens(stage)[sessions:-1])
    stage.airflow.wait("backfill_market_data", run_id, 300)
    stage.drain(300)


def _ask(stage: Stage, opens: list[int]) -> str:
    shift = int(stage.environment["MARKET_SHIFT_MS"])
    span = {"from": write_utc(opens[0] + shift), "to": write_utc(opens[-1] + shift + SESSION_MINUTES * MINUTE_MS)}
    asked = {"symbols": stage.symbols, "timespan": "minute", "chunk_days": 30, "news": False, **span}
    return stage.airflow.trigger("backfill_market_data", asked)


def _opens(stage: Stage) -> list[int]:
    """When the recorded sessions opened, ms; the last is going on."""
    table = pd.read_parquet(stage.stack.market.file, columns=["ts_ms"])["ts_ms"].drop_duplicates().sort_values()
    return table.iloc[::SESSION_MINUTES].tolist()


def _times(stage: Stage, since: dict[Position, int]) -> tuple[float, float]:
    """When the first and the last message after ``since`` were appended, epoch s."""
    stored = [message.timestamp_ms for message in read_since(stage.kafka, since)]
    return min(stored) / 1000, max(stored) / 1000


def _growth(meter: Meter) -> float | None:
    series = [samples for name, samples in meter.memory.items() if name.startswith(WORKERS)]
    count = min(map(len, series), default=0)
    together = [sum(samples[i] for samples in series) for i in range(count)]
    return ratio(max(together[count // 2 :]), max(together[: count // 2])) if count > 3 else None
