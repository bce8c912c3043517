"""Landing a real Kafka in a real (embedded) warehouse: nothing lost, nothing doubled, whatever dies."""

from __future__ import annotations

import json
import re
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from snowflake.connector.errors import ProgrammingError

from include.surveillance import broker, failpoints, wire
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.errors import BrokerError, ConfigurationError, WarehouseError
from include.surveillance.places import Break, Cause, Place
from include.surveillance.records import (
    Alert,
    AuditEntry,
    Bar,
    Disposition,
    Dividend,
    Instrument,
    Metric,
    NewsItem,
    ParametersVersion,
    Profile,
    Reject,
    ScheduledEvent,
    Split,
    TickerChange,
    Watermark,
)
from include.surveillance.warehouse import landing, schema
from include.surveillance.warehouse.records import read_landed, read_messages
from include.surveillance.warehouse.rows import KINDS, LANDED
from include.surveillance.warehouse.schema import OFFSETS, migrate_raw
from tests import account
from tests.embedded_warehouse.launcher import Launcher
from tests.failpoints import arm, is_armed
from tests.integration.dying import exit_code
from tests.integration.dying import land as land_and_die
from tests.surveillance.broker.test_identity import make_anew

PARTITIONS = 4


@pytest.fixture(scope="module", autouse=True)
def _topics(kafka):
    broker.ensure_topics(kafka, PARTITIONS)


@pytest.fixture(scope="module")
def warehouse_at(request):
    """Open a session of a database."""
    home = account if account.is_given() else request.getfixturevalue("launcher")
    return lambda database, **settings: home.connect(database=database, **settings)


@pytest.fixture
def database() -> Iterator[str]:
    """A database of the test's own: the embedded warehouse makes it at the first connection."""
    name = f"LAND_{uuid.uuid4().hex[:8].upper()}"
    with account.own_database(name) if account.is_given() else nullcontext():
        yield name


@pytest.fixture
def connection(warehouse_at, database):
    with closing(warehouse_at(database)) as opened:
        migrate_raw(opened)
        yield opened


@pytest.fixture
def symbol() -> str:
    """A symbol that no other test publishes."""
    return f"T{uuid.uuid4().hex[:8].upper()}"


def bars(symbol: str, count: int, polled_ms: int = 1) -> list[Bar]:
    return [
        Bar(
            symbol=symbol,
            timespan="minute",
            ts_ms=1_773_063_000_000 + 60_000 * minute,
            open=10,
            high=11,
            low=9,
            close=10 + minute / 7,
            volume=Decimal("12.5"),
            polled_ms=polled_ms,
        )
        for minute in range(count)
    ]


def rows(connection, sql: str, **params: object) -> list[tuple]:
    return connection.cursor().execute(sql, params).fetchall()


def landed_bars(connection, symbol: str) -> list[dict]:
    sql = "select payload from raw.raw_bars where payload:symbol::varchar = %(symbol)s order by event_id, kafka_offset"
    return [json.loads(payload) for (payload,) in rows(connection, sql, symbol=symbol)]


def stored_offsets(connection, topic: str = broker.BARS) -> dict[int, int]:
    sql = f"select partition_id, next_offset from raw.{OFFSETS[topic]} where topic = %(topic)s"
    return dict(rows(connection, sql + " and next_offset is not null", topic=topic))


def copies(connection, table: str, symbol: str) -> list[tuple[int, int]]:
    """How many rows of a symbol there are, and of how many messages."""
    place = "kafka_partition || '/' || kafka_offset"
    sql = f"select count(*), count(distinct {place}) from raw.{table} where payload:symbol::varchar = %(symbol)s"
    return rows(connection, sql, symbol=symbol)


def ends(kafka, topic: str = broker.BARS) -> dict[int, int]:
    """The partitions' ends as a plain consumer sees them."""
    with Consumer({**kafka, "group.id": "ends", "isolation.level": "read_committed"}) as consumer:
        partitions = (TopicPartition(topic, partition) for partition in range(PARTITIONS))
        return {it.partition: consumer.get_watermark_offsets(it, timeout=10)[1] for it in partitions}


def as_json(records: list) -> list[dict]:
    return sorted((json.loads(wire.encode(record)) for record in records), key=lambda record: record["event_id"])


def test_bars_and_watermarks_land_once_with_their_place(kafka, connection, symbol):
    published = bars(symbol, 30)
    watermark = Watermark(symbol=symbol, timespan="minute", from_ms=0, as_of_ms=1_773_063_000_000, bars=30)
    broker.publish(kafka, [*published, watermark])
    now = datetime(2026, 3, 9, 14, tzinfo=UTC)

    first = landing.land(connection, kafka, broker.BARS, clock=lambda: now)
    after_first = stored_offsets(connection)
    again = landing.land(connection, kafka, broker.BARS)

    assert landed_bars(connection, symbol) == as_json(published)
    landed = "select payload from raw.raw_watermarks where event_id = %(id)s"
    assert [json.loads(it) for (it,) in rows(connection, landed, id=watermark.event_id)] == as_json([watermark])
    assert first.rows >= 31
    assert (again.rows, again.batches) == (0, 0)
    assert after_first == stored_offsets(connection) == ends(kafka)
    assert rows(connection, "select distinct landed_at from raw.raw_bars") == [(now.replace(tzinfo=None),)]
    origins = "select kafka_partition, kafka_offset from raw.raw_bars where payload:symbol::varchar = %(symbol)s"
    assert len(set(rows(connection, origins, symbol=symbol))) == 30


def an_alert(symbol: str, **changes) -> Alert:
    given = {
        "rule": "price_gap", "rule_version": 1, "parameters_version": "a", "symbol": symbol, "timespan": "minute",
        "ts_ms": 0, "bar_close_ms": 60_000, "value": 2, "threshold": 1, "window_start_ms": 0, "window_end_ms": 0,
        "score": 50, "severity": "low", "episode_start_ms": 0, "data_age_ms": 0, "event_ids": (),
        "explanation": "it's a gap: 50 % \\ \"more\"", "session_phase": "regular", "session_date": "2026-03-09",
    }  # fmt: skip
    return Alert(**given | changes)


def test_each_kind_has_its_table(kafka, connection, symbol):
    moment = {"symbol": symbol, "timespan": "minute", "ts_ms": 0}
    session = {"session_phase": "regular", "session_date": "2026-03-09"}
    records = [
        bars(symbol, 1)[0],
        Watermark(symbol=symbol, timespan="minute", from_ms=0, as_of_ms=60_000, bars=1),
        NewsItem(symbol=symbol, article_id="a", published_ms=0, title="Zürich “naïve” 株\x00"),
        an_alert(symbol),
        Metric(bar_event_id="b", close=1, volume=1, **moment, **session),
        Instrument(symbol=symbol, name="Test"),
        Split(symbol=symbol, execution_date="2026-03-09", split_from=1, split_to=10),
        Dividend(symbol=symbol, ex_date="2026-03-09", cash_amount=0.25),
        TickerChange(symbol=symbol, new_symbol=f"{symbol}N", date="2026-03-09"),
        ScheduledEvent(symbol=symbol, date="2026-03-09"),
        a_profile(symbol),
        ParametersVersion(version=symbol, effective="", base='{"cooldown_bars":15}'),
        Disposition(
            alert_id="a", rule="price_gap", symbol=symbol, timespan="minute", event="take", actor="me", occurred_ms=1,
            state="in review", version=1, audit_id=1,
        ),
        AuditEntry(symbol=symbol, audit_id=1, occurred_ms=1, exported_ms=2, event="take", previous_hash="", hash="a"),
        Reject(stage="normalise", reason="high below low", detail="1 < 2", raw="{}", symbol=symbol),
    ]  # fmt: skip
    assert {type(record) for record in records} == set(LANDED)
    broker.publish(kafka, records)
    for topic in KINDS:
        landing.land(connection, kafka, topic)
    for record in records:
        sql = f"select payload from raw.{LANDED[type(record)]} where event_id = %(id)s"
        [payload] = [payload for (payload,) in rows(connection, sql, id=record.event_id) if symbol in payload]
        assert json.loads(payload) == json.loads(wire.encode(record))


def a_profile(symbol: str) -> Profile:
    nothing = {"volume_level": [], "volume_scale": [], "return_factor": [], "presence": []}
    numbers = dict.fromkeys(("volatility_fire", "volatility_clear", "range_percent", "turnover"), 1.0)
    span = {"effective_ms": 0, "first_date": "2026-03-02", "last_date": "2026-03-06", "sessions": 5}
    return Profile(symbol=symbol, timespan="minute", liquidity="thin", **nothing, **numbers, **span)


def test_all_that_becomes_of_an_alert_is_kept(kafka, connection, symbol):
    statuses = ("fired", "refired", "retagged", "retracted", "ended")
    for status in statuses:
        broker.publish(kafka, [an_alert(symbol, status=status)])
        landing.land(connection, kafka, broker.ALERTS, limit=1)
    sql = "select payload:status::varchar from raw.raw_alerts where event_id = %(id)s order by kafka_offset"
    assert [status for (status,) in rows(connection, sql, id=an_alert(symbol).event_id)] == [*statuses]
    newest = [it for batch in read_landed(connection, Alert, -inf, inf) for it in batch if it.symbol == symbol]
    assert newest == [an_alert(symbol, status="ended")]


def test_what_was_taken_back_is_kept_and_not_read(kafka, connection, symbol):
    split = Split(symbol=symbol, execution_date="2026-03-09", split_from=1, split_to=10)
    broker.publish(kafka, [split])
    with broker.transaction(kafka, f"land-{symbol}", "land-test") as ongoing:
        ongoing.send_raw(broker.BASELINES, None, key=split.event_id)
    landing.land(connection, kafka, broker.BASELINES)
    sql = "select payload is null from raw.raw_corporate_actions where event_id = %(id)s order by kafka_timestamp"
    assert rows(connection, sql, id=split.event_id) == [(False,), (True,)]
    read = [it for batch in read_landed(connection, Split, -inf, inf) for it in batch]
    assert split.event_id not in {it.event_id for it in read}


@pytest.mark.parametrize("limit", [1_000, 7])
def test_a_bar_that_was_polled_again_or_corrected_is_one_more_row(kafka, connection, symbol, limit):
    [bar] = bars(symbol, 1, polled_ms=1)
    [again] = bars(symbol, 1, polled_ms=2)
    corrected = Bar(**{name: getattr(bar, name) for name in ("symbol", "timespan", "ts_ms", "open", "high", "low")},
                    close=9.5, volume=Decimal(1))  # fmt: skip
    broker.publish(kafka, [bar, again])
    landing.land(connection, kafka, broker.BARS, limit=limit)
    assert landed_bars(connection, symbol) == as_json([bar, again])
    [latest] = bars(symbol, 1, polled_ms=3)
    broker.publish(kafka, [corrected, latest])
    landing.land(connection, kafka, broker.BARS, limit=limit)
    assert landed_bars(connection, symbol) == as_json([bar, again, latest, corrected])
    newest = [it for batch in read_landed(connection, Bar, -inf, inf) for it in batch if it.symbol == symbol]
    assert sorted(newest, key=lambda it: it.event_id) == sorted([latest, corrected], key=lambda it: it.event_id)


def test_topics_landed_at_the_same_time_do_not_disturb_each_other(kafka, warehouse_at, connection, database, symbol):
    topics = [broker.BARS, broker.BARS, broker.METRICS, broker.NEWS]

    def land(topic: str) -> None:
        with closing(warehouse_at(database)) as session:
            landing.land(session, kafka, topic, limit=100)

    for minute in range(3):
        metric = {"symbol": symbol, "timespan": "minute", "session_phase": "regular", "session_date": "2026-03-09"}
        metrics = [Metric(ts_ms=1000 * minute + n, bar_event_id="b", close=1, volume=1, **metric) for n in range(200)]
        broker.publish(kafka, [*bars(symbol, 200, polled_ms=minute), *metrics])
        with ThreadPoolExecutor(len(topics)) as pool:
            list(pool.map(land, topics))
    assert copies(connection, "RAW_BARS", symbol) == [(600, 600)]
    assert copies(connection, "RAW_METRICS", symbol) == [(600, 600)]
    assert {topic: stored_offsets(connection, topic) for topic in topics} == {t: ends(kafka, t) for t in topics}


def test_of_two_that_land_a_topic_at_once_one_stores_each_message(
    kafka, warehouse_at, connection, database, symbol, monkeypatch
):
    """The second lands between the first one's reading and its transaction; the first one then goes on behind it."""
    landing.land(connection, kafka, broker.BARS)
    broker.publish(kafka, bars(symbol, 40))
    stage_rows, second = landing.stage_rows, []

    def overtake(cursor, table) -> None:
        monkeypatch.setattr(landing, "stage_rows", stage_rows)
        with closing(warehouse_at(database)) as other:
            second.append(landing.land(other, kafka, broker.BARS, limit=15, seconds=0))
        stage_rows(cursor, table)

    monkeypatch.setattr(landing, "stage_rows", overtake)
    first = landing.land(connection, kafka, broker.BARS)
    assert (first.rows, second[0].rows) == (25, 15)
    assert copies(connection, "RAW_BARS", symbol) == [(40, 40)]
    assert stored_offsets(connection) == ends(kafka)


def test_of_two_that_land_a_new_topic_at_once_one_stores_each_message(
    kafka, warehouse_at, connection, database, symbol, monkeypatch
):
    """As above, when nothing has landed of the topic before."""
    broker.publish(kafka, bars(symbol, 40))
    stage_rows = landing.stage_rows

    def overtake(cursor, table) -> None:
        monkeypatch.setattr(landing, "stage_rows", stage_rows)
        with closing(warehouse_at(database)) as other:
            landing.land(other, kafka, broker.BARS)
        stage_rows(cursor, table)

    monkeypatch.setattr(landing, "stage_rows", overtake)
    assert landing.land(connection, kafka, broker.BARS).rows == 0
    assert copies(connection, "RAW_BARS", symbol) == [(40, 40)]


def test_many_that_land_a_topic_at_once_store_each_message_once(kafka, warehouse_at, connection, database, symbol):
    broker.publish(kafka, bars(symbol, 300))

    def land(_: int) -> landing.Landed:
        with closing(warehouse_at(database)) as session:
            return landing.land(session, kafka, broker.BARS, limit=50)

    with ThreadPoolExecutor(4) as pool:
        landed = list(pool.map(land, range(4)))
    assert copies(connection, "RAW_BARS", symbol) == [(300, 300)]
    ((count,),) = rows(connection, "select count(*) from raw.raw_bars")
    ((others,),) = rows(connection, "select count(*) from raw.raw_watermarks")
    ((rejected,),) = rows(connection, "select count(*) from raw.raw_rejected")
    assert sum(it.rows for it in landed) == count + others + rejected
    assert stored_offsets(connection) == ends(kafka)


@pytest.mark.embedded
def test_a_killed_landing_holds_up_its_own_topic_only(kafka, symbol, tmp_path, monkeypatch):
    """Its locks stay, as Snowflake's do for 300 idle seconds, until the next one takes it for dead."""
    monkeypatch.setenv("WAREHOUSE_IDLE_TRANSACTION", "3600")
    monkeypatch.setattr(landing, "LOCK_SECONDS", 3)
    launcher = Launcher(tmp_path).start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
    try:
        _kill_and_land(kafka, launcher, symbol, tmp_path)
    finally:
        launcher.close_sessions()
        launcher.stop()


def _kill_and_land(kafka, launcher: Launcher, symbol: str, folder: Path) -> None:
    connection, other = launcher.connect(), launcher.connect()
    migrate_raw(connection)
    metric = {"symbol": symbol, "timespan": "minute", "session_phase": "regular", "session_date": "2026-03-09"}
    broker.publish(kafka, [*bars(symbol, 30), Metric(ts_ms=0, bar_event_id="b", close=1, volume=1, **metric)])
    arm(folder, "land.rows_inserted")
    home = (launcher.folder, launcher.port, "MARKET")
    assert exit_code(land_and_die, kafka, broker.BARS, *home, str(folder)) == -signal.SIGKILL
    cursor = connection.cursor()
    cursor.execute("alter session set lock_timeout = 0")
    landing.add_partitions(cursor, broker.METRICS, [0])
    with pytest.raises(ProgrammingError, match=r"KAFKA_OFFSETS_BARS is locked by another transaction"):
        landing.add_partitions(cursor, broker.BARS, [0])
    landing.land(other, kafka, broker.METRICS)
    assert copies(other, "RAW_METRICS", symbol) == [(1, 1)]
    assert copies(other, "RAW_BARS", symbol) == [(0, 0)]
    landing.land(other, kafka, broker.BARS)
    assert copies(other, "RAW_BARS", symbol) == [(30, 30)]


@pytest.mark.embedded
def test_who_stood_still_and_was_taken_for_dead_stores_nothing_twice(
    kafka, warehouse_at, connection, database, symbol, monkeypatch
):
    monkeypatch.setattr(landing, "LOCK_SECONDS", 2)
    landing.land(connection, kafka, broker.BARS)
    broker.publish(kafka, bars(symbol, 40))
    reached = failpoints.reach

    def stand_still(point: str) -> None:
        if point == "land.rows_inserted" and not others:
            others.append(None)
            with closing(warehouse_at(database)) as other:
                others[0] = landing.land(other, kafka, broker.BARS)
        reached(point)

    others: list[landing.Landed | None] = []
    monkeypatch.setattr(failpoints, "reach", stand_still)
    with pytest.raises(WarehouseError, match="rolled back after an earlier error"):
        landing.land(connection, kafka, broker.BARS)
    assert others == [landing.Landed(40, 1)]
    assert landing.land(connection, kafka, broker.BARS).rows == 0
    assert copies(connection, "RAW_BARS", symbol) == [(40, 40)]
    assert stored_offsets(connection) == ends(kafka)


def test_offsets_that_nobody_of_ours_has_locked_are_not_freed(connection):
    assert not landing.free_offsets(connection.cursor(), broker.BARS)


def test_small_batches_land_the_same(kafka, connection, symbol):
    landing.land(connection, kafka, broker.BARS)
    published = bars(symbol, 50)
    broker.publish(kafka, published)
    landed = landing.land(connection, kafka, broker.BARS, limit=20)
    assert landed.batches >= 3
    assert landed_bars(connection, symbol) == as_json(published)
    assert stored_offsets(connection) == ends(kafka)


def test_an_aborted_transaction_is_not_landed_and_does_not_hold_up(kafka, connection, symbol):
    kept, taken_back = bars(symbol, 2)
    with suppress(InterruptedError), broker.transaction(kafka, f"land-{symbol}", "land-test") as ongoing:
        ongoing.send(taken_back)
        raise InterruptedError
    broker.publish(kafka, [kept])
    landing.land(connection, kafka, broker.BARS)
    assert landed_bars(connection, symbol) == as_json([kept])
    assert stored_offsets(connection) == ends(kafka)


def test_bytes_that_are_no_record_are_kept_as_rejects(kafka, connection, symbol):
    garbage = [b"\xff\x00 no json", b'{"kind":"bar"}', b'{"kind":"alert","event_id":"x"}']
    [good] = bars(symbol, 1)
    with broker.transaction(kafka, f"land-{symbol}", "land-test") as ongoing:
        for value in garbage:
            ongoing.send_raw(broker.BARS, value, key=symbol, partition=0)
        ongoing.send(good)
    for _ in range(2):
        landing.land(connection, kafka, broker.BARS)
    sql = (
        "select payload:raw::varchar, payload:encoding::varchar from raw.raw_rejected "
        "where payload:symbol::varchar = %(symbol)s order by kafka_offset"
    )
    assert rows(connection, sql, symbol=symbol) == [
        ("/wAgbm8ganNvbg==", "base64"),
        (garbage[1].decode(), "utf-8"),
        (garbage[2].decode(), "utf-8"),
    ]
    assert landed_bars(connection, symbol) == as_json([good])


@pytest.mark.embedded
@pytest.mark.parametrize("point", [point for point in failpoints.POINTS if point.startswith("land.")])
def test_landing_killed_at_any_step(kafka, launcher, warehouse_at, database, symbol, tmp_path, point):
    with closing(warehouse_at(database)) as first:
        migrate_raw(first)
        landing.land(first, kafka, broker.BARS)
        before = stored_offsets(first)
    published = bars(symbol, 30)
    broker.publish(kafka, published)
    arm(tmp_path, point)
    home = (launcher.folder, launcher.port, database)
    assert exit_code(land_and_die, kafka, broker.BARS, *home, str(tmp_path)) == -signal.SIGKILL
    assert not is_armed(tmp_path, point)
    with closing(warehouse_at(database)) as fresh:
        stored = point == "land.committed"
        assert len(landed_bars(fresh, symbol)) == (30 if stored else 0)
        assert stored_offsets(fresh) == (ends(kafka) if stored else before)
        landing.land(fresh, kafka, broker.BARS)
        assert landed_bars(fresh, symbol) == as_json(published)
        assert stored_offsets(fresh) == ends(kafka)


@pytest.mark.embedded
def test_a_warehouse_that_dies_is_an_error_and_a_new_connection_goes_on(
    kafka, launcher, warehouse_at, database, symbol
):
    with closing(warehouse_at(database)) as first:
        migrate_raw(first)
    broker.publish(kafka, bars(symbol, 3))
    with closing(warehouse_at(database, network_timeout=3)) as old:
        launcher.stop(signal.SIGKILL)
        with pytest.raises(WarehouseError, match=r"land polygon\.bars\.raw: the warehouse answered"):
            landing.land(old, kafka, broker.BARS)
        launcher.start()
        with pytest.raises(WarehouseError, match="401"):
            landing.land(old, kafka, broker.BARS)
    with closing(warehouse_at(database)) as fresh:
        landing.land(fresh, kafka, broker.BARS)
        assert landed_bars(fresh, symbol) == as_json(bars(symbol, 3))


DRIFTS = {
    "missing table": (
        ["alter table raw.raw_bars rename to raw.hidden_bars"],
        r"RAW\.RAW_BARS is not as expected: it does not exist",
    ),
    "missing column": (
        ["alter table raw.raw_bars drop column kafka_timestamp"],
        r"RAW\.RAW_BARS is not as expected: KAFKA_TIMESTAMP TIMESTAMP_NTZ is missing",
    ),
    "other type": (
        [
            "alter table raw.raw_bars rename column payload to text",
            "alter table raw.raw_bars add column payload varchar",
        ],
        r"RAW_BARS is not as expected: PAYLOAD is VARCHAR\(\d+\) instead of VARIANT",
    ),
    "compulsory column": (
        ["create or replace table raw.raw_bars as select *, '' as desk from raw.raw_bars",
         "alter table raw.raw_bars alter column desk set not null"],
        r"RAW_BARS is not as expected: DESK VARCHAR\(\d+\) is NOT NULL",
    ),
    "offsets": (
        ["alter table raw.kafka_offsets_bars drop column updated_at"],
        "KAFKA_OFFSETS_BARS is not as expected: UPDATED_AT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_table_that_has_drifted_is_named_with_what_mends_it_and_its_rows_wait(kafka, connection, symbol, drift):
    statements, message = DRIFTS[drift]
    landing.land(connection, kafka, broker.BARS)
    before = stored_offsets(connection)
    for sql in statements:
        rows(connection, sql)
    broker.publish(kafka, bars(symbol, 2))
    with pytest.raises(WarehouseError, match=f"land polygon.bars.raw: .*{message}.* 35 days") as raised:
        landing.land(connection, kafka, broker.BARS)
    assert stored_offsets(connection) == before
    for sql in re.findall("run: ([^;]+)", str(raised.value)):
        rows(connection, sql)
    landing.land(connection, kafka, broker.BARS)
    assert landed_bars(connection, symbol) == as_json(bars(symbol, 2))
    assert stored_offsets(connection) == ends(kafka)


def test_messages_of_a_later_version_are_kept_whole_and_unknown_kinds_are_rejects(kafka, connection, symbol):
    known = {"kind": "bar", "event_id": f"{symbol}|1", "symbol": symbol, "tape": {"sizes": [1, 2.5], "é": None}}
    twice = f'{{"kind":"bar","event_id":"{symbol}|2","symbol":"X","symbol":"{symbol}"}}'
    with broker.transaction(kafka, f"land-{symbol}", "land-test") as ongoing:
        for value in (json.dumps(known), twice, '{"kind":"tick","event_id":"x"}'):
            ongoing.send_raw(broker.BARS, value.encode(), key=symbol, partition=0)
    landing.land(connection, kafka, broker.BARS)
    kept = rows(
        connection,
        "select payload from raw.raw_bars where event_id like %(mine)s order by event_id",
        mine=f"{symbol}|%",
    )
    assert [json.loads(payload) for (payload,) in kept] == [known, json.loads(twice)]
    reasons = (
        "select payload:reason::varchar, payload:raw::varchar from raw.raw_rejected "
        "where payload:symbol::varchar = %(s)s"
    )
    assert rows(connection, reasons, s=symbol) == [("unexpected kind", '{"kind":"tick","event_id":"x"}')]


def test_a_backlog_is_worked_off_in_several_calls(kafka, connection, symbol):
    landing.land(connection, kafka, broker.BARS)
    broker.publish(kafka, bars(symbol, 50))
    landed = [landing.land(connection, kafka, broker.BARS, limit=20, seconds=0) for _ in range(4)]
    assert [(each.rows, each.batches) for each in landed] == [(20, 1), (20, 1), (10, 1), (0, 0)]
    assert landed_bars(connection, symbol) == as_json(bars(symbol, 50))


def test_the_last_landing_is_known_by_its_clock(kafka, connection, symbol):
    assert landing.last_landing(connection) is None
    now = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
    landing.land(connection, kafka, broker.BARS, clock=lambda: now)
    assert landing.last_landing(connection) == now


def test_what_waits_is_known_without_reading_it(kafka, connection, symbol):
    for topic in KINDS:
        landing.land(connection, kafka, topic)
    assert landing.list_topics_behind(connection, kafka) == []
    broker.publish(kafka, bars(symbol, 1))
    assert landing.list_topics_behind(connection, kafka) == [broker.BARS]
    landing.land(connection, kafka, broker.BARS)
    assert landing.list_topics_behind(connection, kafka) == []


def test_headers_of_alerts_are_landed_beside_them(kafka, connection, symbol):
    alert, producer = an_alert(symbol), Producer(kafka)
    headers = {"polled_ms": "1773063000123", "odd": b'\xff"'}
    producer.produce(broker.ALERTS, wire.encode(alert), key=symbol, headers=headers)
    producer.flush(10)
    landing.land(connection, kafka, broker.ALERTS)
    sql = "select headers:polled_ms::varchar, headers:odd::varchar from raw.raw_alerts where event_id = %(id)s"
    assert rows(connection, sql, id=alert.event_id) == [("1773063000123", '\ufffd"')]


def test_a_kafka_that_does_not_answer_is_an_error(connection, monkeypatch):
    monkeypatch.setattr("include.surveillance.broker.client.TIMEOUT_SECONDS", 1.5)
    monkeypatch.setattr("include.surveillance.broker.identity.TIMEOUT_SECONDS", 1.5)
    nowhere = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1 does not answer"):
        landing.land(connection, nowhere, broker.BARS)


def test_a_warehouse_of_an_earlier_version_is_refused_until_it_is_migrated(kafka, connection, symbol):
    newest = schema.MIGRATIONS[-1]
    rows(connection, f"delete from raw.schema_migrations where version = {newest.version}")
    broker.publish(kafka, bars(symbol, 1))
    with pytest.raises(WarehouseError, match=f"RAW lacks {newest.version:04} .*bootstrap_platform.* 35 days"):
        landing.land(connection, kafka, broker.BARS)
    assert migrate_raw(connection) == [f"{newest.version:04} ({newest.name})"]
    assert migrate_raw(connection) == []
    landing.land(connection, kafka, broker.BARS)
    assert landed_bars(connection, symbol) == as_json(bars(symbol, 1))


def test_a_warehouse_from_before_the_migrations_keeps_its_rows(kafka, connection, symbol):
    broker.publish(kafka, bars(symbol, 2))
    landing.land(connection, kafka, broker.BARS)
    rows(connection, "drop table raw.schema_migrations")
    with pytest.raises(WarehouseError, match="RAW lacks 0001"):
        landing.land(connection, kafka, broker.BARS)
    assert len(migrate_raw(connection)) == len(schema.MIGRATIONS)
    landing.land(connection, kafka, broker.BARS)
    assert len(landed_bars(connection, symbol)) == 2


@pytest.mark.parametrize("former", ["kafka_offsets", "kafka_offsets_before"])  # where the migration was interrupted
def test_offsets_of_the_version_before_are_gone_on_from(kafka, connection, symbol, former):
    landing.land(connection, kafka, broker.BARS)
    before = "select * from raw.kafka_offsets_bars"
    stored = rows(connection, before)
    for sql in (
        f"create table raw.{former} as select * from raw.landed_offsets",
        f"insert into raw.{former} select 'market.metrics', 0, 7, 'x', 1, '2026-03-09'::timestamp_ntz",
        *(f"drop table raw.{table}" for table in OFFSETS.values()),
        "delete from raw.schema_migrations where version = 3",
    ):
        rows(connection, sql)
    migrate_raw(connection)
    assert sorted(rows(connection, before)) == sorted(stored)
    assert stored_offsets(connection, broker.METRICS) == {0: 7}
    broker.publish(kafka, bars(symbol, 2))
    assert landing.land(connection, kafka, broker.BARS).rows == 2


def test_a_warehouse_of_a_later_version_is_not_migrated(connection):
    rows(connection, "insert into raw.schema_migrations (version, name) values (9999, 'later')")
    with pytest.raises(ConfigurationError, match="RAW of the warehouse has schema version 9999"):
        migrate_raw(connection)


def test_the_migrations_make_the_columns_that_landing_writes(connection):
    with connection.cursor() as cursor:
        for table in schema.COLUMNS:
            assert schema._list_differences(cursor, table) == []


def test_tables_can_be_created_again_without_losing_rows(kafka, connection, symbol):
    broker.publish(kafka, bars(symbol, 2))
    landing.land(connection, kafka, broker.BARS)
    migrate_raw(connection)
    assert len(landed_bars(connection, symbol)) == 2


def alerts_of(connection, symbol: str) -> list[tuple]:
    sql = "select payload:status::varchar, kafka_offset from raw.raw_alerts where payload:symbol::varchar = %(symbol)s"
    return rows(connection, sql, symbol=symbol)


def test_a_topic_made_anew_is_landed_from_its_beginning_and_the_latest_version_is_the_newest(kafka, connection, symbol):
    found = Break("bars", 0, Cause.MADE_ANEW, Place(5, "a"), Place(0, "b"))
    (example,) = describe_breaks([found], 1_773_063_000_000)
    fired = msgspec.structs.replace(example, event_id=f"id|{symbol}", rule="price_gap", symbol=symbol)
    broker.publish(kafka, [fired, fired, fired])
    landing.land(connection, kafka, broker.ALERTS)
    before = stored_offsets(connection, broker.ALERTS)
    make_anew(kafka, broker.ALERTS, PARTITIONS)
    assert broker.ALERTS in landing.list_topics_behind(connection, kafka)
    broker.publish(kafka, [msgspec.structs.replace(fired, status="retracted")])
    landing.land(connection, kafka, broker.ALERTS)
    assert Counter(status for status, _ in alerts_of(connection, symbol)) == {"fired": 3, "retracted": 1}
    (newest,) = [it for batch in read_landed(connection, Alert, -inf, inf) for it in batch if it.symbol == symbol]
    assert newest.status == "retracted", "its offset is smaller, and its time is later"
    *_, newest = read_messages(connection, Alert, event_id=fired.event_id)
    assert wire.decode(newest.value).status == "retracted"
    assert sum(stored_offsets(connection, broker.ALERTS).values()) < sum(before.values())
    landing.land(connection, kafka, broker.ALERTS)  # what it has published itself of the break
    told = "select count(*), count(distinct event_id) from raw.raw_alerts where payload:rule::varchar = 'log_break'"
    assert rows(connection, told) == [(1, 1)]
    assert landing.land(connection, kafka, broker.ALERTS).rows == 0
    assert broker.ALERTS not in landing.list_topics_behind(connection, kafka)


def test_an_offset_past_the_end_is_set_back_and_nothing_is_skipped(kafka, connection, symbol):
    broker.publish(kafka, bars(symbol, 3))
    landing.land(connection, kafka, broker.BARS)
    forward = "update raw.kafka_offsets_bars set next_offset = next_offset + 1000, leader_epoch = null"
    connection.cursor().execute(forward)
    connection.cursor().execute("delete from raw.raw_bars")
    assert broker.BARS in landing.list_topics_behind(connection, kafka)
    landing.land(connection, kafka, broker.BARS)
    assert len(landed_bars(connection, symbol)) == 3
    assert stored_offsets(connection) == ends(kafka)
    assert broker.BARS not in landing.list_topics_behind(connection, kafka)
