"""Why an alert was raised: the same run once more on its symbol alone, held against what was stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker, wire
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.cells import texts
from include.surveillance.files.tables import as_file_error, batches
from include.surveillance.live import intake
from include.surveillance.records import Alert, Bar, Dividend, NewsItem, Profile, Split, TickerChange
from include.surveillance.sessions import Sessions

Row = Mapping[str, Any]
LIMIT = 200_000  # messages per read


class Explained(NamedTuple):
    """Messages or rows of one alert, oldest first.

    Attributes:
        stored: what was raised then; empty when nothing of the kind was found.
        again: what the same inputs raise now.
        inputs: bars and news of the symbol, by ``event_id``; what they hold beside it.
    """

    stored: list[Row]
    again: list[Row]
    inputs: dict[str, Row]

    @property
    def differences(self) -> list[str]:
        """One line per field that differs; empty when all is reproduced bit for bit."""
        if len(self.stored) != len(self.again):
            counts = f"stored {len(self.stored)} times, reproduced {len(self.again)} times"
            return [counts, *_differences(self.stored[:1], self.again[:1])]
        return _differences(self.stored, self.again)


def symbol_of(alert_id: str) -> str:
    """
    Raises:
        ConfigurationError: not the id of an alert.
    """
    parts = alert_id.split("|")
    if len(parts) < 5 or not all(parts[:3]):
        raise ConfigurationError(
            f"{alert_id!r} is no alert's id; it reads rule|symbol|timespan|start|version, e.g. "
            "'price_gap|KO|minute|1550154600000|v1', and needs quotes in a shell"
        )
    return parts[1]


def rows_of(path: Path, column: str, value: str) -> pa.Table:
    """The rows of a file whose text in ``column`` is ``value``, as the file has them.

    Raises:
        ConfigurationError: the file cannot be read or lacks the column.
    """
    found = []
    with as_file_error(path):
        for batch in batches(path, [column], []):
            text, _, _ = texts(batch[column].combine_chunks())
            found.append(batch.filter(pc.fill_null(pc.equal(text.cast(pa.string()), value), False)))
    return pa.concat_tables(found) if found else pa.table({column: pa.array([], pa.string())})


def stored_rows(alerts: Path, alert_id: str) -> list[Row]:
    """The rows of an alert in a file that ``replay`` wrote."""
    return rows_of(alerts, "event_id", alert_id).to_pylist()


class SymbolFile:
    """The rows of one symbol in a file of their own, until closed; for an event of the market, the file itself."""

    def __init__(self, path: Path, symbol: str):
        self._folder = TemporaryDirectory(prefix="explain-")
        self.folder = Path(self._folder.name)
        self.path = self.folder / "bars.parquet"
        if symbol == MARKET:
            self.path = path
            return
        rows = rows_of(path, "symbol", symbol)
        if not rows.num_rows:
            self._folder.cleanup()
            raise ConfigurationError(f"{path} has no bar of {symbol}; give the file that the alert was raised on")
        pq.write_table(rows, self.path)

    def __enter__(self) -> SymbolFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def from_log(kafka: Kafka, alert_id: str, *, partitions: int, sessions: Sessions, book: ParameterBook) -> Explained:
    """Read the alert, its symbol's bars and news and the baselines from Kafka, and run detection on them.

    Raises:
        BrokerError: Kafka cannot be reached.
        ConfigurationError: no alert of that id is in the log, or no bar of its symbol is left.
    """
    symbol = symbol_of(alert_id)
    positions: dict[Position, int | None] = {(broker.ALERTS, partition): None for partition in range(partitions)}
    messages = [message for message in _all(kafka, positions) if message.key in ("", symbol)]
    found = [(message, wire.decode(message.value)) for message in messages]
    found = [(message, alert) for message, alert in found if isinstance(alert, Alert) and alert.event_id == alert_id]
    if not found:
        raise ConfigurationError(f"topic {broker.ALERTS} has no alert {alert_id!r}; it keeps 30 days")
    partition = found[0][0].partition
    records = _log_of(kafka, partition, symbol)
    if not any(isinstance(record, Bar) for record in records):
        raise ConfigurationError(f"topic {broker.BARS} has no bar of {symbol} any more; it keeps 35 days")
    known = [wire.decode(value) for value in broker.read_compacted(kafka, broker.BASELINES).values()]

    def of(kind: type) -> tuple:
        return tuple(record for record in known if isinstance(record, kind) and record.symbol == symbol)

    actions = CorporateActions(of(Split), of(Dividend), of(TickerChange))
    detection = detect_records(Engine(book, sessions, actions, of(Profile)), State("sketch"), records)
    again = [structs.asdict(alert) for alert in detection.alerts if alert.event_id == alert_id]
    stored = [structs.asdict(alert) for _, alert in found]
    inputs = {record.event_id: structs.asdict(record) for record in records if isinstance(record, Bar | NewsItem)}
    return Explained(stored, again, inputs)


def _log_of(kafka: Kafka, partition: int, symbol: str) -> list:
    """The symbol's bars, watermarks and news in the order in which detection takes them."""
    start = {(topic, partition): None for topic in (broker.BARS, broker.NEWS)}
    records: list = []
    with intake.Intake(kafka, start) as log:
        while messages := log.read(LIMIT).messages:
            records += [record for record in intake.decode_messages(messages).records if record.symbol == symbol]
    return records


def _all(kafka: Kafka, positions: dict[Position, int | None]) -> list[broker.Received]:
    messages: list[broker.Received] = []
    while (batch := broker.read(kafka, positions)).messages:
        messages += batch.messages
        positions = dict(batch.next_offsets)
    return messages


def _differences(stored: Sequence[Row], again: Sequence[Row]) -> list[str]:
    found = []
    for number, (then, now) in enumerate(zip(stored, again, strict=True)):
        of = "" if len(stored) == 1 else f" (row {number + 1} of {len(stored)})"
        for name in dict.fromkeys([*then, *now]):
            if not _same(then.get(name), now.get(name)):
                found.append(f"{name}{of}: stored {then.get(name)!r}, reproduced {now.get(name)!r}")
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    # NaN is the same as NaN here, and 1 is not 1.0.
    return type(one) is type(other) and (one == other or (one != one and other != other))
