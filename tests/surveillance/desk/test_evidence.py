"""Evidence is what belongs to an alert and nothing else, as it was told last, under one hash."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.desk.evidence import BARS_AFTER, BARS_BEFORE, NEWS_MS, Subject, gather, seal, unseal, wait_ms
from include.surveillance.records import Bar, NewsItem
from include.surveillance.timespans import DAY_MS, MINUTE_MS, SPAN_MS

AT = 1_700_000_040_000 // MINUTE_MS * MINUTE_MS
KO = Subject("price_gap|KO|minute|1|v1", "KO", "minute", AT)


def bar(minute, close=50.0, symbol="KO", timespan="minute"):
    prices = dict.fromkeys(("open", "high", "low"), 50.0)
    ts_ms = AT + minute * MINUTE_MS
    return Bar(symbol=symbol, timespan=timespan, ts_ms=ts_ms, **prices, close=close, volume=Decimal("1e3"))


def article(minute, name="one", symbol="KO", **fields):
    return NewsItem(symbol=symbol, article_id=name, published_ms=AT + minute * MINUTE_MS, title="t", **fields)


others = st.sampled_from([bar(0, symbol="PEP"), bar(0, timespan="5minute"), article(0, "x", "PEP")])
bars = st.builds(bar, st.integers(-BARS_BEFORE - 5, BARS_AFTER + 5), st.sampled_from([50.0, 51.0, 52.0]))
articles = st.builds(article, st.integers(-125, 125), st.sampled_from("abc"))


@given(st.lists(bars | articles | others))
def test_the_last_word_of_what_belongs_to_it_and_nothing_else(records):
    found = gather(KO, records)
    assert [it.ts_ms for it in found.bars] == sorted({it.ts_ms for it in found.bars})
    for it in found.bars:
        assert -BARS_BEFORE <= (it.ts_ms - AT) // MINUTE_MS <= BARS_AFTER
    last = {}
    for record in records:
        if record.symbol == "KO" and (isinstance(record, NewsItem) or record.timespan == "minute"):
            last[record.ts_ms if isinstance(record, Bar) else record.article_id] = record
    for key, record in last.items():
        if isinstance(record, NewsItem):
            assert (record in found.news) == (-NEWS_MS <= record.published_ms - AT < NEWS_MS)
        else:
            assert (record in found.bars) == (-BARS_BEFORE * MINUTE_MS <= key - AT <= BARS_AFTER * MINUTE_MS)
    assert len(found.bars) + len(found.news) <= len(last)


@given(st.lists(bars | articles))
def test_what_is_sealed_comes_back_under_its_hash(records):
    found = gather(KO, records)
    sha256, content = seal(found)
    assert unseal(content) == (sha256.hex(), found)
    other = replace(found, alert_id="another")
    assert seal(other)[0] != sha256


def test_a_withdrawn_date_takes_the_article_away():
    assert gather(KO, [article(0), article(-300)]).news == ()
    assert len(gather(KO, [article(-300), article(0)]).news) == 1


@pytest.mark.parametrize("timespan", SPAN_MS)
def test_everything_is_there_when_it_is_kept_and_kafka_still_has_the_first(timespan):
    subject = KO._replace(timespan=timespan)
    assert wait_ms(timespan) >= subject.bars_ms[1] - AT
    assert wait_ms(timespan) >= subject.news_ms[1] - AT
    assert wait_ms(timespan) <= 10 * DAY_MS
    assert subject.since_ms <= subject.bars_ms[0] < AT < subject.bars_ms[1]
