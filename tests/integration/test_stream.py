"""Landing by Snowpipe Streaming: the rows of landing by statements, each once, whatever dies."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest

from include.surveillance import broker, failpoints, wire
from include.surveillance.errors import WarehouseError
from include.surveillance.records import Split
from include.surveillance.warehouse import landing, streaming
from include.surveillance.warehouse.rows import KINDS, TABLES
from include.surveillance.warehouse.schema import OFFSETS, migrate_raw
from tests.failpoints import arm, is_armed
from tests.integration.dying import exit_code
from tests.integration.dying import land as land_and_die
from tests.integration.snowpipe import make_snowpipe, take_all
from tests.integration.test_land import (
    PARTITIONS,
    an_alert,
    as_json,
    bars,
    copies,
    ends,
    landed_bars,
    rows,
    stored_offsets,
)
from tests.surveillance.broker.test_identity import make_anew

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module", autouse=True)
def _topics(kafka):
    broker.ensure_topics(kafka, PARTITIONS)


@pytest.fixture
def symbol() -> str:
    """A symbol that no other test publishes."""
    return f"T{uuid.uuid4().hex[:8].upper()}"


@pytest.fixture
def database() -> str:
    return f"STREAM_{uuid.uuid4().hex[:8].upper()}"


@pytest.fixture
def connection(launcher, database):
    with closing(launcher.connect(database=database)) as opened:
        migrate_raw(opened)
        yield opened


@contextmanager
def channels_of(kafka, launcher, database, refuses=take_all) -> Iterator[streaming.Channels]:
    opened = streaming.Channels(kafka, make_snowpipe(lambda: launcher.connect(database=database), refuses))
    with closing(opened):
        yield opened


def stream(kafka, launcher, connection, topic=broker.BARS, refuses=take_all, **options) -> landing.Landed:
    with channels_of(kafka, launcher, connection.database, refuses) as channels:
        return landing.land(connection, kafka, topic, store=channels.store_batch, **options)


@pytest.fixture
def emptied_alerts(kafka):
    """Take the alert of a broken log away: other tests of this broker count theirs."""
    yield
    make_anew(kafka, broker.ALERTS, PARTITIONS)


def landed_rows(connection, table: str) -> list[tuple]:
    """All rows of a table, documents as Python reads them: of a name that is there twice it takes the last, too."""
    wanted = "select * exclude (payload, headers), to_json(payload), to_json(headers) from raw."
    found = rows(connection, wanted + table + " order by kafka_topic, kafka_partition, kafka_offset")
    return [(*row[:-2], *(document and json.loads(document) for document in row[-2:])) for row in found]


def test_the_same_rows_land_as_by_statements(kafka, launcher, connection, database, symbol):
    split = Split(symbol=symbol, execution_date="2026-03-09", split_from=1, split_to=10)
    published = bars(symbol, 20)
    broker.publish(kafka, [*published, split])
    with broker.transaction(kafka, f"stream-{symbol}", "stream-test") as ongoing:
        ongoing.send_raw(broker.ALERTS, wire.encode(an_alert(symbol)), key=symbol, headers={"polled_ms": "1"})
        ongoing.send_raw(broker.BASELINES, None, key=split.event_id)
        ongoing.send_raw(broker.BARS, b"no JSON", key=symbol)
        ongoing.send_raw(broker.BARS, wire.encode(published[0])[:-1] + b',"x":1e2,"x":[null,1.50]}', key=symbol)
    now = datetime(2026, 3, 9, 14, tzinfo=UTC)
    with closing(launcher.connect(database=f"{database}_S")) as other:
        migrate_raw(other)
        for topic in KINDS:
            by_statements = landing.land(other, kafka, topic, clock=lambda: now)
            assert stream(kafka, launcher, connection, topic, clock=lambda: now) == by_statements
            assert stored_offsets(connection, topic) == stored_offsets(other, topic) == ends(kafka, topic)
        for table in TABLES:
            assert landed_rows(connection, table) == landed_rows(other, table), table
    assert [row[-2]["x"] for row in landed_rows(connection, "RAW_BARS") if "x" in (row[-2] or {})] == [[None, 1.5]]
    assert rows(connection, "select count(*) > 0 from raw.raw_rejected") == [(True,)]
    assert rows(connection, "select count(*) > 0 from raw.raw_corporate_actions where payload is null") == [(True,)]


@pytest.mark.parametrize("limit", [50_000, 9])
@pytest.mark.parametrize("point", ["land.staged", "land.rows_inserted", "land.committed"])
def test_landing_killed_at_any_step(kafka, launcher, connection, database, tmp_path, point, limit, symbol):
    stream(kafka, launcher, connection)
    before = stored_offsets(connection)
    published = bars(symbol, 30)
    broker.publish(kafka, published)
    arm(tmp_path, point)
    home = (launcher.folder, launcher.port, database)
    assert exit_code(land_and_die, kafka, broker.BARS, *home, str(tmp_path), "streaming") == -signal.SIGKILL
    assert not is_armed(tmp_path, point)
    # Of 30 rows 28 were committed by sevens: they have one partition, their symbol's.
    there = 28 if point == "land.staged" else 30
    assert copies(connection, "RAW_BARS", symbol) == [(there, there)]
    assert stored_offsets(connection) == (ends(kafka) if point == "land.committed" else before)
    assert stream(kafka, launcher, connection, limit=limit).rows == 30 - there
    assert landed_bars(connection, symbol) == as_json(published)
    assert stored_offsets(connection) == ends(kafka)


def test_of_two_that_stream_a_topic_at_once_each_message_is_there_once(
    kafka, launcher, connection, database, symbol, monkeypatch
):
    """The second opens the channels when the first has stored 28 rows of 33 and holds the others."""
    stream(kafka, launcher, connection)
    broker.publish(kafka, bars(symbol, 33))
    reach, second = failpoints.reach, []

    def overtake(point: str) -> None:
        if point == "land.staged" and not second:
            second.append(None)
            with closing(launcher.connect(database=database)) as other:
                second.append(stream(kafka, launcher, other))
        reach(point)

    monkeypatch.setattr(failpoints, "reach", overtake)
    with pytest.raises(WarehouseError, match=r"opened by somebody else; .* run it again"):
        stream(kafka, launcher, connection)
    assert second[1].rows == 5
    assert copies(connection, "RAW_BARS", symbol) == [(33, 33)]
    assert stored_offsets(connection) == ends(kafka)
    assert stream(kafka, launcher, connection).rows == 0


def test_who_was_overtaken_after_its_commit_goes_on_from_what_is_stored(
    kafka, launcher, connection, database, symbol, monkeypatch
):
    stream(kafka, launcher, connection)
    broker.publish(kafka, bars(symbol, 20))
    reach, second = failpoints.reach, []

    def overtake(point: str) -> None:
        if point == "land.rows_inserted" and not second:
            second.append(None)
            broker.publish(kafka, bars(symbol, 5, polled_ms=2))
            with closing(launcher.connect(database=database)) as other:
                second.append(stream(kafka, launcher, other))
        reach(point)

    monkeypatch.setattr(failpoints, "reach", overtake)
    assert stream(kafka, launcher, connection).rows == 0
    assert second[1].rows == 5
    assert copies(connection, "RAW_BARS", symbol) == [(25, 25)]
    assert stored_offsets(connection) == ends(kafka)


def test_statements_and_streaming_take_over_from_each_other(kafka, launcher, connection, symbol):
    for polled_ms, land in enumerate((stream, None, stream, stream, None)):
        broker.publish(kafka, bars(symbol, 10, polled_ms))
        if land:
            land(kafka, launcher, connection)
        else:
            landing.land(connection, kafka, broker.BARS)
        assert copies(connection, "RAW_BARS", symbol) == [(10 * polled_ms + 10,) * 2]


def test_refused_rows_stop_the_topic_until_they_have_landed_otherwise(kafka, launcher, connection, symbol):
    stream(kafka, launcher, connection)
    before = stored_offsets(connection)
    published = bars(symbol, 30)
    broker.publish(kafka, published)
    for _ in range(2):
        with pytest.raises(WarehouseError, match=r"refused rows of partition \d for RAW_BARS, up to \d+ .*: row refus"):
            stream(kafka, launcher, connection, refuses=lambda row: row["PAYLOAD"].get("ts_ms") == published[3].ts_ms)
        assert copies(connection, "RAW_BARS", symbol) == [(29, 29)]
        assert stored_offsets(connection) == before
    # As docs/how/landing.md says.
    offsets = OFFSETS[broker.BARS]
    for table in {*KINDS[broker.BARS].values(), "RAW_REJECTED"}:
        connection.cursor().execute(
            f"delete from raw.{table} using raw.{offsets} where {table}.kafka_topic = {offsets}.topic "
            f"and {table}.kafka_partition = {offsets}.partition_id "
            f"and {table}.kafka_offset >= coalesce({offsets}.next_offset, 0)"
        )
    landing.land(connection, kafka, broker.BARS)
    assert landed_bars(connection, symbol) == as_json(published)
    broker.publish(kafka, bars(symbol, 5, polled_ms=2))
    stream(kafka, launcher, connection)
    assert copies(connection, "RAW_BARS", symbol) == [(35, 35)]


@pytest.mark.usefixtures("emptied_alerts")
def test_a_topic_that_was_made_anew_is_streamed_from_its_beginning(kafka, launcher, connection, symbol):
    broker.publish(kafka, [an_alert(symbol)] * 3)
    stream(kafka, launcher, connection, broker.ALERTS)
    make_anew(kafka, broker.ALERTS, PARTITIONS)
    broker.publish(kafka, [an_alert(symbol, status="retracted")])
    stream(kafka, launcher, connection, broker.ALERTS)
    stream(kafka, launcher, connection, broker.ALERTS)
    assert copies(connection, "RAW_ALERTS", symbol)[0][0] == 4
    assert stored_offsets(connection, broker.ALERTS) == ends(kafka, broker.ALERTS)
