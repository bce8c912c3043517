"""Rows of messages, without a warehouse. Landing itself: tests/integration/test_land.py."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import msgspec
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance import broker, wire
from include.surveillance.records import AnyRecord, Bar, Instrument, Split, Watermark
from include.surveillance.warehouse.rows import KINDS, LANDED, REJECTED_TABLE, make_rows, make_table
from include.surveillance.warehouse.statements import SQL

BAR = Bar(symbol="MSFT", timespan="minute", ts_ms=0, open=1, high=1, low=1, close=1, volume=Decimal(1))
WATERMARK = Watermark(symbol="MSFT", timespan="minute", from_ms=0, as_of_ms=60_000, bars=1)


SPLIT = Split(symbol="MSFT", execution_date="2026-03-09", split_from=1, split_to=2)


def message(
    value: bytes | None, *, offset: int = 7, topic: str = broker.BARS, key: str = "MSFT", **headers: str
) -> broker.Received:
    return broker.Received(topic, 2, offset, 1_773_063_000_123, key, value, headers)


def only(raw: bytes | None) -> tuple[str, str, bytes]:
    """Table, id and payload of the one row that a message becomes."""
    [(target, [row])] = make_rows([message(raw)]).items()
    return target, row.event_id, row.message.value


def test_a_bar_keeps_its_bytes_as_payload():
    raw = wire.encode(BAR)
    assert only(raw) == ("RAW_BARS", BAR.event_id, raw)


def test_a_field_of_a_later_version_is_kept():
    raw = wire.encode(BAR)[:-1] + b',"new_field":1}'
    assert json.loads(only(raw)[2])["new_field"] == 1


def test_a_watermark_has_a_row_of_its_own_table():
    raw = wire.encode(WATERMARK)
    assert only(raw) == ("RAW_WATERMARKS", WATERMARK.event_id, raw)


def test_what_was_taken_back_is_a_row_without_a_payload():
    [(target, [row])] = make_rows([message(None, topic=broker.BASELINES, key=SPLIT.event_id)]).items()
    assert (target, row.event_id, row.message.value) == ("RAW_CORPORATE_ACTIONS", SPLIT.event_id, None)
    assert make_table({target: [row]}, datetime(2026, 3, 9, tzinfo=UTC))["payload"].to_pylist() == [None]
    assert [*make_rows([message(None, topic=broker.BASELINES, key="nobody's")])] == [REJECTED_TABLE]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (None, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not JSON"),
        (b'{"kind":"bar","event_id":"x","note":"\xff"}', "not JSON"),
        (b'{"kind":"bar","event_id":"x","note":"\\ud800"}', "not JSON"),
        (b'{"kind":"bar","event_id":"x","px":1e999}', "not JSON"),
        (b'{"kind":"bar","event_id":"x","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
        (b'{"kind":"bar"}', "no event_id"),
        (b'{"kind":"bar","event_id":""}', "no event_id"),
        (b'{"kind":"bar","event_id":5}', "no event_id"),
        (b'{"event_id":"x"}', "unexpected kind"),
        (b'{"kind":["bar"],"event_id":"x"}', "unexpected kind"),
        (wire.encode(Instrument(symbol="MSFT", name="Microsoft")), "unexpected kind"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_reason(raw, reason):
    target, event_id, payload = only(raw)
    assert (target, event_id) == (REJECTED_TABLE, "reject|land|polygon.bars.raw|2|7")
    assert wire.decode(payload).reason == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
)


@given(
    JSON,
    st.integers(0, 200),
    st.sampled_from([b"", b"9" * 320, b"e999", b"\\ud800", b"\\q", b"\xff", b"\x01", b",", b"}"]),
)
def test_a_row_is_json_to_whoever_reads_it_whole(value, position, damage):
    raw = json.dumps({"kind": "bar", "event_id": "x", "value": value}).encode()
    raw = raw[:position] + damage + raw[position:]
    target, _, payload = only(raw)
    if target == "RAW_BARS":
        msgspec.json.decode(payload)
        payload.decode()


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_are_lost_and_none_stop_the_landing(raw):
    reject = wire.decode(only(raw)[2])
    kept = base64.b64decode(reject.raw) if reject.encoding == "base64" else reject.raw.encode()
    assert kept == raw


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 5)), max_size=20))
def test_each_message_is_a_row_in_the_order_of_the_log(events):
    messages = [
        message(json.dumps({"kind": "bar", "event_id": event, "n": n}).encode(), offset=offset)
        for offset, (event, n) in enumerate(events)
    ]
    rows = make_rows(messages).get("RAW_BARS", [])
    assert [(row.event_id, json.loads(row.message.value)["n"]) for row in rows] == events
    assert [row.message.offset for row in rows] == [*range(len(events))]


def test_a_table_of_rows_has_the_columns_that_the_copy_reads():
    rows = make_rows([message(wire.encode(BAR), polled_ms="5"), message(b"no JSON", offset=8)])
    table = make_table(rows, datetime(2026, 3, 9, 14, tzinfo=UTC))
    definition = sqlglot.parse_one((SQL / "create_incoming.sql").read_text(), read="snowflake")
    assert table.column_names == [column.name for column in definition.this.expressions]
    assert table["target"].to_pylist() == ["RAW_BARS", REJECTED_TABLE]
    assert table["payload"][0].as_py() == wire.encode(BAR).decode()
    assert table["headers"].to_pylist() == ['{"polled_ms":"5"}', None]
    assert table["kafka_timestamp"].to_pylist() == ["2026-03-09 13:30:00.123"] * 2
    assert table["landed_at"].to_pylist() == ["2026-03-09 14:00:00.000000"] * 2


def test_every_kind_of_record_lands_and_every_topic_but_that_of_the_state():
    assert set(LANDED) == set(get_args(AnyRecord))
    assert KINDS.keys() == {spec.name for spec in broker.TOPICS} - {broker.DETECTOR_STATE}
    assert {kind: table for kinds in KINDS.values() for kind, table in kinds.items()} == {
        "bar": "RAW_BARS",
        "watermark": "RAW_WATERMARKS",
        "news": "RAW_NEWS",
        "alert": "RAW_ALERTS",
        "metric": "RAW_METRICS",
        "instrument": "RAW_INSTRUMENTS",
        "split": "RAW_CORPORATE_ACTIONS",
        "dividend": "RAW_CORPORATE_ACTIONS",
        "ticker_change": "RAW_CORPORATE_ACTIONS",
        "scheduled_event": "RAW_SCHEDULED_EVENTS",
        "profile": "RAW_PROFILES",
        "parameters": "RAW_PARAMETERS",
        "disposition": "RAW_DISPOSITIONS",
        "audit": "RAW_AUDIT",
        "reject": "RAW_REJECTED",
    }
