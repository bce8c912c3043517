"""Makes alerts of reference data that contradicts itself: nobody can say which of two ratios of a split is right.

Detection goes by none of them, so the bars around that day may look abnormal.
"""

from __future__ import annotations

from include.surveillance.instruments import Objection
from include.surveillance.records import Alert, Source, digest
from include.surveillance.texts import one_line

RULE = "data_quality"
VERSION = 1
LONGEST_DETAIL = 300


def describe_contradiction(symbol: str, objection: Objection, at_ms: int, source: Source) -> Alert:
    """Make the alert of statements about a ticker that contradict each other; the same ones always have the same id.

    Args:
        at_ms: when it was noticed, UTC epoch ms, or, where there is no now, the time that the statements are about.
    """
    detail = one_line(objection.detail, LONGEST_DETAIL)
    return Alert(
        event_id=f"{RULE}|{symbol}|day|{digest(objection.reason, detail)}|v{VERSION}",
        rule=RULE,
        rule_version=VERSION,
        parameters_version="",
        symbol=symbol,
        timespan="day",
        ts_ms=at_ms,
        bar_close_ms=at_ms,
        # Two say what one may say.
        value=2.0,
        threshold=1.0,
        window_start_ms=at_ms,
        window_end_ms=at_ms,
        score=75.0,
        severity="high",
        episode_start_ms=at_ms,
        session_phase="",
        session_date="",
        data_age_ms=0,
        event_ids=(),
        explanation=f"Reference data contradicts itself: {objection.reason}, {detail}. None of it counts, so prices of "
        "that day may look abnormal; look which one is right.",
        source=source,
    )
