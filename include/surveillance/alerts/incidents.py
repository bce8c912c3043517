"""Makes one alert of many of operations: one incident for each rule, feed and session, updated in place.

A feed is all symbols' bars of one timespan. Detection sees one partition, so it raises an alert for each symbol;
whoever sees all of them folds them here: the notifier for page and channels, and the terminal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import log2

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.alerts.severity import grade_scores, score_exceedance
from include.surveillance.records import Alert, Status
from include.surveillance.severities import SEVERITIES

FEED = "FEED"
"""Stands in place of a symbol."""
VERSION = 1
NAMES = 3
_WHAT = {"feed_freshness": "bars of {} symbols have stopped", "data_quality": "bars of {} symbols could not be used"}


def incident_of(alert: Alert) -> str | None:
    """Name the incident that an alert is folded into; None for one that people read by itself.

    Live ones belong to their session. Those of a backfill belong to the day in New York on which it asked.
    """
    if alert.rule not in _WHAT or alert.symbol == FEED or not alert.session_date:
        return None
    live = alert.source == "live"
    when = alert.session_date if live else f"backfill of {wording.date(alert.bar_close_ms + alert.data_age_ms)}"
    return f"{alert.rule}|{FEED}|{alert.timespan}|{when}|v{VERSION}"


def fold_incidents(alerts: Iterable[Alert]) -> list[Alert]:
    """Make each incident of all alerts that are folded into it, in the order in which they were published.

    It is open while one of them is, and tells of the open ones; then it has ended and tells of all. Its value is the
    number of symbols, its ``firings`` that of the alerts, its ``event_ids`` are theirs. Its severity is a matter of
    how many symbols nobody sees: one is low, 2 medium, 4 high, 25 critical. Inhibited alerts do not count.
    """
    members: dict[str, dict[str, Alert]] = defaultdict(dict)
    for alert in alerts:
        if (name := incident_of(alert)) and not alert.inhibited_by:
            members[name][alert.event_id] = alert
    return [_describe(name, list(folded.values())) for name, folded in members.items()]


def _describe(name: str, folded: list[Alert]) -> Alert:
    standing = [alert for alert in folded if alert.status != "retracted"]
    open_now = [alert for alert in standing if alert.status != "ended"]
    told_of = open_now or standing or folded
    worst = max(told_of, key=lambda alert: (alert.score, alert.ts_ms, alert.symbol))
    symbols = sorted({alert.symbol for alert in told_of})
    points = score_exceedance(np.array(1 + log2(len(symbols)) / 2))
    status: Status = "fired" if len(folded) == 1 else "refired"
    if not open_now:
        status = "ended" if standing else "retracted"
    return Alert(
        event_id=name,
        rule=worst.rule,
        rule_version=worst.rule_version,
        parameters_version=worst.parameters_version,
        form=worst.form,
        profile_version=worst.profile_version,
        status=status,
        firings=len(folded),
        symbol=FEED,
        timespan=worst.timespan,
        ts_ms=max(alert.ts_ms for alert in told_of),
        bar_close_ms=max(alert.bar_close_ms for alert in told_of),
        value=float(len(symbols)),
        threshold=0.0,
        window_start_ms=min(alert.window_start_ms for alert in told_of),
        window_end_ms=max(alert.window_end_ms for alert in told_of),
        score=float(points),
        severity=SEVERITIES[int(grade_scores(points))],
        episode_start_ms=min(alert.episode_start_ms for alert in told_of),
        session_phase=worst.session_phase,
        session_date=worst.session_date,
        data_age_ms=worst.data_age_ms,
        event_ids=tuple(sorted(alert.event_id for alert in folded)),
        explanation=_explain(worst, symbols),
        source=worst.source,
    )


def _explain(worst: Alert, symbols: list[str]) -> str:
    if len(symbols) == 1:
        return worst.explanation
    others = f" and {len(symbols) - NAMES} more" if len(symbols) > NAMES else ""
    what = _WHAT[worst.rule].format(len(symbols))
    return f"{worst.timespan.capitalize()} {what}, {', '.join(symbols[:NAMES])}{others}; worst: {worst.explanation}"
