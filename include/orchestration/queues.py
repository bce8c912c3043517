"""The queues of Celery."""

from __future__ import annotations

from enum import StrEnum


class Queue(StrEnum):
    """Celery's queues. Each kind of work has workers of its own, so that a slow warehouse never delays detection."""

    POLL = "poll"  # the fast lane, where it is on
    SHORT = "short"  # the fast lane for what shall not wait behind a minute's polls; the same worker takes turns
    DETECT = "detect"
    WAREHOUSE = "warehouse"
