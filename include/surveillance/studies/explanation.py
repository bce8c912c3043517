"""Explanation: run an alert's inputs through the rules again, and compare the result with the stored alert."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker, wire
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import read_bars
from include.surveillance.files.tables import as_file_error
from include.surveillance.live import intake
from include.surveillance.live.background import read_background
from include.surveillance.records import Alert, Bar, NewsItem, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.studies.replay import replay_files

Row = dict[str, Any]
LIMIT = 200_000  # messages per read


class Explained(NamedTuple):
    """Messages or rows of one alert, oldest first.

    Attributes:
        stored: the alert as it was raised then; empty where it was not stored.
        reproduced: the alert as the same inputs raise it now.
        inputs: bars and news of the symbol, by ``event_id``.
    """

    stored: list[Row]
    reproduced: list[Row]
    inputs: dict[str, Row]

    @property
    def differences(self) -> list[str]:
        """One line per field that differs; empty when all is reproduced bit for bit."""
        pairs, lines = list(zip(self.stored, self.reproduced, strict=False)), []
        if len(self.stored) != len(self.reproduced):
            pairs = pairs[:1]
            lines = [f"stored {len(self.stored)} times, reproduced {len(self.reproduced)} times"]
        for number, (then, now) in enumerate(pairs):
            which = "" if len(pairs) == 1 else f" (row {number + 1} of {len(pairs)})"
            lines += [
                f"{name}{which}: stored {then.get(name)!r}, reproduced {now.get(name)!r}"
                for name in dict.fromkeys([*then, *now])
                if not _same(then.get(name), now.get(name))
            ]
        return lines


def parse_symbol(alert_id: str) -> str:
    """Return the symbol in an alert's id.

    Raises:
        ConfigurationError: this is not the id of an alert.
    """
    parts = alert_id.split("|")
    if len(parts) < 5 or not all(parts[:3]):
        raise ConfigurationError(
            f"{alert_id!r} is no alert's id; it reads rule|symbol|timespan|start|version, e.g. "
            "'price_gap|KO|minute|1550154600000|v1', and needs quotes in a shell"
        )
    return parts[1]


def explain_from_files(
    files: RecordedFiles,
    alert_id: str,
    *,
    alerts: Path | None,
    sessions: Sessions,
    book: ParameterBook,
    percentiles: Percentiles | None,
) -> Explained:
    """Replay the alert's symbol alone; for an event of the market, all symbols.

    Args:
        alerts: the ``alerts.parquet`` with the stored alert, as ``replay`` wrote it.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column, or has no bar of the symbol.
    """
    symbol, stored = parse_symbol(alert_id), _stored_rows(alerts, alert_id) if alerts else []
    if symbol != MARKET:
        files = replace(files, only=symbol)
    bars = read_bars(files.bars, files.reading, only=files.only).bars
    if not len(bars):
        raise ConfigurationError(f"{files.bars} has no bar of {symbol}; give the file that the alert was raised on")
    with TemporaryDirectory(prefix="explain-") as name:
        folder = Path(name)
        replay_files(files, folder, sessions=sessions, book=book, percentiles=percentiles)
        return Explained(stored, _stored_rows(folder / "alerts.parquet", alert_id), _bar_inputs(bars))


def form_of_replay(alerts: Path) -> RuleForm:
    """Say which form a replay that wrote a file of alerts ran: a literal one leaves out the ids of bars.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    with as_file_error(alerts):
        return "robust" if "event_ids" in pq.read_schema(alerts).names else "literal"


def explain_from_log(kafka: Kafka, alert_id: str, *, sessions: Sessions, book: ParameterBook) -> Explained:
    """Read the alert, its symbol's bars and news and the background from Kafka, and run detection on them.

    Raises:
        BrokerError: Kafka cannot be reached.
        ConfigurationError: the log has no alert of that id, or no bar of its symbol any more.
    """
    symbol = parse_symbol(alert_id)
    messages = _alert_messages(kafka, alert_id, symbol)
    if not messages:
        raise ConfigurationError(f"topic {broker.ALERTS} has no alert {alert_id!r}; it keeps 30 days")
    records = _symbol_records(kafka, messages[0][0], symbol)
    if not any(isinstance(record, Bar) for record in records):
        raise ConfigurationError(f"topic {broker.BARS} has no bar of {symbol} any more; it keeps 35 days")
    detection = detect_records(Engine(book, sessions, *read_background(kafka)), State("sketch"), records)
    return Explained(
        [structs.asdict(alert) for _, alert in messages],
        [structs.asdict(alert) for alert in detection.alerts if alert.event_id == alert_id],
        {record.event_id: structs.asdict(record) for record in records if isinstance(record, Bar | NewsItem)},
    )


def _stored_rows(alerts: Path, alert_id: str) -> list[Row]:
    """Return the rows of an alert, with all their columns."""
    with as_file_error(alerts):
        rows = pq.read_table(alerts, filters=[("event_id", "=", alert_id)])
    return rows.to_pylist()


def _bar_inputs(bars: BarColumns) -> dict[str, Row]:
    names = ("ts", "open", "high", "low", "close", "volume")
    columns = zip(*(getattr(bars, name).tolist() for name in names), strict=True)
    return {bars.event_id(at): dict(zip(("ts_ms", *names[1:]), row, strict=True)) for at, row in enumerate(columns)}


def _alert_messages(kafka: Kafka, alert_id: str, symbol: str) -> list[tuple[int, Alert]]:
    """Return the partition and the alert of each message about an alert, in the order of the log."""
    messages, partitions = [], broker.partitions_of(kafka, broker.ALERTS)
    for batch in broker.read_all(kafka, {(broker.ALERTS, partition): None for partition in partitions}):
        for message in batch.messages:
            if message.key in ("", symbol):
                alert = wire.decode(message.value)
                if isinstance(alert, Alert) and alert.event_id == alert_id:
                    messages.append((message.partition, alert))
    return messages


def _symbol_records(kafka: Kafka, partition: int, symbol: str) -> list[Bar | Watermark | NewsItem]:
    """Read the symbol's bars, watermarks and news in the order in which detection consumes them."""
    start = {(topic, partition): None for topic in (broker.BARS, broker.NEWS)}
    records: list[Bar | Watermark | NewsItem] = []
    with intake.Intake(kafka, start) as log:
        while messages := log.read(LIMIT).messages:
            records += [record for record in intake.decode_messages(messages).records if record.symbol == symbol]
    return records


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    # NaN is the same as NaN here, and 1 is not 1.0.
    return type(one) is type(other) and (one == other or (one != one and other != other))
