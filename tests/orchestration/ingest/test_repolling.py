"""A session asked for once more: what the vendor has revised reaches the log, and nothing else does."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest

from include.orchestration.ingest import polling, repolling
from include.orchestration.ingest.repolling import KnownBars, choose_range
from include.polygon_simulator.market import synthetic_market
from include.polygon_simulator.server import create_app
from include.surveillance import broker, normalise
from include.surveillance.errors import VendorUnavailableError
from include.surveillance.polygon.client import Polygon
from include.surveillance.records import Bar, Instrument
from include.surveillance.settings import Settings
from include.surveillance.timespans import DAY_MS, to_ms
from tests.polygon_simulator.serving import serve

NOON = 1_790_078_400_000  # 2026-09-22 12:00 UTC
KEY, SYMBOLS, TIMESPANS = "key", ["AAPL", "MSFT"], ("minute", "hour")
FROM, TO = NOON - DAY_MS, NOON
SETTINGS = Settings(poll_timespans=TIMESPANS)


@pytest.fixture(scope="module")
def simulator():
    app = create_app(synthetic_market(7, "24/7", 24, clock=lambda: NOON), KEY)
    with serve(app) as url:
        yield url


@pytest.fixture
def connected(topics, simulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": topics}))
    vendor = {"conn_type": "http", "host": simulator, "password": KEY}
    monkeypatch.setenv("AIRFLOW_CONN_POLYGON_DEFAULT", json.dumps(vendor))
    return topics


def logged(kafka):
    """How often the log has each bar, by its id."""
    records = broker.records_since(kafka, broker.BARS, 0)
    return Counter(it.event_id for it in records if isinstance(it, Bar) and it.symbol in SYMBOLS)


def test_what_was_revised_or_missing_is_published_and_nothing_twice(connected, simulator):
    polygon, true = Polygon(KEY, simulator), {}
    for symbol in SYMBOLS:
        for timespan in TIMESPANS:
            records = normalise.bars(polygon.bars(symbol, timespan, FROM, TO), source="live")
            true |= {it.event_id: it for it in records if isinstance(it, Bar)}
    bars = list(true.values())
    provisional = [
        msgspec.structs.replace(bar, volume=bar.volume + Decimal(1), revision="", event_id="") for bar in bars[:3]
    ]
    broker.publish(connected, [*provisional, *bars[10:]])
    before = logged(connected)

    sent = repolling.repoll(SYMBOLS, FROM, TO, SETTINGS)
    assert sent[broker.BARS] == 10
    assert logged(connected) == before + Counter(bar.event_id for bar in bars[:10])
    brought = [
        it for it in broker.newest_records(connected, broker.BARS) if it.event_id in {b.event_id for b in bars[:10]}
    ]
    assert {it.source for it in brought} == {"backfill"}

    after = logged(connected)
    assert repolling.repoll(SYMBOLS, FROM, TO, SETTINGS).get(broker.BARS, 0) == 0
    assert logged(connected) == after


def test_news_that_were_corrected_or_withdrawn_are_published_and_nothing_twice(connected, simulator):
    broker.publish(connected, [Instrument(symbol="AAPL", name="Apple Inc.")])
    # The broker is other tests', too: it may know more names.
    companies = polling.read_companies()
    listed = normalise.news(Polygon(KEY, simulator).news(FROM, TO), SYMBOLS, source="live", companies=companies)
    assert len(listed) > 3
    stale = msgspec.structs.replace(listed[0], title="Before it was corrected", revision="", event_id="")
    gone = msgspec.structs.replace(listed[1], article_id="gone", published_ms=FROM + 1, event_id="")
    broker.publish(connected, [stale, gone, *listed[2:]])

    def read():
        return [it for it in broker.records_since(connected, broker.NEWS, 0) if it.symbol in SYMBOLS]

    # Partitions come in any order.
    known = {(it.event_id, it.withdrawn) for it in read()}
    assert repolling.repoll_news(SYMBOLS, FROM, TO)[broker.NEWS] == 3
    new = [it for it in read() if (it.event_id, it.withdrawn) not in known]
    (withdrawn,) = [it for it in new if it.withdrawn]
    assert withdrawn.article_id == "gone"
    assert {it.event_id for it in new if not it.withdrawn} == {listed[0].event_id, listed[1].event_id}
    assert not repolling.repoll_news(SYMBOLS, FROM, TO).get(broker.NEWS)


def test_a_symbol_that_fails_holds_no_other_back(connected, simulator, monkeypatch):
    asked = Polygon.bars

    def bars(self, symbol, *question):
        if symbol == "MSFT":
            raise VendorUnavailableError("busy")
        return asked(self, symbol, *question)

    monkeypatch.setattr(Polygon, "bars", bars)
    before = logged(connected)
    with pytest.raises(VendorUnavailableError, match="busy"):
        repolling.repoll(["MSFT", "AAPL"], FROM - DAY_MS, FROM, SETTINGS)
    new = list(logged(connected) - before)
    assert len(new) > 1_000
    assert {event_id.split("|")[0] for event_id in new} == {"AAPL"}


def test_a_log_without_bars_knows_none(connected):
    bar = Bar(symbol="A", timespan="minute", ts_ms=FROM, open=1, high=1, low=1, close=1, volume=Decimal(1))
    assert bar not in KnownBars(connected, to_ms(datetime(2099, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("calendar", "start", "end", "first"),
    [
        # From midnight in New York, which is where the day bar of the session before begins.
        ("XNYS", "2026-11-20T14:30Z", "2026-11-21T01:00Z", "2026-11-19T05:00Z"),
        ("XNYS", "2026-11-23T14:30Z", "2026-11-24T01:00Z", "2026-11-20T05:00Z"),
        ("24/7", "2026-11-20T00:00Z", "2026-11-21T00:00Z", "2026-11-18T05:00Z"),
    ],
)
def test_the_session_and_the_one_before_are_asked_for(calendar, start, end, first):
    expected = tuple(to_ms(datetime.fromisoformat(text)) for text in (first, end))
    run = SimpleNamespace(run_after=datetime.fromisoformat(end) + timedelta(hours=4))
    settings = Settings(poll_calendar=calendar)
    scheduled = {"data_interval_start": datetime.fromisoformat(start), "dag_run": run}
    assert choose_range(scheduled, settings) == expected
    if calendar == "XNYS":
        assert choose_range({"data_interval_start": None, "dag_run": run}, settings) == expected


def test_a_run_by_hand_in_an_open_session_ends_now():
    now = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    asked = choose_range({"dag_run": SimpleNamespace(run_after=now)}, Settings())
    assert asked == (to_ms(datetime(2026, 11, 19, 5, tzinfo=UTC)), to_ms(now))


def test_a_plan_of_few_calls_is_asked_in_groups_that_its_patience_lasts_for():
    assert repolling._group_size(Settings(polygon_calls_per_minute=5)) == 5
    assert repolling._group_size(Settings(polygon_calls_per_minute=1)) == 1
    assert repolling._group_size(Settings()) == Settings().poll_group_size
