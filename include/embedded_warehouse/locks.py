"""Table locks: UPDATE, DELETE and MERGE hold one to the end of their transaction; INSERT and COPY need none."""

from __future__ import annotations

import threading

from fakesnow.fakes import FakeSnowflakeConnection as Connection

from include.embedded_warehouse.session_state import Key
from include.embedded_warehouse.sql_errors import LOCKED, sql_error


class Locks:
    """Who holds which table, and when each was last written, counted by a sequence number."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: dict[Key, Connection] = {}
        self._written: dict[Key, int] = {}
        self.sequence = 0

    def acquire(self, connection: Connection, key: Key, seconds: float) -> None:
        """Lock ``key`` for ``connection``; raise error 625 when another holds it for longer."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._owner.get(key, connection) is connection, seconds):
                raise sql_error(f"table {name_of(key)} is locked by another transaction", LOCKED, "57014")
            self._owner[key] = connection

    def release(self, connection: Connection) -> None:
        with self._changed:
            for key in [key for key, owner in self._owner.items() if owner is connection]:
                self.sequence += 1
                self._written[key] = self.sequence
                del self._owner[key]
            self._changed.notify_all()

    def list_held(self) -> list[tuple[Key, Connection]]:
        """List the locked tables and who holds each."""
        with self._changed:
            return list(self._owner.items())

    def check_unchanged(self, key: Key, since: int) -> None:
        """Raise error 625 when another transaction wrote ``key`` after the snapshot ``since`` was taken."""
        if self._written.get(key, 0) > since:
            message = f"table {name_of(key)} was changed by another transaction after this one began"
            raise sql_error(message, LOCKED, "57014")


def name_of(key: Key) -> str:
    return ".".join(part for part in key if part)
