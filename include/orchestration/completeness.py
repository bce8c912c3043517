"""Watch the bars: why are minutes of the session missing, and is it somebody's fault?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.orchestration import connections, recent
from include.orchestration.quality import QualityError, utc

if TYPE_CHECKING:
    from include.surveillance.detection.missing import Missing
    from include.surveillance.models import Profile

EVERY, SETTLING, SPAN = timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=30)


def missing_minutes(now: datetime) -> dict[str, int]:
    """Missing minute bars of the last half hour per cause, added up over the symbols.

    The newest five minutes are left out: polls ask for them again.

    Raises:
        QualityError: among the five minutes before those, the provider left some out or nobody asked for some.
    """
    from include.orchestration import polling
    from include.surveillance import broker
    from include.surveillance.detection.missing import count
    from include.surveillance.detection.missing import missing_minutes as classified
    from include.surveillance.models import Bar, Watermark
    from include.surveillance.sessions import Sessions
    from include.surveillance.settings import Settings

    settings = Settings.from_env()
    until_ms = round((now - SETTLING).timestamp() * 1_000)
    since_ms = until_ms - round(SPAN.total_seconds() * 1_000)
    watched = set(polling.symbols())
    records = [
        record
        for record in recent.since(broker.BARS, since_ms)
        if isinstance(record, Bar) or (isinstance(record, Watermark) and record.source == "live")
        if record.symbol in watched
    ]
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    rows = classified(records, _profiles(until_ms), sessions, since_ms, until_ms)
    # Every check looks back over half an hour, and tells of what the check before could not see yet.
    newest_ms = until_ms - round(EVERY.total_seconds() * 1_000)
    faults = [row for row in rows if row.cause in ("provider gap", "our outage") and row.end_ms > newest_ms]
    if faults:
        raise QualityError("; ".join(_described(cause, rows) for cause, rows in _by_cause(faults).items()))
    return count(rows)


def _by_cause(rows: Iterable[Missing]) -> dict[str, list[Missing]]:
    by_cause = defaultdict(list)
    for row in rows:
        by_cause[row.cause].append(row)
    return by_cause


def _described(cause: str, rows: Sequence[Missing]) -> str:
    symbols = sorted({row.symbol for row in rows})
    named = f"{', '.join(symbols[:5])}{' and more' if len(symbols) > 5 else ''}"
    what, look = {
        "provider gap": ("the provider sent no bars", "ask the provider; detection goes on over the bars that exist"),
        "our outage": ("nobody asked for the bars", "look at DAG ingest_market_data"),
    }[cause]
    start_ms, end_ms = min(row.start_ms for row in rows), max(row.end_ms for row in rows)
    return f"{what} of {len(symbols)} symbols ({named}) between {utc(start_ms)} and {utc(end_ms)}; {look}"


def _profiles(at_ms: int) -> dict[str, Profile]:
    """The newest profile of minute bars of each symbol that is in force."""
    from include.surveillance import broker, wire
    from include.surveillance.models import Profile

    newest: dict[str, Profile] = {}
    for key, value in broker.read_compacted(connections.kafka(), broker.BASELINES).items():
        # By key, for the topic also holds the profiles of other timespans and all corporate actions.
        if key.startswith("profile|") and "|minute|" in key:
            profile = wire.decode(value)
            held = newest.get(profile.symbol)
            if isinstance(profile, Profile) and profile.effective_ms <= at_ms:
                newest[profile.symbol] = max(profile, held, key=_effective) if held else profile
    return newest


def _effective(profile: Profile) -> int:
    return profile.effective_ms
