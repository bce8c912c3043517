"""Table ``evidence``: the bars and news around each live alert, kept once and never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from include.orchestration import connections
from include.orchestration.application.database import fetch_rows, statement
from include.surveillance.desk.evidence import Evidence, Subject, seal, wait_ms
from include.surveillance.timespans import SPAN_MS


def list_unkept(since: datetime, now: datetime, limit: int) -> list[Subject]:
    """List live alerts of bars since then without evidence, around which everything is there now, the oldest first."""
    waits = [{"timespan": timespan, "seconds": wait_ms(timespan) / 1_000} for timespan in SPAN_MS]
    values = {"waits": json.dumps(waits), "since": since, "now": now, "limit": limit}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("unkept_alerts"), values)
        return [Subject(*row) for row in cursor.fetchall()]


def store_evidence(kept: Iterable[Evidence]) -> int:
    """Store evidence of alerts that have none; return of how many that was."""
    stored = 0
    with connections.application_database() as database, database.cursor() as cursor:
        for evidence in kept:
            sha256, content = seal(evidence)
            values = {"alert_id": evidence.alert_id, "sha256": sha256, "content": content}
            cursor.execute(statement("insert_evidence"), values)
            stored += cursor.rowcount
    return stored


def select_evidence(alert_id: str) -> dict[str, Any] | None:
    """Return ``content``, ``sha256`` (hex digits) and ``kept_at`` of an alert's evidence; None: it has none."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_evidence"), {"alert_id": alert_id})
        return next(iter(fetch_rows(cursor)), None)


def find_subject(alert_id: str) -> Subject | None:
    """Return what the evidence of an alert would be of; None: there is no such alert."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("place_alert"), {"alert_id": alert_id})
        return next((Subject(*row) for row in cursor.fetchall()), None)
