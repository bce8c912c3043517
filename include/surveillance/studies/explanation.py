"""Explanation: run an alert's inputs through the rules again, and compare the result with the stored alert."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker, wire
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.side_files import read_actions
from include.surveillance.files.tables import as_file_error
from include.surveillance.instruments import Tickers
from include.surveillance.live import intake
from include.surveillance.live.background import read_background
from include.surveillance.live.history import carry_status, is_history, walk_partition
from include.surveillance.live.predecessors import adopt_series
from include.surveillance.records import Alert, Bar, NewsItem, Record, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.studies.evidence import EvidenceError, check_evidence, select_cited
from include.surveillance.studies.recorded import RecordedFiles, Recording, read_recording
from include.surveillance.studies.replay import replay_alert

Row = dict[str, Any]
LIMIT = 200_000  # messages per read


class Explained(NamedTuple):
    """Messages or rows of one alert, oldest first.

    Attributes:
        stored: the alert as it was raised then; empty where it was not stored.
        reproduced: the alert as the same inputs raise it now.
        inputs: what the alert cites, by ``event_id``.
        unsupported: one line per message whose value or threshold does not follow from what it cites.
    """

    stored: list[Row]
    reproduced: list[Row]
    inputs: dict[str, Record]
    unsupported: list[str]

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
                # A literal replay stores some of an alert's fields only.
                for name in then
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
    # A series may go on from another ticker.
    tickers = Tickers(read_actions(None, None, files.ticker_changes).ticker_changes)
    if symbol != MARKET and tickers.related(symbol) == {symbol}:
        files = replace(files, only=symbol)
    recording = read_recording(files, sessions, with_profiles=book.base.uses_profiles)
    if not len(recording.bars):
        raise ConfigurationError(f"{files.bars} has no bar of {symbol}; give the file that the alert was raised on")
    raised = replay_alert(recording, alert_id, book=book, percentiles=percentiles)
    inputs = _cited_records(recording, raised)
    unsupported = check_alerts(recording.engine(book), raised, inputs)
    return Explained(stored, [structs.asdict(alert) for alert in raised], inputs, unsupported)


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
    partition, newest = messages[-1]
    if is_history(newest):
        return _explain_history(kafka, partition, newest, sessions=sessions, book=book)
    engine = Engine(book, sessions, *read_background(kafka), judges="live")
    records = _symbol_records(kafka, partition, engine.actions.tickers.related(symbol))
    if not any(isinstance(record, Bar) for record in records):
        raise ConfigurationError(f"topic {broker.BARS} has no bar of {symbol} any more; it keeps 35 days")
    state = adopt_series(kafka, partition, engine, State("sketch"), records)
    raised = [alert for alert in detect_records(engine, state, records).alerts if alert.event_id == alert_id]
    ids = {event_id for alert in raised for event_id in alert.event_ids}
    inputs: dict[str, Record] = {record.event_id: record for record in records if record.event_id in ids}
    stored = [structs.asdict(alert) for _, alert in messages]
    reproduced = [structs.asdict(alert) for alert in raised]
    return Explained(stored, reproduced, inputs, check_alerts(engine, raised, inputs))


def _explain_history(
    kafka: Kafka, partition: int, told: Alert, *, sessions: Sessions, book: ParameterBook
) -> Explained:
    """Judge the partition's history anew, and compare what it says of the alert last with what is told of it last."""
    walk = walk_partition(kafka, partition, sessions=sessions, book=book)
    raised = [alert for alert in walk.alerts if alert.event_id == told.event_id][-1:]
    ids = {event_id for alert in raised for event_id in alert.event_ids}
    records = _symbol_records(kafka, partition, walk.engine.actions.tickers.related(told.symbol))
    inputs: dict[str, Record] = {record.event_id: record for record in records if record.event_id in ids}
    # That it was corrected since, a message says of itself.
    reproduced = [structs.asdict(carry_status(told, alert)) for alert in raised]
    return Explained([structs.asdict(told)], reproduced, inputs, check_alerts(walk.engine, raised, inputs))


def _stored_rows(alerts: Path, alert_id: str) -> list[Row]:
    """Return the rows of an alert, with all their columns."""
    with as_file_error(alerts):
        rows = pq.read_table(alerts, filters=[("event_id", "=", alert_id)])
    return rows.to_pylist()


def _cited_records(recording: Recording, alerts: list[Alert]) -> dict[str, Record]:
    """Return the records of a recording that alerts cite, by ``event_id``."""
    ids, bars = {event_id for alert in alerts for event_id in alert.event_ids}, recording.bars
    cited: dict[str, Record] = {item.event_id: item for item in recording.news if item.event_id in ids}
    for at, event_id in enumerate(bars.event_ids(slice(None))):
        if event_id in ids:
            (cited[event_id],) = bars.take(slice(at, at + 1)).to_records()
    return cited


def check_alerts(engine: Engine, alerts: list[Alert], inputs: Mapping[str, Record]) -> list[str]:
    """Recompute alerts from what they cite; return one line for each that does not follow from it."""
    lines = []
    for alert in alerts:
        if alert.symbol == MARKET:  # It rests on alerts, each of which can be explained.
            continue
        parameters, _, _ = engine.in_force((alert.symbol, alert.timespan), alert.ts_ms)
        key = engine.succession.key
        series = key(alert.symbol, alert.timespan, alert.ts_ms)
        # A profile may be one of the ticker before.
        own = (it for it in engine.profiles if key(it.symbol, it.timespan, it.effective_ms) == series)
        profiles = {profile.version: profile for profile in own}
        try:
            check_evidence(select_cited(alert, inputs, profiles, parameters, engine.actions, engine.calendar))
        except EvidenceError as error:
            lines.append(str(error))
    return lines


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


def _symbol_records(kafka: Kafka, partition: int, symbols: Collection[str]) -> list[Bar | Watermark | NewsItem]:
    """Read the symbols' bars, watermarks and news in the order in which detection consumes them."""
    start = {(topic, partition): None for topic in (broker.BARS, broker.NEWS)}
    records: list[Bar | Watermark | NewsItem] = []
    with intake.Intake(kafka, start) as log:
        while messages := log.read(LIMIT).messages:
            records += [record for record in intake.decode_messages(messages).records if record.symbol in symbols]
    return records


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    # NaN is the same as NaN here, and 1 is not 1.0.
    return type(one) is type(other) and (one == other or (one != one and other != other))
