"""News: pages, filters, and articles with and without insights."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.polygon_simulator.constants import DAY, NOON


def test_news_pages_filters_and_insights(client):
    since = datetime.fromtimestamp((NOON - DAY // 2) / 1000, UTC)
    articles = list(client.list_ticker_news(published_utc_gte=since, order="asc", sort="published_utc", limit=9))
    published = [article.published_utc for article in articles]
    assert len(articles) > 60
    assert published == sorted(published)
    assert len({article.id for article in articles}) == len(articles)
    assert any(article.insights is None for article in articles)
    assert any(insight.sentiment == "negative" for article in articles for insight in article.insights or [])
    assert any(len(article.tickers) > 1 for article in articles)
    mine = list(client.list_ticker_news("AAPL", published_utc_gte="2026-09-21", limit=1000))
    assert mine
    assert all("AAPL" in article.tickers for article in mine)
    strictly_later = list(client.list_ticker_news(published_utc_gt=published[-1], limit=10))
    assert strictly_later == []
