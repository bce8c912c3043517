from __future__ import annotations

from decimal import Decimal

import pytest

from include.surveillance.models import SPAN_MS, Bar, Instrument, NewsItem, Record, Reject, Split, Watermark, digest

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
