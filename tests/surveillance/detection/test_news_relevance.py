"""Whether an article is about a company: names and tickers in titles, round-ups of the market."""

from __future__ import annotations

import pytest

from include.surveillance.detection.news_relevance import ROUND_UP, measure_relevance, names_company
from include.surveillance.records import NewsItem
from tests.surveillance.detection.market import alerts, bar, calm, news, profile, run

NAMED = [
    # By the company's name, as people write it.
    ("Agilent Cuts Its Outlook", "A", "Agilent Technologies Inc."),
    ("ON Semiconductor Falls", "ON", "ON Semiconductor Corporation"),
    ("Ford recalls 1M trucks", "F", "Ford Motor Company"),
    ("AT&T's outage spreads", "T", "AT&T Inc."),
    ("Allstate sees losses", "ALL", "The Allstate Corporation"),
    ("ServiceNow faces a probe", "NOW", "ServiceNow, Inc."),
    ("Meta fined", "META", "Meta Platforms, Inc. Class A Common Stock"),
    ("Target's Profit Falls", "TGT", "Target Corporation"),
    ("Target Corp. cuts its outlook", "TGT", "Target Corporation"),
    ("Bank of America Fined", "BAC", "Bank of America Corporation"),
    ("McDonald\u2019s Sued", "MCD", "McDonald's Corporation"),
    ("C3.ai misses", "AI", "C3.ai, Inc."),
    ("Amazon Layoffs", "AMZN", "Amazon.com, Inc."),
    ("Best Buy warns", "BBY", "Best Buy Co., Inc."),
    ("3M settles", "MMM", "3M Company"),
    ("eBay sued", "EBAY", "eBay Inc."),
    ("NVIDIA'S SLUMP GOES ON", "NVDA", "NVIDIA Corporation"),
    # By a ticker that is marked as one.
    ("Gartner (IT) Q3 Earnings", "IT", ""),
    ("Agilent (A) Tops Estimates", "A", ""),
    ("onsemi (NASDAQ: ON) drops", "ON", ""),
    ("Ford Motor (NYSE:F) recalls", "F", ""),
    ("Why $A is down today", "A", ""),
    ("Alibaba (NYSE: BABA, OTC: BABAF) sued", "BABAF", ""),
    ("Berkshire (NYSE: BRK.A, BRK.B) slides", "BRK.B", ""),
    # By a ticker that can hardly be anything else.
    ("Why NVDA fell", "NVDA", ""),
    ("BRK.B slides", "BRK.B", ""),
    ("GM recalls trucks", "GM", "General Motors Company"),
    ("HP cuts jobs", "HPQ", "HP Inc."),
]
NOT_NAMED = [
    ("A Rough Day For IT Stocks", "A", "Agilent Technologies Inc."),
    ("A Rough Day For IT Stocks", "IT", "Gartner, Inc."),
    ("ON The Brink: Why Stocks Fell", "ON", "ON Semiconductor Corporation"),
    ("Now Or Never", "NOW", "ServiceNow, Inc."),
    ("SELL IT ALL NOW", "ALL", "The Allstate Corporation"),
    ("Sell It ALL", "ALL", ""),
    ("WHY COP SHOWS ARE BACK", "COP", "ConocoPhillips"),
    ("Plan T: How F Grades Work", "F", "Ford Motor Company"),
    ("T-Mobile sues", "T", "AT&T Inc."),
    ("Apple and the F-150", "F", "Ford Motor Company"),
    ("S&P 500 slides", "S", "SentinelOne, Inc."),
    ("Vitamin A Recall", "A", ""),
    ("Class A shares split", "A", ""),
    ("What Is Information Technology (IT)?", "IT", ""),
    ("Artificial Intelligence (AI) Boom", "AI", "C3.ai, Inc."),
    ("AI stocks slump", "AI", "C3.ai, Inc."),
    ("FDA rejects a drug", "FDA", ""),
    ("Price Target Raised For Nvidia", "TGT", "Target Corporation"),
    ("A target for thieves", "TGT", "Target Corporation"),
    ("Stocks Gap Down", "GPS", "The Gap, Inc."),
    ("Bank fined", "BAC", "Bank of America Corporation"),
    ("General strike", "GM", "General Motors Company"),
    ("A meta-analysis shows", "META", "Meta Platforms, Inc."),
    ("NVDAX is a fund", "NVDA", ""),
    ("BRK.B slides", "BRK", ""),
    ("$AB falls, and $A.B, and (NYSE: AA)", "A", ""),
    ("KEY takeaways", "KEY", "KeyCorp"),
]


@pytest.mark.parametrize(("title", "symbol", "company"), NAMED)
def test_a_title_names_a_company(title, symbol, company):
    assert names_company(title, symbol, company)


@pytest.mark.parametrize(("title", "symbol", "company"), NOT_NAMED)
def test_a_title_does_not_name_a_company(title, symbol, company):
    assert not names_company(title, symbol, company)


@pytest.mark.parametrize(
    ("title", "count", "relevance"),
    [
        ("Chip makers fall", 1, 1.0),
        ("Chip makers fall", 4, 0.25),
        ("Nvidia falls", 4, 1.0),
        ("Nvidia falls", ROUND_UP - 1, 1.0),
        ("Nvidia falls, and so do others", ROUND_UP, 1 / ROUND_UP),
        ("Nvidia falls, and so do others", 20, 0.05),
    ],
)
def test_an_article_about_many_is_a_round_up_whomever_its_title_names(title, count, relevance):
    tickers = ("NVDA", *(f"T{number}" for number in range(count - 1)))
    item = NewsItem(
        symbol="NVDA", company="NVIDIA Corporation", article_id="1", published_ms=1, title=title, tickers=tickers
    )
    assert measure_relevance(item) == relevance


@pytest.mark.parametrize(
    ("symbol", "company"), [("A", "Agilent Technologies Inc."), ("IT", "Gartner, Inc."), ("IT", "")]
)
def test_a_rough_day_for_it_stocks_is_no_news_of_agilent_or_gartner(symbol, company):
    tickers = (symbol, *(f"T{number}" for number in range(19)))
    item = news(20, symbol=symbol, company=company, title="A Rough Day For IT Stocks", tickers=tickers)
    of_symbol = {"symbol": symbol}
    bars = [*calm(**of_symbol), bar(20, volume=46_000, **of_symbol)]
    assert not alerts(run([*bars, item], profiles=[profile(**of_symbol)]), "news_impact")
    own = news(20, symbol=symbol, company=company, title="A recall", tickers=(symbol,))
    assert alerts(run([*bars, own], profiles=[profile(**of_symbol)]), "news_impact")
