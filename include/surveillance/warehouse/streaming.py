"""Streaming: stores batches by Snowpipe Streaming, for which no virtual warehouse copies or inserts.

Each table has a channel for each partition whose messages it gets. The offset token of a row is the place behind its
message, and Snowflake commits a row and its token at once: what is there of a batch that was not stored to its end is
known by the tokens, and not sent again. The stored offsets follow when all rows of a batch are committed. So they never
say more than is there, and landing by statements can take over where a batch has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from snowflake.connector.cursor import SnowflakeCursor

from include.surveillance import broker, failpoints
from include.surveillance.errors import ConfigurationError, WarehouseError
from include.surveillance.places import Place
from include.surveillance.warehouse.landing import Places, Store, store_batch, swap_places, transaction
from include.surveillance.warehouse.login import read_login
from include.surveillance.warehouse.rows import make_rows, make_table

LOG = logging.getLogger(__name__)
CLIENT = "snowflake.ingest.streaming"
# It declares an older msgspec than ours, of which it uses one encoder that ours has, too.
INSTALL = "pip install --no-deps snowpipe-streaming==1.9.1"
# Rows are committed within seconds; a task has minutes.
COMMIT_SECONDS = 120
VARIANTS = ("payload", "headers")


class Status(Protocol):
    """What Snowflake says of a channel."""

    @property
    def latest_committed_offset_token(self) -> str | None: ...
    @property
    def rows_error_count(self) -> int: ...
    @property
    def last_error_message(self) -> str | None: ...
    @property
    def last_error_offset_token_upper_bound(self) -> str | None: ...


class Channel(Protocol):
    """What is used of the client's channel; whoever opens one of its name ends it."""

    def append_row(self, row: dict[str, Any], offset_token: str | None = None) -> None: ...
    def wait_for_commit(self, token_checker: Callable[[str], bool], timeout_seconds: int | None = None) -> None: ...
    def get_channel_status(self) -> Status: ...


class Client(Protocol):
    """What is used of the client of one table."""

    def open_channel(self, channel_name: str, offset_token: str | None = None) -> tuple[Channel, Status]: ...
    def close(self, wait_for_flush: bool = True, timeout_seconds: int | None = None) -> None: ...


class Snowpipe(NamedTuple):
    """Opens the client of a table; ``error`` is what clients and channels raise."""

    open_client: Callable[[str], Client]
    error: type[Exception]


class OpenChannel(NamedTuple):
    """A channel, and the offset of the first message that its table does not have."""

    channel: Channel
    begin: int


class Channels:
    """The channels of one landing: opened when a table gets the first row of a partition.

    Args:
        kafka: tells whether the place of a token is still in its log.
    """

    def __init__(self, kafka: broker.Kafka, snowpipe: Snowpipe):
        self._kafka, self._snowpipe = kafka, snowpipe
        self._clients: dict[str, Client] = {}
        self._open: dict[tuple[str, broker.Position], OpenChannel] = {}

    def store_batch(
        self, cursor: SnowflakeCursor, topic: str, stored: Places, batch: broker.Batch, landed_at: datetime
    ) -> int:
        """Store the rows of a batch, then the offsets behind it; return the number of rows that were not there.

        Raises:
            OvertakenError: somebody else has landed the topic meanwhile; each row is there once.
            WarehouseError: Snowflake has refused rows, has given a channel to somebody else or has not committed in
                time. The offsets are as they were, and the next call sends the rows that are not there.
        """
        try:
            with self._as_warehouse_error(topic):
                appended, count = self._append(batch, landed_at)
                failpoints.reach("land.staged")
                for (table, position), token in appended.items():
                    if token:
                        self._wait(table, position, token)
                    status = self._open[table, position].channel.get_channel_status()
                    check_refusals(table, position, status, stored[position])
            failpoints.reach("land.rows_inserted")
            with transaction(cursor):
                swap_places(cursor, topic, stored, batch.places, landed_at)
        except BaseException:
            # What these channels have is read anew from Snowflake.
            self.close()
            raise
        failpoints.reach("land.committed")
        return count

    def close(self) -> None:
        """Give up what is not committed."""
        for table, client in self._clients.items():
            try:
                client.close(wait_for_flush=False)
            except (self._snowpipe.error, TimeoutError) as error:
                # Nothing is lost by it: tokens say what is committed, and whoever opens a channel ends this one.
                LOG.warning("the client of %s did not close: %s", table, error)
        # Not before: a channel that nobody holds waits, without a limit, until its rows are sent.
        self._clients, self._open = {}, {}

    def _append(self, batch: broker.Batch, landed_at: datetime) -> tuple[dict[tuple[str, broker.Position], str], int]:
        """Append the rows that are not there; return each channel's newest token, "" without any, and how many."""
        appended: dict[tuple[str, broker.Position], str] = {}
        count = 0
        for table, rows in make_rows(batch.messages).items():
            for row in make_table({table: rows}, landed_at).to_pylist():
                position = row["kafka_topic"], row["kafka_partition"]
                own = self._open_channel(table, position)
                appended.setdefault((table, position), "")
                if row["kafka_offset"] >= own.begin:
                    token = write_token(batch.places[position]._replace(offset=row["kafka_offset"] + 1))
                    own.channel.append_row(make_streamed(row), token)
                    count += 1
                    appended[table, position] = token
        return appended, count

    def _wait(self, table: str, position: broker.Position, token: str) -> None:
        """Wait until a channel has committed what was appended."""
        channel = self._open[table, position].channel
        channel.wait_for_commit(lambda committed: committed == token, COMMIT_SECONDS)
        self._open[table, position] = OpenChannel(channel, read_token(token).offset)

    def _open_channel(self, table: str, position: broker.Position) -> OpenChannel:
        if (table, position) not in self._open:
            if table not in self._clients:
                self._clients[table] = self._snowpipe.open_client(table)
            channel, status = self._clients[table].open_channel(f"{position[0]}_{position[1]}")
            begin = self._find_begin(position, status.latest_committed_offset_token)
            self._open[table, position] = OpenChannel(channel, begin)
        return self._open[table, position]

    def _find_begin(self, position: broker.Position, token: str | None) -> int:
        """Find the first offset behind what a channel has of the log as it is now."""
        if token is None:
            return 0
        place = read_token(token)
        places, _ = broker.resume(self._kafka, {position: place})
        resumed = places[position]
        return 0 if resumed is None or resumed.topic_id != place.topic_id else resumed.offset

    @contextmanager
    def _as_warehouse_error(self, topic: str) -> Iterator[None]:
        try:
            yield
        except (self._snowpipe.error, TimeoutError) as error:
            raise WarehouseError(
                f"land {topic}: Snowpipe Streaming answered: {error}; what it has committed is known by its tokens, so "
                "correct the cause and run it again"
            ) from error


def write_token(place: Place) -> str:
    """Write a place as the offset token of the row before it."""
    return f"{place.offset} {place.topic_id} {place.epoch}"


def read_token(token: str) -> Place:
    """Read an offset token.

    Raises:
        WarehouseError: somebody else has written it.
    """
    try:
        offset, topic_id, epoch = token.split(" ")
        return Place(int(offset), topic_id, epoch=int(epoch))
    except ValueError as error:
        raise WarehouseError(
            f"a channel of landing has the offset token {token!r} instead of offset, topic's id and leader epoch; "
            "somebody else streams into it: give his channel another name, then drop this one"
        ) from error


def make_streamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Make of a row of ``make_table`` what a channel takes: documents as objects, nothing where there is none."""
    return {
        name.upper(): msgspec.json.decode(value) if name in VARIANTS else value
        for name, value in row.items()
        if name != "target" and value is not None
    }


def check_refusals(table: str, position: broker.Position, status: Status, stored: Place | None) -> None:
    """Do nothing when Snowflake has taken every row of a channel that is behind the stored place.

    Raises:
        WarehouseError: it has refused some.
    """
    bound = status.last_error_offset_token_upper_bound
    if status.rows_error_count and (bound is None or _is_behind(read_token(bound), stored)):
        topic, partition = position
        raise WarehouseError(
            f"land {topic}: Snowflake has refused rows of partition {partition} for {table}, up to {bound}: "
            f"{status.last_error_message}; landing of the topic stands at its stored offsets; correct the cause, then "
            "see docs/how/landing.md, Snowpipe Streaming: what it has refused"
        )


def _is_behind(refused: Place, stored: Place | None) -> bool:
    """Whether the stored place leaves refused messages to be landed; those of a former topic of the name are gone."""
    if stored is None:
        return True
    return refused.offset > stored.offset and stored.topic_id in ("", refused.topic_id)


@contextmanager
def open_store(land_by: str, kafka: broker.Kafka, variables: Callable[[], Mapping[str, str]]) -> Iterator[Store]:
    """Open what stores batches: the function of LAND_BY=statements, or channels of Snowpipe Streaming.

    Args:
        variables: the login in the SNOWFLAKE_* variables; not asked for statements.

    Raises:
        ConfigurationError: as of ``load_snowpipe``.
    """
    if land_by == "statements":
        yield store_batch
        return
    channels = Channels(kafka, load_snowpipe(read_login(variables())))
    try:
        yield channels.store_batch
    finally:
        channels.close()


def load_snowpipe(login: Mapping[str, Any]) -> Snowpipe:
    """Load the client, and let it log in by key pair. A table's pipe is the one that Snowflake makes by itself.

    Raises:
        ConfigurationError: the client is not installed or does not start, or the login has no key that can be read.
    """
    try:
        streaming = import_module(CLIENT)
    except (ImportError, RuntimeError) as error:  # it raises the second when its compiled part does not load
        raise ConfigurationError(
            f"LAND_BY=streaming needs Snowflake's client, which cannot be loaded ({error}); run: {INSTALL}, with the "
            "pip of the environment that has snowflake-connector-python; or set LAND_BY=statements"
        ) from error
    if not (file := login.get("private_key_file")):
        raise ConfigurationError(
            "LAND_BY=streaming logs in with a key pair, and SNOWFLAKE_PRIVATE_KEY_PATH is not set; set it as "
            "docs/start/snowflake.md says, or set LAND_BY=statements, as the embedded warehouse wants it"
        )
    given = {name: login[name] for name in ("account", "user", "role") if login.get(name)}
    host = login.get("host") or f"{login['account']}.snowflakecomputing.com"
    properties = {**given, "url": f"https://{host}:{login.get('port') or 443}", "private_key": read_key(file, login)}

    def open_client(table: str) -> Client:
        client: Client = streaming.StreamingIngestClient(
            client_name=f"land_{table}",
            db_name=login["database"],
            schema_name="RAW",
            pipe_name=f"{table}-STREAMING",
            properties=properties,
        )
        return client

    return Snowpipe(open_client, streaming.StreamingIngestError)


def read_key(file: str, login: Mapping[str, Any]) -> str:
    """Return a private key as the client takes it: PEM without a passphrase, in memory only.

    Raises:
        ConfigurationError: there is no such file, or it holds no key that the passphrase opens.
    """
    from cryptography.hazmat.primitives import serialization

    passphrase = login.get("private_key_file_pwd")
    try:
        key = serialization.load_pem_private_key(Path(file).read_bytes(), passphrase.encode() if passphrase else None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"SNOWFLAKE_PRIVATE_KEY_PATH is {file}, and no private key can be read from it ({error}); name a PEM file, "
            "with SNOWFLAKE_PASSWORD for its passphrase if it has one, as docs/start/snowflake.md says"
        ) from error
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return plain.decode()
