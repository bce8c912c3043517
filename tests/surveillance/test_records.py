from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest

from include.surveillance import broker
from include.surveillance.records import (
    Alert,
    AnyRecord,
    Bar,
    Dividend,
    Instrument,
    NewsItem,
    Profile,
    Record,
    Reject,
    Split,
    TickerChange,
    Watermark,
    as_text,
    digest,
)
from include.surveillance.timespans import SPAN_MS

BAR = {"symbol": "A", "timespan": "minute", "ts_ms": 60_000, "open": 1, "high": 2, "low": 1, "close": 2}


def bar(**changes) -> Bar:
    return Bar(**BAR | {"volume": Decimal(10)} | changes)


def test_a_bar_polled_twice_is_the_same_event():
    assert bar(polled_ms=1, source="live").event_id == bar(polled_ms=2, source="backfill").event_id


@pytest.mark.parametrize("written", ["10.0", "1E+1", "10.000000"])
def test_how_a_volume_is_written_does_not_matter(written):
    assert bar(volume=Decimal(written)).event_id == bar().event_id


@pytest.mark.parametrize(
    "changes",
    [{"open": 1.5}, {"high": 3}, {"low": 0.5}, {"close": 1}, {"volume": Decimal(11)}, {"vwap": 1.5}, {"trades": 1}],
)
def test_a_corrected_value_is_another_revision_of_the_same_bar(changes):
    first, corrected = bar(), bar(**changes)
    assert first.revision != corrected.revision
    assert first.event_id.rsplit("|", 1)[0] == corrected.event_id.rsplit("|", 1)[0] == "A|minute|60000"


@pytest.mark.parametrize("timespan", SPAN_MS)
def test_a_bar_closes_one_span_after_its_start(timespan):
    assert bar(timespan=timespan).close_ms == 60_000 + SPAN_MS[timespan]


def test_a_watermark_is_one_for_each_end_and_source():
    def watermark(**changes) -> str:
        given = {"symbol": "A", "timespan": "minute", "from_ms": 0, "as_of_ms": 60_000, "bars": 1}
        return Watermark(**given | changes).event_id

    assert watermark() == watermark(bars=2, polled_ms=5)
    assert len({watermark(), watermark(as_of_ms=120_000), watermark(source="backfill"), watermark(symbol="B")}) == 4


def test_an_insight_that_arrives_later_is_a_new_revision_of_the_item():
    given = {"symbol": "A", "article_id": "x", "published_ms": 1, "title": "t"}
    assert NewsItem(**given).event_id != NewsItem(**given, sentiment="negative").event_id
    assert NewsItem(**given).event_id == NewsItem(**given, polled_ms=9).event_id


def test_reference_data_is_the_same_until_it_changes():
    assert Instrument(symbol="A", name="a", polled_ms=1).event_id == Instrument(symbol="A", name="a").event_id
    assert Instrument(symbol="A", name="a").event_id != Instrument(symbol="A", name="a", active=False).event_id
    split = {"symbol": "A", "execution_date": "2026-01-02", "split_from": 1}
    assert Split(**split, split_to=2).event_id == Split(**split, split_to=3).event_id, "a correction replaces"


def test_a_corporate_action_is_one_for_each_symbol_and_day():
    def dividend(**changes) -> str:
        return Dividend(**{"symbol": "A", "ex_date": "2026-01-02", "cash_amount": 1} | changes).event_id

    def change(new_symbol: str) -> str:
        return TickerChange(symbol="A", date="2026-01-02", new_symbol=new_symbol).event_id

    assert dividend() == dividend(cash_amount=2) != dividend(ex_date="2026-01-05")
    assert change("B") == change("C")
    ids = {dividend(), change("B"), Split(symbol="A", execution_date="2026-01-02", split_from=1, split_to=2).event_id}
    assert len(ids) == 3


def profile(**changes) -> Profile:
    given = {
        "symbol": "A",
        "timespan": "minute",
        "effective_ms": 60_000,
        "first_date": "2026-01-02",
        "last_date": "2026-01-30",
        "sessions": 20,
        "volume_level": [8.0],
        "volume_scale": [0.4],
        "return_factor": [1.0],
        "presence": [0.9],
        "volatility_fire": 0.002,
        "volatility_clear": 0.001,
        "range_percent": 0.02,
        "turnover": 1e6,
        "liquidity": "mid",
    }
    return Profile(**given | changes)


def test_a_profile_built_again_replaces_the_one_for_that_moment_under_another_version():
    assert profile().event_id == profile(volume_level=[9.0]).event_id != profile(effective_ms=120_000).event_id
    assert profile().version == profile().version == f"2026-01-30|{profile().revision}"


@pytest.mark.parametrize(
    "changes",
    [
        {"volume_level": [9.0]},
        {"volume_scale": [0.5]},
        {"return_factor": [2.0]},
        {"presence": [0.8]},
        {"volatility_fire": 0.003},
        {"volatility_clear": 0.002},
        {"range_percent": 0.03},
        {"turnover": 2e6},
        {"sessions": 19},
        {"first_date": "2026-01-05"},
    ],
)
def test_a_profile_of_other_values_is_another_version(changes):
    assert profile(**changes).version != profile().version


def test_an_alert_is_one_for_each_episode_whatever_becomes_of_it():
    def alert(**changes) -> str:
        given = {
            "rule": "price_gap",
            "rule_version": 1,
            "parameters_version": "x",
            "symbol": "A",
            "timespan": "minute",
            "ts_ms": 60_000,
            "bar_close_ms": 120_000,
            "value": 1.0,
            "threshold": 1.0,
            "window_start_ms": 0,
            "window_end_ms": 0,
            "score": 50.0,
            "severity": "low",
            "episode_start_ms": 60_000,
            "session_phase": "regular",
            "session_date": "2026-01-02",
            "data_age_ms": 0,
            "event_ids": (),
            "explanation": "",
        }
        return Alert(**given | changes).event_id

    assert alert() == alert(status="refired", firings=2, ts_ms=180_000, value=2.0, form="robust")
    assert alert() == alert(status="retracted", before_value=1.0, before_threshold=1.0)
    assert len({alert(), alert(episode_start_ms=0), alert(timespan="hour"), alert(rule_version=2)}) == 4


def test_the_same_bytes_rejected_twice_are_one_reject():
    given = {"stage": "normalise", "detail": "d", "raw": "{}"}
    assert Reject(reason="r", **given, polled_ms=1).event_id == Reject(reason="r", **given, polled_ms=2).event_id
    assert Reject(reason="r", **given).event_id != Reject(reason="s", **given).event_id


def test_a_digest_tells_its_parts_apart():
    assert digest("ab", "c") != digest("a", "bc")
    assert len(digest()) == 8


def test_a_given_id_is_kept_and_a_bare_record_has_none():
    assert bar(event_id="mine").event_id == "mine"
    with pytest.raises(TypeError, match="no identity"):
        Record()


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        bar().close = 3


def test_every_kind_of_record_travels_on_a_topic_that_is_created():
    kinds = get_args(AnyRecord)
    assert set(kinds) == set(Record.__subclasses__())
    created = {spec.name for spec in broker.TOPICS}
    assert {kind.topic for kind in kinds} == created - {broker.DETECTOR_STATE}


def test_bars_and_their_watermarks_share_a_topic_so_that_one_follows_the_other():
    assert Bar.topic == Watermark.topic


@pytest.mark.parametrize(
    ("received", "kept"), [("é {}".encode(), ("é {}", "utf-8")), (b"\xff\x00", ("/wA=", "base64"))]
)
def test_bytes_are_kept_as_text_where_they_are_text(received, kept):
    assert as_text(received) == kept
