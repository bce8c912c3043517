"""A run of build_baselines -> from when on its profiles hold, and the build of one partition."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from include.orchestration import connections

NEXT_SESSION, NOW = "next session", "now"


def effective_ms(choice: str, run_after: datetime) -> int:
    """From when on the profiles of a run hold, UTC epoch ms.

    ``next session``: its first bar of any kind. ``now``: the minute after next, because the bars that are arriving
    while the profiles are being built are still judged without them.

    Raises:
        ConfigurationError: the calendar has no further session.
    """
    from include.surveillance.detection.profiles.schedule import effective_from
    from include.surveillance.errors import ConfigurationError
    from include.surveillance.live.build_profiles import LEAD_MS
    from include.surveillance.sessions import MINUTE_MS

    moment_ms = round(run_after.timestamp() * 1_000)
    if choice == NOW:
        return moment_ms // MINUTE_MS * MINUTE_MS + LEAD_MS
    sessions = _sessions()
    session = sessions.following(moment_ms)
    if session is None:
        raise ConfigurationError(
            f"calendar {sessions.calendar} has no session after {run_after:%Y-%m-%d}; upgrade exchange_calendars"
        )
    return effective_from(session.open_ms, sessions)


def build(partition: int, effective_ms: int) -> dict[str, int]:
    """Build and publish the profiles of one partition; counts only."""
    from include.surveillance.live.build_profiles import build_partition

    return asdict(build_partition(connections.kafka(), partition, sessions=_sessions(), effective_ms=effective_ms))


def _sessions():
    from include.surveillance.sessions import Sessions
    from include.surveillance.settings import Settings

    settings = Settings.from_env()
    return Sessions(settings.market_calendar, settings.market_shift_ms)
