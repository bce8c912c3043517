"""Gives a series that goes on under a new ticker what it had under the old one, whose bars another partition has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from include.surveillance import broker
from include.surveillance.broker import Kafka, Received
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.state import State
from include.surveillance.live.intake import decode_messages
from include.surveillance.records import Bar, Record


def adopt_series(kafka: Kafka, partition: int, engine: Engine, state: State, records: Iterable[Record]) -> State:
    """Return the state with the series that bars among these records carry on and it does not have yet.

    They are made of the log: of all bars of the instrument's earlier tickers, each in the partition of its ticker, and
    of those of this partition that the state has behind it. ``state`` itself where there is none.
    """
    behind = state.places.get(broker.BARS)
    ends = {partition: behind.offset if behind else 0}
    return carry_on(engine, state, records, lambda names: read_symbols(kafka, names, ends))


def carry_on(
    engine: Engine, state: State, records: Iterable[Record], read: Callable[[set[str]], list[Received]]
) -> State:
    """Do that with the messages that ``read`` returns of some tickers' bars."""
    missing = _list_missing(engine, state, records)
    if not missing:
        return state
    names = {name for holder, _ in missing for _, name in engine.actions.tickers.names(holder)}
    bars = [
        bar
        for bar in decode_messages(read(names)).records
        if isinstance(bar, Bar) and engine.succession.key(bar.symbol, bar.timespan, bar.ts_ms) in missing
    ]
    found, adopted = detect_records(engine, State(state.percentiles), bars).state, state.copy()
    for key in sorted(missing & found.rows.keys()):
        part = found.copy_rows(found.rows_for([key]))
        adopted.write_rows(adopted.rows_for([key]), part)
    return adopted


def read_symbols(kafka: Kafka, symbols: Collection[str], ends: Mapping[int, int]) -> list[Received]:
    """Read all messages of bars of some symbols, in the order in which Kafka stored them.

    Args:
        ends: partition -> the offset before which its messages end; of the others all are read.
    """
    count = len(broker.partitions_of(kafka, broker.BARS))
    partitions = {broker.choose_partition(symbol, count) for symbol in symbols}
    found: list[Received] = []
    for partition in partitions:
        end = ends.get(partition)
        if end == 0:
            continue
        for batch in broker.read_all(kafka, {(broker.BARS, partition): None}):
            found += [it for it in batch.messages if it.key in symbols and (end is None or it.offset < end)]
    return sorted(found, key=lambda it: (it.timestamp_ms, it.partition, it.offset))


def _list_missing(engine: Engine, state: State, records: Iterable[Record]) -> set[SeriesKey]:
    """List the series that bars carry on under another ticker than their first, and that the state lacks."""
    if not engine.actions.tickers:
        return set()
    missing = set()
    for bar in records:
        if isinstance(bar, Bar) and engine.actions.tickers.tenures(bar.symbol):
            key = engine.succession.key(bar.symbol, bar.timespan, bar.ts_ms)
            if key not in state.rows and len(engine.actions.tickers.names(key[0])) > 1:
                missing.add(key)
    return missing
