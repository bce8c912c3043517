"""The vendor's own client against the simulator, with nothing but its base changed."""

from datetime import UTC, datetime

import pytest
from polygon.exceptions import BadResponse

MINUTE, DAY = 60_000, 86_400_000
NOON = 1_790_078_400_000


@pytest.fixture
def client(served):
    return served.client()


def test_minutes_arrive_in_order_up_to_the_published_one(client):
    bars = list(client.list_aggs("AAPL", 1, "minute", NOON - 30 * MINUTE, NOON, limit=7))
    starts = [bar.timestamp for bar in bars]
    assert starts == sorted(set(starts))
    assert starts[-1] == NOON - 2 * MINUTE  # the minute that closed at noon needs its publish delay
    assert all(bar.vwap > 0 and bar.transactions > 0 for bar in bars)


def test_a_minute_is_published_one_delay_after_its_close(served):
    def newest():
        return served.get(f"/v2/aggs/ticker/MSFT/range/1/minute/{NOON - 9 * MINUTE}/{NOON}").json()["results"][-1]["t"]

    quiet = [label for label in served.market.labels(NOON - DAY // 2, NOON) if label["symbol"] == "MSFT"]
    assert not [label for label in quiet if label["kind"] == "feed_freshness" and label["end_ms"] > NOON - DAY // 24]
    try:
        served.clock.now_ms = NOON + 999
        before = newest()
        served.clock.now_ms = NOON + 1000
        assert (before, newest()) == (NOON - 2 * MINUTE, NOON - MINUTE)
    finally:
        served.clock.now_ms = NOON


@pytest.mark.parametrize(("multiplier", "span", "step"), [(5, "minute", 5), (1, "hour", 60)])
def test_longer_bars_are_made_of_the_minutes(client, served, multiplier, span, step):
    start, end = NOON - 180 * MINUTE, NOON - 1
    longer = list(client.list_aggs("NVDA", multiplier, span, start, end, limit=50_000))
    session = served.market.sessions.at_or_before(start)
    minutes = served.market.minutes("NVDA", session).between(start, NOON - MINUTE)
    assert longer
    for bar in longer:
        part = minutes.between(bar.timestamp, bar.timestamp + step * MINUTE)
        assert (bar.open, bar.close) == (part.o[0], part.c[-1])
        assert (bar.high, bar.low) == (part.h.max(), part.l.min())
        assert bar.volume == pytest.approx(part.v.sum())
        assert bar.timestamp % (step * MINUTE) == 0


def test_day_bars_previous_close_and_grouped_agree(client):
    days = list(client.list_aggs("JPM", 1, "day", "2026-09-20", "2026-09-22"))
    previous = client.get_previous_close_agg("JPM")[0]
    grouped = {bar.ticker: bar for bar in client.get_grouped_daily_aggs("2026-09-21")}
    assert [datetime.fromtimestamp(bar.timestamp / 1000, UTC).date().isoformat() for bar in days] == [
        "2026-09-20",
        "2026-09-21",
        "2026-09-22",
    ]
    assert len(grouped) == 24
    assert previous.close == days[1].close == grouped["JPM"].close
    # The range stamps the start of the day, the other two its end.
    assert previous.timestamp == grouped["JPM"].timestamp == days[1].timestamp + DAY


def test_an_hour_consumes_minutes_of_the_limit(client):
    body = client.get_aggs("AAPL", 1, "hour", NOON - 10 * 60 * MINUTE, NOON, limit=130)
    assert len(body) == 2


def test_descending_is_the_reverse(client):
    span = ("TSLA", 1, "minute", NOON - 90 * MINUTE, NOON)
    ascending = list(client.list_aggs(*span, sort="asc", limit=50))
    descending = list(client.list_aggs(*span, sort="desc", limit=50))
    assert ascending
    assert descending == ascending[::-1]


def test_snapshot_of_the_market_and_of_chosen_tickers(client):
    everything = client.get_snapshot_all("stocks")
    assert len(everything) == 24
    chosen = client.get_snapshot_all("stocks", tickers=["AAPL", "KO", "NONE"])
    assert [snapshot.ticker for snapshot in chosen] == ["AAPL", "KO"]
    assert chosen[0].min.accumulated_volume == chosen[0].day.volume > 0
    assert chosen[0].todays_change == pytest.approx(chosen[0].day.close - chosen[0].prev_day.close, abs=1e-3)


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


def test_reference_data(client):
    tickers = list(client.list_tickers(market="stocks", limit=5))
    assert [ticker.ticker for ticker in tickers] == sorted(ticker.ticker for ticker in tickers)
    assert len({ticker.composite_figi for ticker in tickers}) == 24
    assert client.get_ticker_details("AAPL").name == "Apple Inc."
    dividends = list(client.list_dividends("KO", limit=3))
    assert [item.ex_dividend_date for item in dividends] == sorted(
        (item.ex_dividend_date for item in dividends), reverse=True
    )
    with pytest.raises(BadResponse, match="Ticker not found"):
        client.get_ticker_details("NONE")


def test_a_split_shows_in_raw_bars_and_not_in_adjusted_ones(client):
    split = next(iter(client.list_splits(execution_date_lt="2026-09-20", limit=1)))
    day = datetime.fromisoformat(split.execution_date).replace(tzinfo=UTC)
    at = int(day.timestamp() * 1000)
    factor = split.split_from / split.split_to

    def closes(adjusted):
        bars = client.list_aggs(split.ticker, 1, "day", at - DAY, at, adjusted=adjusted)
        before, after = [bar.close for bar in bars]
        return after / before

    assert closes(False) / factor == pytest.approx(closes(True), rel=1e-4)


def test_market_status(client):
    status = client.get_market_status()
    assert (status.market, status.exchanges.nyse) == ("open", "open")
    assert datetime.fromisoformat(status.server_time).timestamp() * 1000 == NOON
    assert client.get_market_holidays() == []


def test_unknown_ticker_has_no_results(client, served):
    assert list(client.list_aggs("NONE", 1, "minute", NOON - MINUTE, NOON)) == []
    body = served.get(f"/v2/aggs/ticker/NONE/range/1/minute/{NOON - MINUTE}/{NOON}").json()
    assert body["resultsCount"] == 0
    assert "results" not in body
