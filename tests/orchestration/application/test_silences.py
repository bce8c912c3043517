"""Silences in a real PostgreSQL: made and ended with a row of the audit log, and previewed on what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration.application import audit, silences
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.silences import Matcher
from include.surveillance.errors import ActRefusedError, UnknownObjectError
from include.surveillance.settings import Settings
from tests.orchestration.conftest import alert, store, transaction

POLICY = Policy.load(Settings().desk_policy_file)
NOW = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
DAY = timedelta(days=1)
STALE = Matcher(rule="feed_freshness", symbol="AMZN")


def silence(matcher=STALE, days=1):
    return silences.silence("nina", matcher, "the exchange has a holiday", NOW, NOW + days * DAY, POLICY)


def in_force(at):
    with transaction() as cursor:
        return [it.silence_id for it in silences.list_in_force(cursor, at)]


def test_a_silence_is_in_force_until_its_end_and_stays_in_the_list(desk):
    number = silence()
    assert in_force(NOW) == in_force(NOW + DAY - timedelta(microseconds=1)) == [number]
    assert in_force(NOW - timedelta(microseconds=1)) == in_force(NOW + DAY) == []
    (listed,) = silences.list_silences()
    assert (listed.matcher, listed.author, listed.reason) == (STALE, "nina", "the exchange has a holiday")


def test_it_can_be_ended_once(desk):
    number = silence()
    ended = silences.end_silence("lea", number, NOW + DAY / 2)
    assert (ended.ends_at, ended.ended_by) == (NOW + DAY / 2, "lea")
    assert in_force(NOW + DAY / 2) == []
    with pytest.raises(ActRefusedError, match="has ended"):
        silences.end_silence("nina", number, NOW + DAY / 2)
    with pytest.raises(UnknownObjectError):
        silences.end_silence("nina", number + 1, NOW)
    acts = audit.select_acts({"object_kind": "silence", "object_id": str(number), "before": None}, 10)
    assert [(act["actor"], act["event"]) for act in acts[:2]] == [("lea", "end"), ("nina", "silence")]
    assert acts[0]["before"] == acts[1]["after"]
    audit.verify_audit()


def test_a_refused_one_leaves_nothing(desk):
    before = desk("select count(*) from audit_log")
    for matcher, days in ((Matcher(), 1), (STALE, 0), (STALE, 31)):
        with pytest.raises(ActRefusedError):
            silence(matcher, days)
    assert silences.list_silences() == []
    assert desk("select count(*) from audit_log") == before


def test_a_preview_counts_last_weeks_live_alerts(desk):
    day_ms = 86_400_000
    at = int(NOW.timestamp() * 1_000)

    def quality(symbol, days, **changes):
        ts_ms = at - days * day_ms
        return alert(symbol, rule="price_gap", ts_ms=ts_ms, bar_close_ms=ts_ms + 60_000, **changes)

    live = [quality("AMZN", 1), quality("AMZN", 6, episode_start_ms=1), quality("KO", 2, severity="low")]
    store([*live, quality("AMZN", 8, episode_start_ms=2), quality("AMZN", 1, source="backfill", episode_start_ms=3)])
    since = NOW - 7 * DAY
    assert silences.preview(Matcher(rule="price_gap"), since).symbols == {"AMZN": 2, "KO": 1}
    assert silences.preview(Matcher(symbol="AMZN"), since).alerts == 2
    assert silences.preview(Matcher(rule="price_gap", up_to="medium"), since).severities == {"low": 1}
    assert silences.preview(Matcher(rule="news_impact"), since).alerts == 0
