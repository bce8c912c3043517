"""Snowpipe Streaming as its client shows it, on a database of the embedded warehouse.

What is committed, rows and tokens, is in the database and outlives whoever streams. Rows are committed by sevens as
they come, the rest when somebody waits for it. Whoever opens a channel ends the one of its name that was open before.
Rows that Snowflake refuses are counted, and the token goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from include.surveillance.warehouse.landing import transaction
from include.surveillance.warehouse.streaming import Snowpipe

AT_ONCE = 7
CHANNELS = (
    "create table if not exists raw.channels "
    "(pipe varchar, name varchar, opened int, token varchar, refused int, message varchar, bound varchar)"
)
INSERT = """
    insert into raw.{table}
        (event_id, payload, headers, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, landed_at)
    select
        row.value:EVENT_ID::varchar, row.value:PAYLOAD, row.value:HEADERS, row.value:KAFKA_TOPIC::varchar,
        row.value:KAFKA_PARTITION::int, row.value:KAFKA_OFFSET::int,
        row.value:KAFKA_TIMESTAMP::varchar::timestamp_ntz, row.value:LANDED_AT::varchar::timestamp_ntz
    from table(flatten(input => parse_json(%s))) as row
"""


class StreamingIngestError(Exception):
    """As the client's; with a message only."""


@dataclass(frozen=True)
class ChannelStatus:
    latest_committed_offset_token: str | None
    rows_error_count: int
    last_error_message: str | None
    last_error_offset_token_upper_bound: str | None


@dataclass
class StreamingIngestChannel:
    cursor: SnowflakeCursor
    pipe: str
    name: str
    opened: int
    refuses: Callable[[dict[str, Any]], bool]
    rows: list[tuple[dict[str, Any], str | None]] = field(default_factory=list)

    def append_row(self, row: dict[str, Any], offset_token: str | None = None) -> None:
        self.rows.append((row, offset_token))
        if len(self.rows) >= AT_ONCE:
            self._commit()

    def wait_for_commit(self, token_checker: Callable[[str], bool], timeout_seconds: int | None = None) -> None:
        self._commit()
        if not token_checker(self.get_channel_status().latest_committed_offset_token):
            raise TimeoutError("Wait for commit timed out")

    def get_channel_status(self) -> ChannelStatus:
        return read_status(self.cursor, self.pipe, self.name)[1]

    def _commit(self) -> None:
        rows, self.rows = self.rows, []
        with transaction(self.cursor):
            opened, status = read_status(self.cursor, self.pipe, self.name)
            if opened != self.opened:
                raise StreamingIngestError(f"InvalidChannelError: channel {self.name} was opened by somebody else")
            for row, token in rows:
                if self.refuses(row):
                    what = (status.rows_error_count + 1, "row refused", token, self.pipe, self.name)
                    statement = "update raw.channels set refused = %s, message = %s, bound = %s "
                    self.cursor.execute(statement + "where pipe = %s and name = %s", what)
            if taken := [row for row, _ in rows if not self.refuses(row)]:
                self.cursor.execute(INSERT.format(table=self.pipe.removesuffix("-STREAMING")), (json.dumps(taken),))
            if rows:
                statement = "update raw.channels set token = %s where pipe = %s and name = %s"
                self.cursor.execute(statement, (rows[-1][1], self.pipe, self.name))


class StreamingIngestClient:
    def __init__(
        self, connection: SnowflakeConnection, pipe_name: str, refuses: Callable[[dict[str, Any]], bool]
    ) -> None:
        self.connection, self.pipe, self.refuses = connection, pipe_name, refuses
        self.cursor = connection.cursor()
        self.cursor.execute(CHANNELS)

    def open_channel(
        self, channel_name: str, offset_token: str | None = None
    ) -> tuple[StreamingIngestChannel, ChannelStatus]:
        own = (self.pipe, channel_name)
        with transaction(self.cursor):
            self.cursor.execute("select count(*) from raw.channels where pipe = %s and name = %s", own)
            if self.cursor.fetchall() == [(0,)]:
                self.cursor.execute("insert into raw.channels values (%s, %s, 0, null, 0, null, null)", own)
            opens = "update raw.channels set opened = opened + 1 where pipe = %s and name = %s"
            self.cursor.execute(opens, own)
        opened, status = read_status(self.cursor, *own)
        return StreamingIngestChannel(self.cursor, *own, opened, self.refuses), status

    def close(self, wait_for_flush: bool = True, timeout_seconds: int | None = None) -> None:
        assert not wait_for_flush, "landing waits for rows that it needs, and for no others"
        self.connection.close()


def read_status(cursor: SnowflakeCursor, pipe: str, name: str) -> tuple[int, ChannelStatus]:
    cursor.execute(
        "select opened, token, refused, message, bound from raw.channels where pipe = %s and name = %s", (pipe, name)
    )
    ((opened, *status),) = cursor.fetchall()
    return opened, ChannelStatus(*status)


def take_all(row: dict[str, Any]) -> bool:
    return False


def make_snowpipe(
    connect: Callable[[], SnowflakeConnection], refuses: Callable[[dict[str, Any]], bool] = take_all
) -> Snowpipe:
    """The fake for landing; ``refuses`` says which rows Snowflake does not take."""
    return Snowpipe(lambda table: StreamingIngestClient(connect(), f"{table}-STREAMING", refuses), StreamingIngestError)
