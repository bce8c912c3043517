"""A run of build_baselines: from when on its profiles hold, and the build of one partition.

What it calls brings numba, pandas and Kafka's client, so it is imported by the task that needs it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from include.orchestration import connections
from include.orchestration.timetables import load_sessions
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.timespans import MINUTE_MS, to_ms


def choose_effective_ms(choice: str, run_after: datetime) -> int:
    """Choose from when on the profiles of a run hold, UTC epoch ms.

    ``next session``: from its first bar of any kind. ``now``: from the minute after next, because the bars that arrive
    while the profiles are being built are still judged without them.

    Raises:
        ConfigurationError: the calendar has no further session.
    """
    from include.surveillance.detection.profiles.schedule import effective_from
    from include.surveillance.live.build_profiles import LEAD_MS

    run_ms = to_ms(run_after)
    if choice == "now":
        return run_ms // MINUTE_MS * MINUTE_MS + LEAD_MS
    settings = Settings.from_env()
    sessions = load_sessions(settings.market_calendar, settings.market_shift_ms)
    session = sessions.following(run_ms)
    if session is None:
        raise ConfigurationError(
            f"calendar {sessions.calendar} has no session after {run_after:%Y-%m-%d}; upgrade exchange_calendars"
        )
    return effective_from(session.open_ms, sessions)


def build_profiles(partition: int, effective_ms: int) -> dict[str, int]:
    """Build and publish the profiles of one partition; return counts."""
    from include.surveillance.live.build_profiles import build_partition

    settings = Settings.from_env()
    sessions = load_sessions(settings.market_calendar, settings.market_shift_ms)
    return asdict(build_partition(connections.kafka(), partition, sessions=sessions, effective_ms=effective_ms))
