"""An alert from the log: its inputs are read again, and it is reproduced or the difference is said."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from include.surveillance import broker, wire
from include.surveillance.broker import Batch, Received
from include.surveillance.cli import app
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.places import Place
from include.surveillance.records import Alert, Bar
from include.surveillance.sessions import Sessions
from include.surveillance.studies import explanation
from include.surveillance.studies.explanation import explain_from_log, parse_symbol
from include.surveillance.timespans import MINUTE_MS

OPEN = 1_550_154_600_000
SESSIONS, BOOK = Sessions(), ParameterBook().replaced(alerting_form="literal")


def bar(minute: int, volume: int = 1000, symbol: str = "KO") -> Bar:
    ts_ms = OPEN + minute * MINUTE_MS
    return Bar(
        symbol=symbol,
        timespan="minute",
        ts_ms=ts_ms,
        open=50,
        high=50,
        low=50,
        close=50,
        volume=Decimal(volume),
        source="live",
        polled_ms=ts_ms + 90_000,
    )


BARS = [
    *(bar(minute, symbol=symbol) for minute in range(20) for symbol in ("KO", "PEP")),
    *(bar(m, 9000) for m in (20, 21)),
]


class Log:
    """Kafka's topics as lists, one partition each."""

    def __init__(self, **topics: list):
        self.topics = topics

    def read_all(self, kafka, positions, **_) -> Iterator[Batch]:
        yield self.read(positions)

    def read(self, positions) -> Batch:
        messages, ends = [], {}
        for (topic, partition), start in positions.items():
            records = self.topics.get(topic, []) if partition == 0 else []
            ends[topic, partition] = Place(len(records))
            for offset in range(start.offset if start else 0, len(records)):
                record = records[offset]
                messages.append(Received(topic, partition, offset, offset, record.symbol, wire.encode(record)))
        return Batch(messages, ends)


class Reader:
    """Reads the log once, from its beginning, and then finds nothing more."""

    def __init__(self, log: Log, positions):
        self.batch, self.places = log.read(positions), {}

    def read(self, limit: int) -> Batch:
        batch, self.batch = self.batch, Batch([], self.batch.places)
        self.places = batch.places
        return batch

    def close(self) -> None:
        pass


@pytest.fixture
def log(monkeypatch) -> Log:
    detection = detect_records(Engine(BOOK, SESSIONS), State("sketch"), BARS)
    log = Log(**{broker.BARS: BARS, broker.ALERTS: list(detection.alerts)})
    monkeypatch.setattr(broker, "read_all", log.read_all)
    monkeypatch.setattr(broker, "partitions_of", lambda kafka, topic: [0, 1])
    monkeypatch.setattr(explanation.intake, "Reader", lambda kafka, positions, **_: Reader(log, positions))
    monkeypatch.setattr(explanation, "read_background", lambda kafka: (CorporateActions(), []))
    return log


def explain(log: Log):
    alert_id = log.topics[broker.ALERTS][0].event_id
    return explain_from_log({}, alert_id, sessions=SESSIONS, book=BOOK)


def test_an_alert_is_reproduced_from_the_log(log):
    explained = explain(log)
    # Fired at the first burst, published again at the second.
    assert [row["status"] for row in explained.stored] == ["fired", "refired"]
    assert explained.differences == []
    assert all(event_id in explained.inputs for event_id in explained.stored[0]["event_ids"])


def test_one_bit_of_difference_is_told_by_field(log):
    first, *others = log.topics[broker.ALERTS]
    log.topics[broker.ALERTS] = [replace(first, threshold=first.threshold + 2**-40), *others]
    differences = explain(log).differences
    assert len(differences) == 1
    assert differences[0].startswith("threshold (row 1 of 2): stored ")


def test_a_message_that_is_missing_is_told(log):
    del log.topics[broker.ALERTS][1]
    assert explain(log).differences == ["stored 1 times, reproduced 2 times"]


def test_bars_that_are_no_longer_kept_are_told(log):
    log.topics[broker.BARS] = [one for one in BARS if one.symbol == "PEP"]
    with pytest.raises(ConfigurationError, match="has no bar of KO any more"):
        explain(log)
    log.topics[broker.BARS] = BARS[-10:]
    assert explain(log).reproduced == []


def test_an_unknown_alert_is_told(log):
    with pytest.raises(ConfigurationError, match="has no alert 'price_gap"):
        explain_from_log({}, "price_gap|KO|minute|1|v1", sessions=SESSIONS, book=BOOK)


def test_the_command_reads_the_log(log, tmp_path):
    (tmp_path / "none.yaml").write_text("{base: {rules: literal}, overrides: []}")
    alert: Alert = log.topics[broker.ALERTS][0]
    options = ["--kafka", "somewhere:9092", "--params", str(tmp_path / "none.yaml")]
    result = CliRunner().invoke(app, ["explain", alert.event_id, *options])
    assert result.exit_code == 0, result.output
    assert "Reproduced bit for bit: 2 of 2" in result.output
    assert alert.explanation.split(",")[0] in result.output


def test_the_symbol_is_in_the_id():
    assert parse_symbol("price_gap|BRK.B|minute|1550154600000|v1") == "BRK.B"
