"""News, instruments, splits and dividends from whatever the vendor sends."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.surveillance import normalise, wire
from include.surveillance.records import Dividend, Instrument, NewsItem, Payment, Reject, Split
from include.surveillance.texts import one_line
from tests.surveillance.normalise.payloads import END, RECORDED, needs_recorded, payload, recorded

ARTICLE = {
    "id": "a1",
    "title": "Apple misses",
    "published_utc": "2019-02-14T14:31:05Z",
    "article_url": "https://example.org/a1",
    "publisher": {"name": "Example"},
    "tickers": ["AAPL", "MSFT", "XYZ"],
    "insights": [{"ticker": "AAPL", "sentiment": "negative", "sentiment_reasoning": "it missed"}],
}


# --- news


def test_an_article_is_one_item_for_each_watched_ticker():
    apple, microsoft = normalise.news(payload(ARTICLE), ["MSFT", "AAPL"], source="live")
    assert apple == NewsItem(
        symbol="AAPL",
        article_id="a1",
        published_ms=1_550_154_665_000,
        title="Apple misses",
        url="https://example.org/a1",
        publisher="Example",
        tickers=("AAPL", "MSFT", "XYZ"),
        sentiment="negative",
        reasoning="it missed",
        polled_ms=END + 2_000,
    )
    assert microsoft.sentiment is None, "no insight is unknown, not neutral"


def test_an_item_has_the_name_of_its_company():
    given = {"AAPL": "Apple Inc.", "TSLA": "Tesla, Inc."}
    apple, microsoft = normalise.news(payload(ARTICLE), ["MSFT", "AAPL"], source="live", companies=given)
    assert (apple.company, microsoft.company) == ("Apple Inc.", "")


class TestWithdrawnNews:
    """Items of an article about two watched tickers, and what the vendor lists when it is asked again."""

    @staticmethod
    def listed(*articles: dict) -> list:
        return normalise.news(payload(*articles), ["MSFT", "AAPL"], source="live")

    def test_what_is_listed_still_is_not_withdrawn(self):
        known = self.listed(ARTICLE)
        assert normalise.withdrawn_news(known, self.listed(ARTICLE), 5) == []
        corrected = self.listed(ARTICLE | {"title": "Another one"})
        assert normalise.withdrawn_news(known, corrected, 5) == []

    def test_what_is_listed_no_longer_is_withdrawn_once(self):
        known = self.listed(ARTICLE)
        gone = normalise.withdrawn_news(known, [], 5)
        assert [(it.symbol, it.withdrawn, it.polled_ms) for it in gone] == [("AAPL", True, 5), ("MSFT", True, 5)]
        assert not {it.event_id for it in gone} & {it.event_id for it in known}
        assert normalise.withdrawn_news([*known, *gone], [], 6) == []
        assert len(normalise.withdrawn_news([*known, *gone, *known], [], 7)) == 2, "listed again in between"

    def test_a_ticker_that_is_taken_from_an_article_is_withdrawn_from_it(self):
        known, (apple,) = self.listed(ARTICLE), self.listed(ARTICLE | {"tickers": ["AAPL"]})
        (gone,) = normalise.withdrawn_news(known, [apple], 5)
        assert gone.symbol == "MSFT"

    def test_nothing_is_said_of_an_answer_that_cannot_all_be_read(self):
        assert normalise.withdrawn_news(self.listed(ARTICLE), self.listed(ARTICLE | {"title": 5}), 5) == []


def test_an_article_about_nothing_watched_is_no_item():
    assert normalise.news(payload(ARTICLE), ["NVDA"], source="live") == []


def test_an_article_without_insights_is_usual():
    (item,) = normalise.news(payload(ARTICLE | {"insights": None}), ["AAPL"], source="live")
    assert item.sentiment is None


def test_an_insight_that_cannot_be_used_is_rejected_and_the_item_kept():
    strange = ARTICLE | {"insights": [{"ticker": "AAPL", "sentiment": "euphoric"}]}
    item, rejected = normalise.news(payload(strange), ["AAPL"], source="live")
    assert item.sentiment is None
    assert rejected.reason == "sentiment unusable"
    assert "euphoric" in rejected.detail


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "id missing"),
        ({"title": 7}, "title unusable"),
        ({"title": "\ud800"}, "title unusable"),
        ({"published_utc": "yesterday"}, "published_utc unusable"),
        ({"published_utc": "2019-02-15T14:31:05Z"}, "future stamp"),
        ({"tickers": "AAPL"}, "tickers unusable"),
        ({"tickers": [1]}, "tickers unusable"),
    ],
)
def test_an_unusable_article_is_rejected(changes, reason):
    (rejected,) = normalise.news(payload(ARTICLE | changes), ["AAPL"], source="live")
    assert rejected.reason == reason


HOSTILE_TITLE = (
    "<!channel> ACME recalls\n[critical] GOOD closed up 900 %, see <https://evil.example/login|your compliance portal>"
)


@given(st.text(min_size=1) | st.builds(f"{HOSTILE_TITLE}{{}}".format, st.text()))
@example(HOSTILE_TITLE + "x" * 2_000_000)
def test_a_title_is_one_printable_line_of_bounded_length_or_a_reject(title):
    (made,) = normalise.news(payload(ARTICLE | {"title": title}), ["AAPL"], source="live")
    if isinstance(made, Reject):
        assert not one_line(title, 300)
        return
    assert 0 < len(made.title) <= 300
    assert made.title.isprintable()
    assert made.title[:20].strip() == one_line(title, 300)[:20].strip()


def test_every_other_text_of_an_article_is_bounded_too():
    long = "line one\nline two " * 10_000
    insight = {"ticker": "AAPL", "sentiment": "negative", "sentiment_reasoning": long}
    strange = {
        "article_url": "javascript:alert(1)",
        "publisher": {"name": long},
        "insights": [insight],
        "tickers": ["AAPL", "A\nB", "\ud800", "x" * 10_000, *(f"T{number}" for number in range(10_000))],
    }
    (item,) = normalise.news(payload(ARTICLE | strange), ["AAPL"], source="live")
    assert item.url == ""
    assert len(item.publisher) <= 300
    assert len(item.reasoning) <= 1_000
    assert item.tickers[:2] == ("AAPL", "T0")
    assert len(wire.encode(item)) < 5_000


@pytest.mark.parametrize("identifier", ["a\nb", "x" * 201, "a b", "\u202e"])
def test_an_id_is_never_changed(identifier):
    (rejected,) = normalise.news(payload(ARTICLE | {"id": identifier}), ["AAPL"], source="live")
    assert rejected.reason == "id unusable"
    for found in (
        normalise.splits(
            payload({"ticker": identifier, "execution_date": "2020-08-31", "split_from": 1, "split_to": 4})
        ),
        normalise.dividends(payload({"ticker": identifier, "ex_dividend_date": "2026-02-06", "cash_amount": 0.26}), []),
    ):
        assert [it.reason for it in found] == ["ticker unusable"]


def test_a_reject_says_why_in_one_line_and_keeps_what_a_message_can_carry():
    (rejected,) = normalise.news(payload(ARTICLE | {"title": ["x" * 20_000_000]}), ["AAPL"], source="live")
    assert len(wire.encode(rejected)) < 3_000_000
    assert "2000000 of" in rejected.detail


# --- instruments and splits


def test_instruments_are_those_asked_for_and_the_unknown_are_named():
    apple = {"ticker": "AAPL", "name": "Apple Inc.", "market": "stocks", "currency_name": "usd", "cik": "0000320193"}
    between = {"ticker": "ABBV", "name": "AbbVie"}
    asked = payload(apple, between, symbols=("AAPL", "GONE"))
    known, missing = normalise.instruments(asked)
    assert known == Instrument(
        symbol="AAPL", name="Apple Inc.", currency="usd", cik="0000320193", polled_ms=asked.polled_ms
    )
    assert (missing.symbol, missing.reason) == ("GONE", "unknown ticker")


def test_an_instrument_without_a_name_is_rejected():
    rejected, _ = normalise.instruments(payload({"ticker": "AAPL"}))
    assert rejected.reason == "name missing"


def test_splits():
    good = {"ticker": "AAPL", "execution_date": "2020-08-31", "split_from": 1, "split_to": 4}
    split, bad_date, bad_ratio = normalise.splits(
        payload(good, good | {"execution_date": "soon"}, good | {"split_to": 0})
    )
    assert split == Split(symbol="AAPL", execution_date="2020-08-31", split_from=1.0, split_to=4.0)
    assert (bad_date.reason, bad_ratio.reason) == ("execution_date unusable", "price not positive")


def test_dividends():
    good = {"ticker": "AAPL", "ex_dividend_date": "2026-02-06", "cash_amount": 0.26, "currency": "usd"}
    dividend, bad_date, bad_cash = normalise.dividends(
        payload(good, good | {"ex_dividend_date": None}, good | {"cash_amount": -1}), []
    )
    paid = Payment(cash_amount=0.26)
    assert dividend == Dividend(symbol="AAPL", ex_date="2026-02-06", cash_amount=0.26, payments=(paid,))
    assert (bad_date.reason, bad_cash.reason) == ("ex_dividend_date missing", "price not positive")


def test_dividends_of_one_day_are_one_record_whose_cash_is_added_up():
    regular = {"ticker": "AAPL", "ex_dividend_date": "2026-02-06", "cash_amount": 0.25, "dividend_type": "CD"}
    special = regular | {"cash_amount": 10.5, "dividend_type": None, "distribution_type": "special"}
    abroad = regular | {"cash_amount": 3, "currency": "CAD"}
    other = regular | {"ticker": "MSFT", "pay_date": "2026-02-20"}
    records = normalise.dividends(payload(abroad, regular, special, regular, other), [])
    assert [(it.symbol, it.cash_amount, it.currency) for it in records] == [
        ("AAPL", 10.75, "USD"),
        ("MSFT", 0.25, "USD"),
    ]
    assert [payment.type for payment in records[0].payments] == ["CD", "special"]
    assert records[1].payments[0].pay_date == "2026-02-20"
    (alone,) = normalise.dividends(payload(abroad), ["AAPL"])
    assert (alone.symbol, alone.reason) == ("AAPL", "dividend in another currency")
    assert alone.detail == "3 CAD on 2026-02-06; prices are in USD"


def test_two_ratios_of_one_split_are_both_rejected_with_their_bytes():
    two = {"ticker": "AAPL", "execution_date": "2026-02-06", "split_from": 1, "split_to": 2}
    found = normalise.splits(payload(two, two | {"split_to": 4}, two | {"ticker": "MSFT"}, two | {"ticker": "MSFT"}))
    assert [(it.symbol, type(it).__name__) for it in found] == [
        ("MSFT", "Split"), ("AAPL", "Reject"), ("AAPL", "Reject"),
    ]  # fmt: skip
    assert {it.reason for it in found[1:]} == {"two ratios for one day"}
    assert [json.loads(it.raw)["split_to"] for it in found[1:]] == [2, 4]


def events(*dated, **more):
    """The vendor's answer about one instrument."""
    listed = [{"type": "ticker_change", "date": date, "ticker_change": {"ticker": it}} for it, date in dated]
    return payload({"name": "Meta", "composite_figi": "BBG000MM2P62", "events": listed} | more)


def test_ticker_events_are_a_chain_of_changes():
    found = normalise.ticker_changes(events(("META", "2022-06-09"), ("FB", "2012-05-18"), ("META", "2022-06-10")))
    assert [(it.symbol, it.new_symbol, it.date) for it in found] == [
        ("", "FB", "2012-05-18"),
        ("FB", "META", "2022-06-09"),
    ]
    assert {it.composite_figi for it in found} == {"BBG000MM2P62"}
    assert normalise.ticker_changes(payload()) == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (events(("A", "2022-06-09"), ("B", "2022-06-09")), "two successors of one ticker"),
        (events(("A", "soon")), "date unusable"),
        (events((None, "2022-06-09")), "ticker missing"),
        (events(events="none"), "events unusable"),
        (events(events=[{"type": "ticker_change", "date": "2022-06-09"}]), "ticker missing"),
    ],
)
def test_ticker_events_that_cannot_be_used_are_rejected(given, reason):
    assert [it.reason for it in normalise.ticker_changes(given)] == [reason]


def test_of_instruments_that_are_traded_no_more_the_latest_comes_first():
    gone = {"ticker": "META", "name": "Roundhill", "active": False, "delisted_utc": "2022-01-28T05:00:00Z"}
    older = gone | {"name": "Metamor", "delisted_utc": "2009-01-02T05:00:00Z"}
    found = normalise.delisted(payload(older, gone, gone | {"delisted_utc": "soon"}))
    assert [(it.name, it.delisted_on, it.active) for it in found[:2]] == [
        ("Roundhill", "2022-01-28", False),
        ("Metamor", "2009-01-02", False),
    ]
    assert isinstance(found[2], Reject)


# --- what the vendor really sent


@needs_recorded
def test_recorded_news_without_insights():
    records = normalise.news(
        recorded("v2_reference_news_ticker_NFLX.json", polled_ms=2**41), ["NFLX", "DIS"], source="live"
    )
    assert records
    assert all(isinstance(item, NewsItem) and item.sentiment is None for item in records)


@needs_recorded
def test_documented_news_with_insights():
    body = json.loads((RECORDED / "_openapi_examples.json").read_text())["GET /v2/reference/news"]
    (item,) = normalise.news(payload(*body["results"], polled_ms=2**41), ["UBS"], source="live")
    assert item.sentiment == "positive"
    assert item.reasoning


@needs_recorded
def test_recorded_instruments_and_splits():
    tickers = recorded("v3_reference_tickers.json")
    names = [json.loads(result)["ticker"] for result in tickers.results]
    records = normalise.instruments(replace(tickers, symbols=tuple(names)))
    assert [record.symbol for record in records] == names
    assert all(isinstance(record, Split) for record in normalise.splits(recorded("v3_reference_splits.json")))


@needs_recorded
def test_recorded_dividends():
    records = normalise.dividends(recorded("v3_reference_dividends.json"), [])
    assert len(records) == len(recorded("v3_reference_dividends.json").results) == 10
    paid = Payment(cash_amount=0.59375, type="CD", pay_date="2025-06-30")
    assert records[-1] == Dividend(symbol="CSSEN", ex_date="2025-06-12", cash_amount=0.59375, payments=(paid,))


@needs_recorded
def test_recorded_ticker_events():
    answer = json.loads((RECORDED / "vX_reference_tickers_META_events_types_ticker_change.json").read_text())
    found = normalise.ticker_changes(payload(answer["results"]))
    assert [(it.symbol, it.new_symbol) for it in found] == [("", "FB"), ("FB", "META")]
