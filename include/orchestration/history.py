"""A run of judge_history: the history of one partition.

What it calls brings numba and Kafka's client, so it is imported by the task that needs it.
"""

from __future__ import annotations

from dataclasses import asdict

from include.orchestration import connections
from include.orchestration.timetables import load_sessions
from include.surveillance.settings import Settings


def judge_history(partition: int) -> dict[str, int]:
    """Judge and publish the history of one partition; return counts."""
    from include.surveillance.detection.parameters.book import ParameterBook
    from include.surveillance.live.history import judge_partition

    settings = Settings.from_env()
    sessions = load_sessions(settings.market_calendar, settings.market_shift_ms)
    book = ParameterBook.load(settings.parameters_file)
    return asdict(judge_partition(connections.kafka(), partition, sessions=sessions, book=book))
