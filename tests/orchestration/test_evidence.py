"""Bars and news around live alerts, from a real Kafka into a real PostgreSQL: once, and never changed."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from include.orchestration import connections, evidence
from include.orchestration.application.evidence import find_subject, select_evidence
from include.orchestration.maintenance import clean_application
from include.surveillance import broker
from include.surveillance.desk.evidence import unseal
from include.surveillance.records import Bar, NewsItem
from include.surveillance.timespans import MINUTE_MS, to_ms
from tests.orchestration.conftest import alert, store

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
AT = to_ms(NOW - timedelta(hours=3))


def bars(symbol, minutes, close=50.0):
    prices = dict.fromkeys(("open", "high", "low"), 50.0)
    return [
        Bar(symbol=symbol, timespan="minute", ts_ms=AT + it * MINUTE_MS, **prices, close=close, volume=Decimal(100))
        for it in minutes
    ]


@pytest.fixture
def raised(topics, desk, monkeypatch):
    """Two alerts of new symbols, with bars and an article in Kafka; a live one that is too young."""
    monkeypatch.setattr(connections, "kafka", lambda: topics)
    desk("truncate evidence")
    names = [f"{name}{uuid.uuid4().hex[:6]}" for name in ("A", "B")]
    for name in names:
        news = NewsItem(symbol=name, article_id=f"about {name}", published_ms=AT - MINUTE_MS, title="news")
        broker.publish(topics, [*bars(name, range(-130, 70)), *bars(name, [0], 51.0), news])
    made = [alert(name, ts_ms=AT, bar_close_ms=AT + MINUTE_MS) for name in names]
    store([*made, alert("YOUNG", ts_ms=to_ms(NOW)), alert("OLD", ts_ms=AT, source="backfill")])
    return made


def test_each_live_alert_has_its_evidence_once(raised, desk):
    assert evidence.keep_evidence(NOW) == 2
    kept = {one.event_id: select_evidence(one.event_id) for one in raised}
    for one in raised:
        sha256, found = unseal(bytes(kept[one.event_id]["content"]))
        assert sha256 == kept[one.event_id]["sha256"]
        assert [it.ts_ms for it in found.bars] == [AT + it * MINUTE_MS for it in range(-120, 61)]
        assert found.bars[120].close == 51.0
        assert [it.article_id for it in found.news] == [f"about {one.symbol}"]
    broker.publish(connections.kafka(), bars(raised[0].symbol, [3], 99.0))
    assert evidence.keep_evidence(NOW) == 0
    assert {one.event_id: select_evidence(one.event_id) for one in raised} == kept
    assert desk("select count(*) from evidence") == [(2,)]


def test_whoever_dies_between_two_alerts_is_followed_by_one_who_does_the_rest(raised, desk, monkeypatch):
    real = evidence.store_evidence

    def one_only(gathered):
        real(gathered[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence, "store_evidence", one_only)
    with pytest.raises(KeyboardInterrupt):
        evidence.keep_evidence(NOW)
    monkeypatch.setattr(evidence, "store_evidence", real)
    assert evidence.keep_evidence(NOW) == 1
    assert desk("select count(*) from evidence") == [(2,)]


@pytest.mark.parametrize("statement", ["update evidence set content = ''", "delete from evidence"])
def test_nobody_changes_evidence_and_it_goes_with_its_alert(raised, desk, statement):
    evidence.keep_evidence(NOW)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="evidence is never changed"):
        desk(statement)
    clean_application(datetime.now(UTC) + timedelta(days=1))
    assert desk("select * from evidence") == []


def test_an_unknown_alert_has_none(desk):
    assert find_subject("none") is None
    assert select_evidence("none") is None
