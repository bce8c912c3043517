"""The state of a session beyond fakesnow's connection object."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

from fakesnow.fakes import FakeSnowflakeConnection as Connection

Phase = Literal["none", "open", "aborted"]
Key = tuple[str | None, str | None, str]
"""(database, schema, name) of a table or view, as stored."""


@dataclass
class SessionState:
    """The state of one session, kept on its connection.

    Attributes:
        lock: a session runs one statement at a time, as in Snowflake.
        last_used: monotonic seconds of the last statement or heartbeat.
        temporary: logical key -> (private name, "TABLE" or "VIEW").
        transaction: "aborted" means rolled back already, waiting for the client to notice.
        number: of the open transaction, if there is one; no two transactions of a server have the same.
        begun_at: epoch seconds of its start.
        begun: DuckDB's transaction has begun; its snapshot waits for the first statement after BEGIN.
        ending: the statement that runs now is COMMIT or ROLLBACK.
        lock_timeout: seconds that a statement waits for a table; Snowflake's default is half a day.
        seen: the lock table's sequence number when the transaction took its snapshot.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    last_used: float = field(default_factory=time.monotonic)
    query_tag: str = ""
    temporary: dict[Key, tuple[str, str]] = field(default_factory=dict)
    transaction: Phase = "none"
    number: int = 0
    begun_at: float = 0.0
    begun: bool = False
    ending: bool = False
    lock_timeout: float = 30.0
    seen: int = 0


def state_of(connection: Connection) -> SessionState:
    return connection.__dict__.setdefault("session_state", SessionState())
