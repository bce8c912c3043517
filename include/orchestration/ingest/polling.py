"""What a poll asks for: the window of a run, and which timespans have a new bar in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from time import sleep, time
from typing import TYPE_CHECKING, Any, NamedTuple

from include.surveillance.settings import automatic_poll_by

if TYPE_CHECKING:
    from include.surveillance.settings import Settings

MINUTE = timedelta(minutes=1)
MINUTE_MS = 60_000
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


def questions(symbols: Sequence[str], window: Window, settings: Settings) -> list[dict[str, Any]]:
    """What each poll task of a run asks for: keyword arguments of ``PollOperator``.

    A snapshot of the market holds one minute; minutes missed before it and longer bars are asked for in groups.
    """
    spans = [timespan for timespan in due(window) if timespan in settings.poll_timespans]
    by = _by(symbols, settings)
    if by == "symbols":
        return [_question(symbol, [symbol], spans, window) for symbol in symbols]
    if by == "groups":
        return _groups(symbols, spans, window, settings.poll_group_size)
    newest = Window(window.end_ms - MINUTE_MS, window.end_ms)
    left = [timespan for timespan in spans if timespan != "minute" or window.since_ms < newest.since_ms]
    groups = _groups(symbols, left, window, settings.poll_group_size) if left else []
    return [_question("the whole market", [], ["minute"], newest), *groups]


def alone(failed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A question for each symbol that failed inside a group: ``failed`` are the groups' questions, less who came."""
    return [
        _question(symbol, [symbol], group["timespans"], Window(group["since_ms"], group["end_ms"]))
        for group in failed
        for symbol in group["symbols"]
    ]


def check_calls(symbols: Sequence[str], settings: Settings) -> None:
    """Whether the vendor's plan allows the calls that polling the symbols takes: all timespans, and the news.

    Raises:
        ConfigurationError: more calls than POLYGON_CALLS_PER_MINUTE.
    """
    from include.surveillance.errors import ConfigurationError
    from include.surveillance.records import SPAN_MS

    allowed, snapshot = settings.polygon_calls_per_minute, _by(symbols, settings) == "market"
    spans = [timespan for timespan in settings.poll_timespans if not (snapshot and timespan == "minute")]
    each = sum(SPAN_MS["minute"] / SPAN_MS[timespan] for timespan in spans)
    needed = ceil(each * len(symbols)) + 1 + snapshot
    if allowed and needed > allowed:
        raise ConfigurationError(
            f"polling {len(symbols)} symbols takes {needed} calls a minute, POLYGON_CALLS_PER_MINUTE={allowed} allows "
            f"fewer: watch at most {max(0, int((allowed - 1) / each))} symbols or take a plan with more calls; a plan "
            "of end-of-day data can be backfilled, but not watched during the day"
        )


def check_states(ti: Any) -> None:
    """Whether every task of poll in this run has come to a good end.

    Raises:
        AirflowFailException: one has not; the run must not count as done, or its time would not be asked for again.
    """
    from airflow.sdk.exceptions import AirflowFailException

    states = ti.get_task_states(ti.dag_id, task_ids=["poll"], run_ids=[ti.run_id]).get(ti.run_id, {})
    if bad := {task: state for task, state in states.items() if state != "success"}:
        raise AirflowFailException(f"{len(bad)} of {len(states)} polls failed; the next run asks for their time")


def due(window: Window) -> list[str]:
    """The timespans of which a bar has closed in the window."""
    from include.surveillance.records import SPAN_MS
    from include.surveillance.sessions import NEW_YORK

    end = datetime.fromtimestamp(window.end_ms / 1_000, NEW_YORK)
    closed_ms = {
        timespan: window.end_ms // SPAN_MS[timespan] * SPAN_MS[timespan] for timespan in POLLED if timespan != "day"
    }
    closed_ms["day"] = _ms(end.replace(hour=0, minute=0, second=0, microsecond=0))
    return [timespan for timespan, end_ms in closed_ms.items() if end_ms > window.since_ms]


def wait_for(end_ms: int, delay_seconds: int) -> None:
    """Return when the window has been over for ``delay_seconds``; runs begin before their minute ends."""
    sleep(max(0.0, end_ms / 1_000 + delay_seconds - time()))


def _by(symbols: Sequence[str], settings: Settings) -> str:
    return automatic_poll_by(len(symbols)) if settings.poll_by == "auto" else settings.poll_by


def _groups(symbols: Sequence[str], timespans: list[str], window: Window, size: int) -> list[dict[str, Any]]:
    found = []
    for start in range(0, len(symbols), size):
        group = list(symbols[start : start + size])
        found.append(_question(group_name(group), group, timespans, window))
    return found


def group_name(symbols: Sequence[str]) -> str:
    """What a task for these symbols is called in the UI."""
    return symbols[0] if len(symbols) == 1 else f"{symbols[0]} to {symbols[-1]} ({len(symbols)})"


def _question(name: str, symbols: list[str], timespans: list[str], window: Window) -> dict[str, Any]:
    return {"name": name, "symbols": symbols, "timespans": timespans, **window._asdict()}


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
