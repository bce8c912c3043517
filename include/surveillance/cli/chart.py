"""``chart``: the bars around an alert, or of a stretch of time, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.surveillance.cli import options
from include.surveillance.cli.options import find_alerts, load_book_of, tell
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.studies.chart import chart_alert, chart_span
from include.surveillance.studies.replay_options import ReplayOptions
from include.surveillance.timespans import write_new_york


@options.asks_how_to_read
def chart(
    out: Annotated[Path, typer.Option(help="The picture: a name that ends in .png or .svg.")],
    alert_id: Annotated[
        str | None, typer.Argument(help="An alert's id as `alerts` lists it, in quotes; or give --of.")
    ] = None,
    bars: options.BarsOfAlerts = None,
    alerts: Annotated[
        Path | None, typer.Option(help="The alerts.parquet of the replay whose options hold, or its folder.")
    ] = None,
    of: Annotated[str | None, typer.Option(help="A symbol, without an alert.")] = None,
    span: Annotated[str, typer.Option(help="With --of: the timespan of its bars.")] = "minute",
    rule: Annotated[
        str, typer.Option(help=f"With --of: whose statistic is shown: {', '.join(BAR_RULES['literal'])}.")
    ] = "abnormal_volume",
    since: Annotated[
        str | None,
        typer.Option(
            help="With --of: from then on, '2026-01-30 09:30' (New York), ISO 8601 or epoch ms; without, the last "
            "session's bars."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(help="With --of: up to then, as --since.")] = None,
    news: options.News = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    params: options.Params = None,
    rules: options.Rules = None,
    session_reset: options.SessionResetOfAlerts = None,
    calendar: options.CalendarOfAlerts = None,
    *,
    reading: Reading,
) -> None:
    """Draw candles, volume and a rule's statistic with the limits in force, what fired and the articles.

    Prices are dollars, volumes shares, times New York's. Beside its alerts a replay says what it ran with; an option
    that is given holds instead.
    """
    if (alert_id is None) == (of is None):
        raise ConfigurationError("chart needs either an alert's id or --of SYMBOL")
    if rule not in BAR_RULES["literal"]:
        raise ConfigurationError(f"--rule {rule} has no statistic of bars; choose {', '.join(BAR_RULES['literal'])}")
    given = ReplayOptions.given(
        {
            "bars": bars, "news": news, "splits": splits, "dividends": dividends, "ticker_changes": ticker_changes,
            "profiles": profiles, "params": params,
        },
        reading, rules=rules, history=None, session_reset=session_reset, calendar=calendar,
    )  # fmt: skip
    ran = given.completed(find_alerts(alerts) if alerts else None)
    files, sessions, book = ran.files(), ran.sessions(), load_book_of(ran)
    if alert_id is not None:
        view = chart_alert(files, alert_id, out, sessions=sessions, book=book)
    else:
        view = chart_span(
            files,
            str(of),
            out,
            timespan=span,
            rule=rule,
            since_ms=options.read_moment("--since", since),
            until_ms=options.read_moment("--until", until, to_end=True),
            sessions=sessions,
            book=book,
        )
    times = " to ".join(write_new_york(ts_ms) for ts_ms in (view.ts[0], view.ts[-1]))
    tell(f"{len(view.ts):,} {view.timespan} bars of {view.symbol}, {times} New York -> {out}")
