"""An alert explained from a real (embedded) warehouse alone: Kafka is not asked, and what is missing is said."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from include.surveillance import wire
from include.surveillance.broker import Received
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar, Record, Split
from include.surveillance.sessions import Sessions
from include.surveillance.studies.landed import explain_from_warehouse
from include.surveillance.warehouse.landing import stage_rows
from include.surveillance.warehouse.records import read_messages
from include.surveillance.warehouse.rows import make_rows, make_table
from include.surveillance.warehouse.schema import migrate_raw
from include.surveillance.warehouse.statements import statement
from tests.surveillance.cli.recordings import run as run_command
from tests.surveillance.detection.market import OPEN, bar, calm, news

SESSIONS = Sessions()
BOOK = ParameterBook.default().replaced(alerting_form="literal")


@pytest.fixture
def warehouse(launcher, monkeypatch):
    """A warehouse of the test's own, that the environment names."""
    database = f"EXPLAIN_{uuid.uuid4().hex[:8].upper()}"
    login = {"ACCOUNT": "local", "USER": "tester", "PASSWORD": "any", "HOST": "127.0.0.1", "PORT": launcher.port}
    for name, value in (login | {"DATABASE": database}).items():
        monkeypatch.setenv(f"SNOWFLAKE_{name}", str(value))
    with closing(launcher.connect(database=database)) as connection:
        migrate_raw(connection)
        yield connection


def live(records: list[Record]) -> list[Record]:
    return [replace(it, source="live") if isinstance(it, Bar) else it for it in records]


MARKET = live([*calm(40), bar(40, volume=9_000), news(39), *calm(5, 41)])


def store(connection, records: list[Record], first: int = 0, clock: Callable[[int], int] = int) -> None:
    """Store records as rows of one partition, in their order, each a millisecond after the one before."""
    messages = [
        Received(it.topic, 0, first + number, OPEN + clock(first + number), getattr(it, "symbol", ""), wire.encode(it))
        for number, it in enumerate(records)
    ]
    rows = make_rows(messages)
    with connection.cursor() as cursor:
        stage_rows(cursor, make_table(rows, datetime(2026, 1, 1, tzinfo=UTC)))
        for table in rows:
            cursor.execute(statement("insert_rows", table=table), {"table": table})


@pytest.fixture
def alerts(warehouse):
    """What detection has raised of a landed market, landed as well, with the parameters."""
    raised = detect_records(Engine(BOOK, SESSIONS, judges="live"), State("sketch"), MARKET).alerts
    store(warehouse, [*BOOK.describe(), *MARKET, *raised])
    return raised


def test_an_alert_is_reproduced_bit_for_bit(warehouse, alerts):
    assert {"abnormal_volume", "news_impact"} <= {alert.rule for alert in alerts}
    for alert_id in {alert.event_id for alert in alerts}:
        explained = explain_from_warehouse(warehouse, alert_id, sessions=SESSIONS)
        assert len(explained.stored) == sum(alert.event_id == alert_id for alert in alerts)
        assert (explained.differences, explained.unsupported) == ([], [])


def test_a_broker_whose_clock_has_stepped_back_does_not_change_the_order(warehouse):
    raised = detect_records(Engine(BOOK, SESSIONS, judges="live"), State("sketch"), MARKET).alerts
    store(warehouse, [*BOOK.describe(), *MARKET, *raised], clock=lambda ms: ms - 1_000 if 20 <= ms < 30 else ms)
    explained = explain_from_warehouse(warehouse, raised[0].event_id, sessions=SESSIONS)
    assert (len(explained.stored) > 0, explained.differences) == (True, [])


def test_one_bit_of_difference_is_told(warehouse, alerts):
    counts = Counter(alert.event_id for alert in alerts)
    last = next(alert for alert in alerts if counts[alert.event_id] == 1)
    store(warehouse, [replace(last, threshold=last.threshold + 2**-40)], first=10_000)
    differences = explain_from_warehouse(warehouse, last.event_id, sessions=SESSIONS).differences
    assert differences[0].startswith("stored ")
    warehouse.cursor().execute("delete from raw.raw_alerts where kafka_offset < 10000")
    (line,) = explain_from_warehouse(warehouse, last.event_id, sessions=SESSIONS).differences
    assert line.startswith("threshold: stored ")


def test_what_has_not_landed_is_named(warehouse, alerts):
    alert_id = alerts[0].event_id
    warehouse.cursor().execute("delete from raw.raw_parameters")
    with pytest.raises(ConfigurationError, match=f"RAW_PARAMETERS has no version {alerts[0].parameters_version}"):
        explain_from_warehouse(warehouse, alert_id, sessions=SESSIONS)
    store(warehouse, BOOK.describe())
    warehouse.cursor().execute("delete from raw.raw_bars")
    with pytest.raises(ConfigurationError, match="RAW_BARS has no bar of"):
        explain_from_warehouse(warehouse, alert_id, sessions=SESSIONS)
    warehouse.cursor().execute("delete from raw.raw_alerts")
    with pytest.raises(ConfigurationError, match="RAW_ALERTS has no alert"):
        explain_from_warehouse(warehouse, alert_id, sessions=SESSIONS)


def test_the_command_asks_the_warehouse(warehouse, alerts):
    result = run_command("explain", "--warehouse", alerts[0].event_id)
    assert result.exit_code == 0, result.output
    assert "Reproduced bit for bit" in result.output
    result = run_command("explain", "--warehouse", alerts[0].event_id, kafka="127.0.0.1:9")
    assert (result.exit_code, "or --warehouse" in result.output) == (1, True)


def test_messages_come_back_as_they_lay_on_the_log(warehouse):
    splits = [Split(symbol=symbol, execution_date="2026-03-09", split_from=1, split_to=2) for symbol in ("A", "AA")]
    store(warehouse, [*splits, *MARKET])
    read = read_messages(warehouse, Split, symbols=["A"])
    assert [(it.topic, it.partition, it.offset, it.timestamp_ms) for it in read] == [(Split.topic, 0, 0, OPEN)]
    assert wire.decode(read[0].value) == splits[0]
    assert len(read_messages(warehouse, Split, until_ms=OPEN)) == 1
    assert [it.offset for it in read_messages(warehouse, Bar)] == [
        2 + number for number, it in enumerate(MARKET) if isinstance(it, Bar)
    ]
