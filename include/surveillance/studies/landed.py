"""Explains an alert from what has landed in the warehouse alone: neither Kafka nor the page's database is asked."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import TypeVar

from msgspec import structs
from snowflake.connector import SnowflakeConnection

from include.surveillance import wire
from include.surveillance.broker import Received
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.live import intake
from include.surveillance.live.history import is_history
from include.surveillance.live.predecessors import carry_on
from include.surveillance.records import (
    Alert,
    Bar,
    Dividend,
    NewsItem,
    ParametersVersion,
    Profile,
    Record,
    ScheduledEvent,
    Split,
    TickerChange,
    Watermark,
)
from include.surveillance.sessions import Sessions
from include.surveillance.studies.explanation import Explained, check_alerts, parse_symbol
from include.surveillance.warehouse.records import read_messages

R = TypeVar("R", bound=Record)


def explain_from_warehouse(connection: SnowflakeConnection, alert_id: str, *, sessions: Sessions) -> Explained:
    """Read all that the alert rests on from schema RAW alone, and run detection on it.

    That is every message of its symbol's bars, watermarks and news, the corporate actions and profiles, and the
    parameters that it cites, as far as Kafka had them when it had the newest message about the alert.

    Raises:
        WarehouseError: the warehouse refused or was lost.
        ConfigurationError: something of this has not landed, or the alert is one of history.
    """
    symbol, messages = parse_symbol(alert_id), read_messages(connection, Alert, event_id=alert_id)
    if not messages:
        raise ConfigurationError(f"RAW_ALERTS has no alert {alert_id!r}; see whether land_raw has come so far")
    told, until_ms, partition = _decode_all(messages, Alert), messages[-1].timestamp_ms, messages[-1].partition
    if is_history(told[-1]):
        raise ConfigurationError(
            f"{alert_id} was judged as history, with profiles of all bars of its partition; explain it with --kafka or "
            "with files"
        )
    book = _read_book(connection, told[-1].parameters_version)
    actions = _read_landed_actions(connection, until_ms)
    symbols = actions.tickers.related(symbol)
    # One that detection has taken back since was in force then.
    profiles = _decode_newest(read_messages(connection, Profile, symbols=symbols, until_ms=until_ms), Profile)
    engine = Engine(book, sessions, actions, profiles, judges="live")
    consumed = read_messages(connection, Bar, Watermark, NewsItem, symbols=symbols, until_ms=until_ms)
    own = _order_as_consumed([message for message in consumed if message.partition == partition])
    records = intake.decode_messages(own).records
    if not any(isinstance(record, Bar) for record in records):
        raise ConfigurationError(f"RAW_BARS has no bar of {symbol}; see RAW_DAYS")

    def read_elsewhere(names: set[str]) -> list[Received]:
        others = read_messages(connection, Bar, symbols=names, until_ms=until_ms)
        return [message for message in others if message.partition != partition]

    state = carry_on(engine, State("sketch"), records, read_elsewhere)
    raised = [alert for alert in detect_records(engine, state, records).alerts if alert.event_id == alert_id]
    ids = {event_id for alert in raised for event_id in alert.event_ids}
    inputs: dict[str, Record] = {record.event_id: record for record in records if record.event_id in ids}
    stored, reproduced = ([structs.asdict(alert) for alert in alerts] for alerts in (told, raised))
    return Explained(stored, reproduced, inputs, check_alerts(engine, raised, inputs))


def _read_book(connection: SnowflakeConnection, version: str) -> ParameterBook:
    described = read_messages(connection, ParametersVersion, event_id=f"parameters|{version}")
    if not described:
        raise ConfigurationError(f"RAW_PARAMETERS has no version {version}; detection publishes those that it uses")
    return ParameterBook.of_version(_decode_all(described, ParametersVersion)[-1])


def _order_as_consumed(messages: list[Received]) -> list[Received]:
    """Order messages of one partition, which are in the order of each topic, as detection consumes them."""
    ordered: list[tuple[int, Received]] = []
    for topic in sorted({message.topic for message in messages}):
        of_topic = [message for message in messages if message.topic == topic]
        ordered += zip(intake.list_latest(of_topic), of_topic, strict=True)
    return [message for _, message in sorted(ordered, key=itemgetter(0))]


def _read_landed_actions(connection: SnowflakeConnection, until_ms: int) -> CorporateActions:
    """Read the corporate actions as they were known then."""
    kinds = (Split, Dividend, TickerChange, ScheduledEvent)
    newest = {message.key: message.value for message in read_messages(connection, *kinds, until_ms=until_ms)}
    known = [wire.decode(value) for value in newest.values() if value is not None]

    def select(kind: type[R]) -> tuple[R, ...]:
        return tuple(record for record in known if isinstance(record, kind))

    return CorporateActions(select(Split), select(Dividend), select(TickerChange), select(ScheduledEvent))


def _decode_all(messages: Iterable[Received], kind: type[R]) -> list[R]:
    records = (wire.decode(message.value) for message in messages)
    return [record for record in records if isinstance(record, kind)]


def _decode_newest(messages: Iterable[Received], kind: type[R]) -> list[R]:
    return _decode_all({message.key: message for message in messages if message.value is not None}.values(), kind)
