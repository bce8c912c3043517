"""The measurements. Every function returns numbers ready for JSON; times are wall clock, in seconds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.detection.state import State
from include.surveillance.sessions import Sessions
from tests.benchmarks import pandas_rules
from tests.benchmarks.market import Market, columns, pieces, table

CHUNK = 1_000_000
TIMES = 5
FIRING = ["symbol", "timespan", "ts_ms", "rule", "direction"]


def literal_engine() -> Engine:
    return Engine(ParameterBook.default().replaced(alerting_form="literal"), Sessions())


def engine_rate(bars: BarColumns, history: str) -> dict[str, float]:
    """Bars per second of all literal rules of bars together, from an empty state, in chunks of CHUNK."""
    engine, parts = literal_engine(), pieces(bars, CHUNK)
    _stream(engine, parts[:1], history)
    times = [_timed(lambda: _stream(engine, parts, history)) for _ in range(TIMES)]
    return {
        "bars": len(bars),
        "series": len(bars.keys),
        "seconds": median(times),
        "bars_per_s": len(bars) / median(times),
    }


def against_pandas(bars: pd.DataFrame) -> dict[str, float]:
    """The same bars through the engine and through pandas.

    Raises:
        AssertionError: they do not fire at the same bars.
    """
    engine, whole = literal_engine(), columns(bars)
    engines: list[pd.DataFrame] = []

    def with_engine() -> None:
        engines[:] = [_firings(one) for one in _run(engine, [whole], "exact")]

    with_engine()
    seconds = median(_timed(lambda: _run(engine, [whole], "exact")) for _ in range(TIMES))
    expected: list[pd.DataFrame] = []
    pandas_seconds = _timed(lambda: expected.append(pandas_rules.firings(bars)))
    one, other = (pd.concat(part).sort_values(FIRING, ignore_index=True)[FIRING] for part in (engines, expected))
    pd.testing.assert_frame_equal(one, other, check_dtype=False)
    return {
        "bars": len(bars),
        "firings": len(one),
        "engine_bars_per_s": len(bars) / seconds,
        "pandas_bars_per_s": len(bars) / pandas_seconds,
        "ratio": pandas_seconds / seconds,
    }


def live_step(symbols: int, warm_bars: int) -> dict[str, float]:
    """One new bar of every symbol on a state that has seen ``warm_bars`` of each: load, detect, save."""
    market, engine, state = Market(symbols), literal_engine(), State("sketch")
    for bars in market.chunks(symbols * warm_bars, CHUNK):
        engine.evaluate(state, bars, state.rows_for(bars.keys))
    saved = state.to_bytes()
    in_memory = _array_bytes(vars(State.from_bytes(saved)))
    steps: list[tuple[float, float, float]] = []
    for _ in range(2 * TIMES + 1):
        new, started = market.bars(1), perf_counter()
        loaded = State.from_bytes(saved)
        at_loaded = perf_counter()
        engine.evaluate(loaded, new, loaded.rows_for(new.keys))
        at_detected = perf_counter()
        saved = loaded.to_bytes()
        steps.append((at_loaded - started, at_detected - at_loaded, perf_counter() - at_detected))
    load, detect, save = (1000 * median(part) for part in zip(*steps[1:], strict=True))
    return {
        "symbols": symbols,
        "warm_bars": warm_bars,
        "load_ms": load,
        "detect_ms": detect,
        "save_ms": save,
        "total_ms": 1000 * median(sum(step) for step in steps[1:]),
        "fastest_ms": 1000 * min(sum(step) for step in steps[1:]),
        "saved_bytes_per_symbol": len(saved) / symbols,
        "memory_bytes_per_symbol": in_memory / symbols,
    }


def flat_cost(bars: int, symbols: int) -> list[dict[str, float]]:
    """Nanoseconds per bar when one state is carried through ``bars`` bars, at each power of ten from 1e5 on.

    ``all`` is over every bar so far; ``latest`` over the newest chunk or two. Making the bars is not counted.
    """
    market, engine, state = Market(symbols), literal_engine(), State("sketch")
    _stream(engine, [Market(symbols).bars(50)], "sketch")
    done, spent, rows, mark = 0, 0.0, [], 100_000
    while done < bars:
        new = market.bars(max(1, min(mark - done, CHUNK) // symbols))
        latest = _timed(lambda new=new: engine.evaluate(state, new, state.rows_for(new.keys)))
        done, spent = done + len(new), spent + latest
        if done >= mark:
            sizes = {"saved_bytes_per_symbol": len(state.to_bytes()) / symbols}
            ns = {"all_ns": 1e9 * spent / done, "latest_ns": 1e9 * latest / len(new)}
            rows.append({"bars": done, "bars_a_symbol": done // symbols, **ns, **sizes})
            mark *= 10
    return rows


def _stream(engine: Engine, parts: Iterable[BarColumns], history: str) -> None:
    """Evaluate one part after the other and let its results go, as a detector does."""
    state = State(history)
    for part in parts:
        _ = engine.evaluate(state, part, state.rows_for(part.keys)).fresh_firings


def _run(engine: Engine, parts: Iterable[BarColumns], history: str) -> list[Evaluation]:
    state = State(history)
    return [engine.evaluate(state, part, state.rows_for(part.keys)) for part in parts]


def _firings(evaluation: Evaluation) -> pd.DataFrame:
    fired, bars = evaluation.fresh_firings, table(evaluation.scan.bars)
    named = bars.loc[fired.index, ["symbol", "timespan", "ts_ms"]].reset_index(drop=True)
    rules, directions = (np.array([kind[part] for kind in KINDS], dtype=object) for part in (0, 1))
    return named.assign(rule=rules[fired.kind], direction=directions[fired.kind])


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    started = perf_counter()
    work()
    return perf_counter() - started


def _array_bytes(held: object) -> int:
    if isinstance(held, np.ndarray):
        return held.nbytes
    if isinstance(held, dict):
        return sum(map(_array_bytes, held.values()))
    return sum(map(_array_bytes, held)) if isinstance(held, list) else 0
