"""Bars through the vendor's own client, with nothing but its base changed."""

from datetime import UTC, datetime

import pytest

from tests.polygon_simulator.constants import DAY, MINUTE, NOON


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


def test_unknown_ticker_has_no_results(client, served):
    assert list(client.list_aggs("NONE", 1, "minute", NOON - MINUTE, NOON)) == []
    body = served.get(f"/v2/aggs/ticker/NONE/range/1/minute/{NOON - MINUTE}/{NOON}").json()
    assert body["resultsCount"] == 0
    assert "results" not in body
