"""Facts of alerts for the tests of reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from include.surveillance.desk.facts import Facts
from include.surveillance.severities import SEVERITIES

SESSION = "2026-03-09"
BEGIN = datetime(2026, 3, 9, 8, tzinfo=UTC)
VERDICTS = {"escalated": "true positive", "usual": "false positive", "duplicate": "no verdict"}
RULES = ("price_gap", "abnormal_volume", "market_event", "feed_freshness")


def facts(number=0, **changes):
    """Facts of one alert; those of other numbers have other ids and bars."""
    rule = changes.get("rule", "price_gap")
    bar_at = BEGIN + timedelta(minutes=number)
    fields = {
        "alert_id": f"{rule}|{number:04}",
        "kind": "operations" if rule == "feed_freshness" else "market",
        "rule": rule,
        "form": "robust",
        "symbol": "KO",
        "tag": "news",
        "severity": "high",
        "session": SESSION,
        "bar_at": bar_at,
        "known_at": bar_at + timedelta(minutes=1),
        "status": "fired",
        "value": 3.0,
        "event": "The market fell" if rule == "market_event" else None,
        "score": 50.0,
        "is_rare": True,
        "parameters_version": "a",
        "told": "outbox",
        "is_folded": False,
    }
    return Facts(**(fields | changes))


def closed(number=0, reason="usual", **changes):
    """Facts of an alert that was closed ten minutes after it was known."""
    at = BEGIN + timedelta(minutes=number + 11)
    return facts(number, **{"state": "closed", "reason": reason, "decided_at": at, "changed_at": at, **changes})


def lists(endings=(None, None, *VERDICTS, "gone"), least=0, **fields):
    """A strategy: alerts that are each open (None) or closed for some reason."""
    some = {
        "rule": st.sampled_from(RULES),
        "symbol": st.sampled_from(["KO", "PEP"]),
        "tag": st.sampled_from(["news", "unexplained", None]),
        "severity": st.sampled_from(SEVERITIES),
        "score": st.floats(0, 100).map(lambda it: round(it, 1)),
        "is_rare": st.booleans(),
        "told": st.sampled_from(["outbox", "pending", "not sent: silence 7 of nina", "not sent: the symbol is new"]),
        "status": st.sampled_from(["fired", "retracted"]),
        "is_folded": st.booleans(),
        "is_escalated": st.booleans(),
        "parameters_version": st.sampled_from(["a", "b", None]),
    } | fields
    one = st.tuples(st.sampled_from(endings), st.fixed_dictionaries(some))
    return st.lists(one, min_size=least, max_size=40).map(
        lambda given: [
            facts(number, **more) if reason is None else closed(number, reason, **more)
            for number, (reason, more) in enumerate(given)
        ]
    )
