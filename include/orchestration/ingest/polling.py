"""What a run polls: its poll window, the timespans with a new bar in it, and one task per symbol, group or market."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from include.orchestration import connections
from include.orchestration.cancellation import sleep
from include.surveillance import watchlist
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings, automatic_poll_by
from include.surveillance.timespans import MINUTE_MS, NEW_YORK, POLLED, SPAN_MS, to_ms

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from include.surveillance.watchlist import Watchlist

LOG = logging.getLogger(__name__)
VARIABLE = "AIRFLOW_VAR_WATCHLIST"
MINUTE = timedelta(minutes=1)
# More than any run begins early and asks late: a clock that is set back must not let a task sleep for an hour.
LONGEST_WAIT_SECONDS = 120.0


class Window(NamedTuple):
    """Times in [since_ms, end_ms), which have not been polled successfully yet."""

    since_ms: int
    end_ms: int

    def start_with(self, overlap: timedelta) -> int:
        """Where to start asking, so that late and corrected bars before ``since_ms`` are seen too."""
        return self.since_ms - round(overlap.total_seconds() * 1_000)


def choose_window(context: Mapping[str, Any], catchup: timedelta) -> Window:
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
    return Window(to_ms(since), to_ms(end))


def read_watchlist() -> list[str]:
    """Read the symbols to watch, sorted; words that are no ticker are left out."""
    return list(read_words().symbols)


def read_companies() -> dict[str, str]:
    """Read each ticker's name from the log's reference data: by it, news are told to be about a company."""
    from include.surveillance.live.background import read_instruments  # Kafka's client, and whoever plans needs none

    return {instrument.symbol: instrument.name for instrument in read_instruments(connections.kafka())}


def read_words() -> Watchlist:
    """Read the Airflow Variable ``watchlist``, else the file.

    Raises:
        ConfigurationError: not one word is a ticker, or the file cannot be read.
    """
    text, file = Variable.get("watchlist", default=None), Settings.from_env().watchlist_file
    if text and text.strip():
        return watchlist.read_watchlist(text, name_watchlist())
    if text is not None:
        LOG.info("%s is empty: the list of %s is used", name_watchlist(), file)
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"WATCHLIST_FILE={file} cannot be read: {error}") from error
    return watchlist.read_watchlist(text, f"WATCHLIST_FILE={file}")


def name_watchlist() -> str:
    """Name what holds the watchlist: the environment wins over what Airflow's UI shows."""
    if VARIABLE in os.environ:
        return f"{VARIABLE} (WATCHLIST in .env), which wins over the Variable watchlist in Airflow's UI,"
    return "the Airflow Variable watchlist"


def plan_polls(symbols: Sequence[str], window: Window, settings: Settings) -> list[dict[str, Any]]:
    """Plan the poll tasks of a run: keyword arguments of ``PollOperator`` for each.

    A snapshot of the market holds one minute; minutes missed before it and longer bars are asked for in groups.
    """
    timespans = [timespan for timespan in find_closed(window) if timespan in settings.poll_timespans]
    by, size = _poll_by(symbols, settings), settings.poll_group_size
    if by == "symbols":
        return [_plan_poll([symbol], timespans, window) for symbol in symbols]
    if by == "groups":
        return [_plan_poll(group, timespans, window) for group in cut_groups(symbols, size)]
    newest = Window(window.end_ms - MINUTE_MS, window.end_ms)
    left = [timespan for timespan in timespans if timespan != "minute" or window.since_ms < newest.since_ms]
    groups = cut_groups(symbols, size) if left else []
    return [_plan_poll([], ["minute"], newest), *(_plan_poll(group, left, window) for group in groups)]


def plan_lone_polls(left: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Plan a poll of its own for each symbol that failed inside a group: ``left`` is what the groups' tasks left."""
    return [
        _plan_poll([symbol], group["timespans"], Window(group["since_ms"], group["end_ms"]))
        for group in left
        for symbol in group["symbols"]
    ]


def check_calls(symbols: Sequence[str], settings: Settings) -> None:
    """Check that the vendor's plan allows the calls that polling the symbols takes: all timespans, and the news.

    Raises:
        ConfigurationError: more calls than POLYGON_CALLS_PER_MINUTE.
    """
    allowed, snapshot = settings.polygon_calls_per_minute, _poll_by(symbols, settings) == "market"
    spans = [timespan for timespan in settings.poll_timespans if not (snapshot and timespan == "minute")]
    each = sum(MINUTE_MS / SPAN_MS[timespan] for timespan in spans)
    needed = ceil(each * len(symbols)) + 1 + snapshot
    if allowed and needed > allowed:
        raise ConfigurationError(
            f"polling {len(symbols)} symbols takes {needed} calls a minute, POLYGON_CALLS_PER_MINUTE={allowed} allows "
            f"fewer: watch at most {max(0, int((allowed - 1) / each))} symbols or take a plan with more calls; a plan "
            "of end-of-day data can be backfilled, but not watched during the day"
        )


def check_polls(ti: RuntimeTaskInstanceProtocol) -> None:
    """Check that every task of poll in this run has come to a good end.

    Raises:
        AirflowFailException: one has not; the run must not count as done, or its time would not be asked for again.
    """
    states = ti.get_task_states(ti.dag_id, task_ids=["poll"], run_ids=[ti.run_id]).get(ti.run_id, {})
    # A plan that was cleared may have come out shorter: what it no longer asks for, Airflow has removed.
    states = {task: state for task, state in states.items() if state != "removed"}
    if bad := {task: state for task, state in states.items() if state != "success"}:
        raise AirflowFailException(f"{len(bad)} of {len(states)} polls failed; the next run asks for their time")


def find_closed(window: Window) -> list[str]:
    """Find the timespans of which a bar has closed in the window."""
    midnight = datetime.fromtimestamp(window.end_ms / 1_000, NEW_YORK).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    closed_ms = {timespan: window.end_ms // SPAN_MS[timespan] * SPAN_MS[timespan] for timespan in POLLED}
    closed_ms["day"] = to_ms(midnight)
    return [timespan for timespan, end_ms in closed_ms.items() if end_ms > window.since_ms]


def wait_until_closed(end_ms: int, delay_seconds: int) -> None:
    """Return when the window has been over for ``delay_seconds``; runs begin before their minute ends.

    A clock that says it is longer until then than runs begin early is wrong; the vendor's client says so.
    """
    sleep(min(max(0.0, end_ms / 1_000 + delay_seconds - time()), LONGEST_WAIT_SECONDS))


def cut_groups(symbols: Sequence[str], size: int) -> list[list[str]]:
    """Cut the symbols into groups of ``size`` at most."""
    return [list(symbols[start : start + size]) for start in range(0, len(symbols), size)]


def name_group(symbols: Sequence[str]) -> str:
    """Name a task for these symbols as the UI shows it."""
    if not symbols:
        return "the whole market"
    return symbols[0] if len(symbols) == 1 else f"{symbols[0]} to {symbols[-1]} ({len(symbols)})"


def _poll_by(symbols: Sequence[str], settings: Settings) -> str:
    return automatic_poll_by(len(symbols)) if settings.poll_by == "auto" else settings.poll_by


def _plan_poll(symbols: list[str], timespans: list[str], window: Window) -> dict[str, Any]:
    return {"name": name_group(symbols), "symbols": symbols, "timespans": timespans, **window._asdict()}
