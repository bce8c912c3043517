"""The application's database, as a look asks it: by a connection of its own, which only reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.connection_texts import read_postgres
from include.monitoring.look import Look
from include.surveillance.errors import SurveillanceError
from include.surveillance.statements import read_statement

if TYPE_CHECKING:
    import psycopg2

statement = partial(read_statement, Path(__file__).with_name("sql"))
TIMEOUT_SECONDS = 10


class DatabaseLook(Look):
    """Measures by statements.

    Args:
        connection: Airflow's of a login that reads, as JSON.
    """

    def __init__(self, connection: str):
        self._login = read_postgres(connection)
        self._login |= {"connect_timeout": TIMEOUT_SECONDS, "application_name": "exporter"}
        self._database: psycopg2.extensions.connection | None = None

    @abstractmethod
    def measure(self, now: float) -> None:
        """Ask, and set the metrics."""

    def look(self, now: float) -> None:
        import psycopg2  # a program that measures no database needs no client of it

        try:
            if self._database is None:
                self._database = psycopg2.connect(**self._login)
                self._database.set_session(readonly=True, autocommit=True)
            self.measure(now)
        except psycopg2.Error as error:
            if self._database is not None:
                self._database.close()
            self._database = None
            first, _, _ = str(error).strip().partition("\n")
            raise SurveillanceError(f"the application's database does not answer: {first}") from None

    def execute(self, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, with these values bound."""
        assert self._database is not None
        with self._database.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()
