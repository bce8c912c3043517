"""Makes alerts of breaks: a topic that was made anew, has lost messages or has got more partitions.

Such an alert is about the platform: in place of a symbol it has the topic.

They travel with the other alerts, so that people are told of each once, whoever finds it and however often.
"""

from __future__ import annotations

from collections.abc import Sequence

from include.surveillance.places import Break, Cause
from include.surveillance.records import Alert

RULE = "log_break"
VERSION = 1
_WHAT_FOLLOWS = {
    Cause.MADE_ANEW: "what it holds is read from the beginning; where that was not intended, restore the former one",
    Cause.TAIL_LOST: "what follows is read from there; bars that are gone come back with a backfill of the last hours",
    Cause.PARTITIONS_ADDED: "all of them are read; DAG detect_anomalies says what it needs before it goes on",
}


def describe_breaks(breaks: Sequence[Break], noticed_ms: int) -> list[Alert]:
    """Make one alert of each cause: of a topic, whatever number of its partitions and consumers have found it.

    Args:
        noticed_ms: when it was noticed, UTC epoch ms.
    """
    alerts = {alert.event_id: alert for alert in [_describe(it, noticed_ms) for it in breaks]}
    return list(alerts.values())


def _describe(found: Break, noticed_ms: int) -> Alert:
    what, log = found.describe(), f"{found.resume.topic_id}/{found.resume.partitions}"
    # What is stored after a loss is of a later epoch.
    which = f"{log}/{found.stored.epoch}" if found.cause is Cause.TAIL_LOST else log
    return Alert(
        event_id=f"{RULE}|{found.topic}|{found.cause}|{which}|v{VERSION}",
        rule=RULE,
        rule_version=VERSION,
        parameters_version="",
        symbol=found.topic,
        timespan="minute",
        ts_ms=noticed_ms,
        bar_close_ms=noticed_ms,
        value=float(found.stored.offset),
        threshold=float(found.resume.offset),
        window_start_ms=noticed_ms,
        window_end_ms=noticed_ms,
        score=100.0,
        severity="critical",
        episode_start_ms=noticed_ms,
        session_phase="",
        session_date="",
        data_age_ms=0,
        event_ids=(),
        explanation=f"{what[0].upper()}{what[1:]}; {_WHAT_FOLLOWS[found.cause]}.",
    )
