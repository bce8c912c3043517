"""How the tables of alerts and acts are at this moment, as two numbers that grow with each change."""

from __future__ import annotations

import time

from include.orchestration import connections
from include.orchestration.application.database import statement
from include.orchestration.process_wide import once_per_process

LOOK_SECONDS = 1.0


def newest_changes() -> tuple[int, int]:
    """Return when an alert was stored last, in microseconds, and the number of the newest act.

    However many ask, the database is asked once a second.
    """
    return _look(int(time.monotonic() / LOOK_SECONDS))


@once_per_process
def _look(_second: int) -> tuple[int, int]:
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("newest_changes"))
        alerts, acts = cursor.fetchone()
        return alerts, acts
