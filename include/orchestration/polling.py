"""What a poll asks for: the window of a run, and which timespans have a new bar in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

MINUTE = timedelta(minutes=1)
POLLED = ("minute", "5minute", "hour", "day")


class Window(NamedTuple):
    """Times in [since_ms, end_ms) have not been asked for successfully yet."""

    since_ms: int
    end_ms: int

    def asking(self, overlap: timedelta) -> int:
        """Where to start asking, so that late and corrected bars before ``since_ms`` are seen too."""
        return self.since_ms - round(overlap.total_seconds() * 1_000)


def window_of(context: dict[str, Any], catchup: timedelta) -> Window:
    """From the end of the last successful run, at most ``catchup`` ago, to the end of this run's data interval.

    A run started by hand without a date ends at the last full minute.
    """
    end = context.get("data_interval_end")
    if end is None:
        end = context["dag_run"].run_after.replace(second=0, microsecond=0)
    start = context.get("data_interval_start") or end - MINUTE
    last = context.get("prev_data_interval_end_success")
    # The context holds a lazy None when there was none.
    since = max(min(start, last), end - catchup) if last else start
    return Window(_ms(since), _ms(end))


def symbols() -> list[str]:
    """The watchlist: the Airflow Variable ``watchlist`` when there is one, else the file."""
    from airflow.sdk import Variable

    from include.surveillance.settings import Settings

    return Settings.from_env().watchlist(Variable.get("watchlist", default=None))


def check_calls(symbols: Sequence[str]) -> None:
    """Whether the vendor's plan allows the calls that polling the symbols takes: all timespans, and the news.

    Raises:
        ConfigurationError: more calls than POLYGON_CALLS_PER_MINUTE.
    """
    from include.surveillance.errors import ConfigurationError
    from include.surveillance.models import SPAN_MS
    from include.surveillance.settings import Settings

    allowed = Settings.from_env().polygon_calls_per_minute
    each = sum(SPAN_MS["minute"] / SPAN_MS[timespan] for timespan in POLLED)
    needed = ceil(each * len(symbols)) + 1
    if allowed and needed > allowed:
        raise ConfigurationError(
            f"polling {len(symbols)} symbols takes {needed} calls a minute, POLYGON_CALLS_PER_MINUTE={allowed} allows "
            f"fewer: watch at most {max(0, int((allowed - 1) / each))} symbols or take a plan with more calls; a plan "
            "of end-of-day data can be backfilled, but not watched during the day"
        )


def due(window: Window) -> list[str]:
    """The timespans of which a bar has closed in the window."""
    from include.surveillance.models import SPAN_MS
    from include.surveillance.sessions import NEW_YORK

    end = datetime.fromtimestamp(window.end_ms / 1_000, NEW_YORK)
    closed_ms = {
        timespan: window.end_ms // SPAN_MS[timespan] * SPAN_MS[timespan] for timespan in POLLED if timespan != "day"
    }
    closed_ms["day"] = _ms(end.replace(hour=0, minute=0, second=0, microsecond=0))
    return [timespan for timespan, end_ms in closed_ms.items() if end_ms > window.since_ms]


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
