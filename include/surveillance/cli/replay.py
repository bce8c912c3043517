"""``replay``: the rules over recorded bars."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from include.surveillance.cli import options
from include.surveillance.cli.options import console, load_book, new_table, show_progress, tell
from include.surveillance.files.bar_rows import Reading
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.studies.replay import Replay, replay_files
from include.surveillance.studies.replay_options import ReplayOptions
from include.surveillance.validity import HINTS


@options.asks_how_to_read
def replay(
    bars: options.Bars,
    out: options.Out,
    news: options.News = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    scheduled_events: options.ScheduledEvents = None,
    profiles: options.Profiles = None,
    params: options.Params = None,
    rules: options.Rules = None,
    history: options.History = None,
    session_reset: options.SessionReset = False,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Run the rules over recorded bars: alerts.parquet, metrics.parquet, rejected.parquet, replay.json.

    Under "not applicable" stand a rule's warm-up and, of robust rules, bars of symbols that have no profile yet.
    """
    given = ReplayOptions.given(
        {
            "bars": bars, "news": news, "splits": splits, "dividends": dividends, "ticker_changes": ticker_changes,
            "scheduled_events": scheduled_events, "profiles": profiles, "params": params,
        },
        reading, rules=rules, history=history, session_reset=session_reset or None, calendar=calendar,
    )  # fmt: skip
    files = RecordedFiles(
        bars, news, splits, dividends, ticker_changes, profiles, reading, scheduled_events=scheduled_events
    )
    book = load_book(params, rules, session_reset or None)
    with show_progress() as progress:
        result = replay_files(
            files, out, sessions=Sessions(calendar), book=book, percentiles=history, progress=progress, tell=tell
        )
    given.write(out, book)
    console.print(_summary(result, out))
    for line in result.unjudged:
        tell(line)
    for reason in sorted({*result.rejected} & {*HINTS}):
        tell(f"{reason}: {HINTS[reason]}")


def _summary(result: Replay, out: Path) -> Table:
    bars = result.counts["bars"]
    table = new_table(
        f"{bars:,} bars -> {out}", ["rule", "form"], ["bars judged", "not applicable", "firing bars", "alerts"]
    )
    for it in sorted(result.judged):
        counts = (it.bars, it.not_applicable, it.firings, it.alerts)
        table.add_row(it.rule, it.form, *(f"{count:,}" for count in counts))
    for rule in sorted({*result.firings} - {it.rule for it in result.judged}):
        table.add_row(rule, "", "", "", f"{result.firings[rule]:,}", f"{result.episodes[rule]:,}")
    if result.events:
        table.add_row("market-wide events", "", "", "", "", f"{result.events:,}")
    table.add_section()
    for kind in ("duplicate", "corrected"):
        table.add_row(f"{kind} bars", "", f"{result.counts[kind]:,}")
    for reason, count in sorted(result.rejected.items()):
        table.add_row(f"rejected: {reason}", "", f"{count:,}")
    return table
