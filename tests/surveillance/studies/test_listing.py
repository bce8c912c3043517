"""A list of alerts: each once, as it was at its strongest, and only those that stand."""

from __future__ import annotations

import pandas as pd
import pytest
from msgspec import structs
from msgspec.structs import replace

from include.surveillance.errors import ConfigurationError
from include.surveillance.studies.listing import FIELDS, list_alerts, select_alerts
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.alerts.test_market_events import alert


def listed(*alerts):
    return list_alerts(pd.DataFrame([structs.asdict(one) for one in alerts], columns=list(FIELDS)))


def test_an_alert_is_listed_once_at_its_strongest_with_the_span_of_its_bars():
    first = alert(minute=0, score=60.0)
    strongest = replace(first, ts_ms=first.ts_ms + MINUTE_MS, score=80.0, firings=2, status="refired")
    later = replace(strongest, ts_ms=first.ts_ms + 3 * MINUTE_MS, score=65.0, firings=4)
    (row,) = listed(first, strongest, later).itertuples()
    assert (row.score, row.firings, row.ts_ms) == (80.0, 4, strongest.ts_ms)
    assert (row.first_ms, row.last_ms) == (first.ts_ms, later.ts_ms)


def test_a_retracted_alert_does_not_stand_and_a_confirmed_one_does():
    one, other = alert("S1"), alert("S2")
    rows = [one, other, replace(one, status="retracted"), replace(other, status="confirmed")]
    assert listed(*rows)["symbol"].tolist() == ["S2"]
    assert listed(*rows, replace(one, status="fired"))["symbol"].tolist() == ["S1", "S2"], "it was raised again"


def test_alerts_of_the_feed_and_of_the_platform_are_a_kind_of_their_own():
    alerts = listed(*(alert(rule=rule) for rule in ("price_gap", "news_impact", "feed_freshness", "log_break")))
    for kind, rules in (("market", ["news_impact", "price_gap"]), ("operations", ["feed_freshness", "log_break"])):
        assert sorted(select_alerts(alerts, kind=kind)["rule"]) == rules


def test_of_equal_scores_the_earliest_is_first_and_top_cuts():
    alerts = listed(alert("S1", minute=5), alert("S2", minute=1), alert("S3", minute=3, score=99.0))
    assert select_alerts(alerts)["symbol"].tolist() == ["S3", "S2", "S1"]
    assert select_alerts(alerts, top=2)["symbol"].tolist() == ["S3", "S2"]
    assert select_alerts(alerts, order="time")["symbol"].tolist() == ["S2", "S3", "S1"]
    with pytest.raises(ConfigurationError, match="volume is no rule"):
        select_alerts(alerts, rules=["volume"])


def test_what_nothing_explains_comes_first_as_its_last_message_says():
    late, why = alert("S1", score=90.0, tag="unexplained"), alert("S2", score=60.0, tag="unexplained")
    told = replace(late, status="retagged", score=50.0, tag="news", tag_evidence=("news|a1",))
    alerts = select_alerts(listed(late, why, told))
    assert list(zip(alerts["symbol"], alerts["tag"], alerts["score"], strict=True)) == [
        ("S2", "unexplained", 60.0), ("S1", "news", 90.0),
    ]  # fmt: skip
    assert alerts["tag_evidence"].tolist() == ["", "news|a1"]


def test_nothing_is_listed_of_nothing():
    assert listed().empty
