"""A new word on the watchlist is looked up once; new symbols get history and a profile, and polling waits for none."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.orchestration.application import watchlist as table
from include.orchestration.assets import WATCHLIST, WATCHLIST_CHANGES
from include.orchestration.ingest import new_symbols, polling
from include.surveillance import broker
from include.surveillance.errors import QualityError
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Instrument, Reject
from include.surveillance.timespans import DAY_MS, MINUTE_MS, to_ms
from include.surveillance.watchlist import read_watchlist
from tests.orchestration.application.test_watchlist import listed as listed
from tests.orchestration.application.test_watchlist import store, unready

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
NOW_MS = to_ms(NOW)


class Vendor:
    """Knows TSLA and BRK.B, with a bar each day."""

    def __init__(self):
        self.asked = []

    def instruments(self, symbols):
        self.asked.append(list(symbols))
        known = [{"ticker": name, "name": name, "active": True} for name in symbols if name in ("TSLA", "BRK.B")]
        return Payload(tuple(json.dumps(it).encode() for it in known), 1, symbols=tuple(symbols))

    def sharing_patience(self):
        return self

    def bars(self, symbol, timespan, from_ms, to_ms):
        days = range(from_ms // DAY_MS * DAY_MS, to_ms, DAY_MS)
        bars = [{"o": 1, "h": 1, "l": 1, "c": 1, "v": 1, "vw": 1, "n": 1, "t": day} for day in days if day >= from_ms]
        results = tuple(json.dumps(bar).encode() for bar in bars)
        return Payload(results, NOW_MS, symbols=(symbol,), timespan=timespan, from_ms=from_ms, to_ms=to_ms)


@pytest.fixture
def vendor(monkeypatch):
    vendor = Vendor()
    monkeypatch.setattr(new_symbols.connections, "polygon", lambda *_: vendor)
    return vendor


@pytest.fixture
def published(monkeypatch):
    """Everything that went to Kafka."""
    records = []

    def publish(*given):
        new = list(given[-1])
        records.extend(new)
        return {"all": len(new)}

    monkeypatch.setattr(new_symbols.connections, "kafka", dict)
    monkeypatch.setattr(broker, "publish", publish)
    monkeypatch.setattr(broker, "Publisher", lambda _: _Publisher(publish))
    return records


class _Publisher(SimpleNamespace):
    def __init__(self, publish):
        super().__init__(publish=publish)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def plan(monkeypatch):
    """What a plan makes of a list; returns whether it hands it over."""
    monkeypatch.setattr(new_symbols, "_stored", None)

    def plan(text):
        events = defaultdict(lambda: SimpleNamespace(added=[]))
        events[WATCHLIST_CHANGES].add = events[WATCHLIST_CHANGES].added.append
        new_symbols.store_changes(read_watchlist(text, "the list"), events)
        return events[WATCHLIST_CHANGES].added == [WATCHLIST]

    return plan


@pytest.mark.usefixtures("listed")
def test_a_list_is_handed_over_when_it_has_new_words(plan, monkeypatch):
    assert not plan("AAPL MSFT")
    assert plan("AAPL MSFT TSLA")
    monkeypatch.setattr(new_symbols.table, "store_watchlist", lambda _: pytest.fail("asked again for the same list"))
    assert not plan("AAPL MSFT TSLA")


def test_polling_does_not_wait_for_a_database_that_is_away(plan, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", "postgresql://nobody:x@127.0.0.1:1/none")
    assert not plan("AAPL MSFT TSLA")
    assert "wait" in caplog.text
    assert new_symbols._stored is None


@pytest.mark.usefixtures("listed")
def test_an_unknown_ticker_is_asked_for_once_rejected_and_told_once(vendor, published):
    store("AAPL MSFT TSLA NOSUCH")
    assert new_symbols.check_symbols() == ["TSLA"]
    assert vendor.asked == [["NOSUCH"], ["TSLA"]]
    assert [record.symbol for record in published if isinstance(record, Instrument)] == ["TSLA"]
    ((unknown),) = [record for record in published if isinstance(record, Reject)]
    assert (unknown.symbol, unknown.reason) == ("NOSUCH", "unknown ticker")
    assert new_symbols.check_symbols() == ["TSLA"]
    assert len(vendor.asked) == 2
    with pytest.raises(QualityError, match="'NOSUCH' is a ticker that Polygon's reference data does not know"):
        new_symbols.tell_wrong_words()
    new_symbols.tell_wrong_words()


@pytest.mark.usefixtures("listed")
def test_many_new_symbols_are_asked_for_together(vendor, published):
    store(" ".join(["AAPL", "MSFT", *(f"N{number}" for number in range(20))]))
    assert new_symbols.check_symbols() == []
    assert [len(asked) for asked in vendor.asked] == [20]


@pytest.mark.usefixtures("listed")
def test_what_is_wrong_names_the_place_that_counts(monkeypatch):
    store("AAPL MSFT aapl")
    monkeypatch.setenv(polling.VARIABLE, "AAPL MSFT aapl")
    with pytest.raises(QualityError, match=r"'aapl' .* write AAPL: correct AIRFLOW_VAR_WATCHLIST .*\.env"):
        new_symbols.tell_wrong_words()


@pytest.mark.usefixtures("vendor")
def test_a_month_of_minute_bars_is_brought_oldest_first(published):
    counts = new_symbols.bring_history(["BRK.B", "TSLA"], NOW)
    bars = [record for record in published if isinstance(record, Bar)]
    assert {bar.source for bar in bars} == {"backfill"}
    for symbol in ("BRK.B", "TSLA"):
        starts = [bar.ts_ms for bar in bars if bar.symbol == symbol]
        assert starts == sorted(starts)
        assert len(starts) == 30
        assert to_ms(NOW) - DAY_MS <= starts[-1] < to_ms(NOW)
    assert counts["all"] == len(published)


def test_without_a_new_symbol_nothing_is_brought_and_no_profile_is_built(published):
    with pytest.raises(AirflowSkipException):
        new_symbols.bring_history([], NOW)
    assert published == []


@pytest.mark.usefixtures("listed")
def test_people_are_told_when_the_profile_holds_or_at_once_without_one():
    for effective_ms, silent in ((to_ms(datetime.now(UTC) + timedelta(hours=1)), {"TSLA"}), (None, set())):
        store("AAPL MSFT")
        store("AAPL MSFT TSLA")
        table.mark_known(["TSLA"], ["TSLA"])
        new_symbols.mark_ready(["TSLA"], effective_ms)
        assert unready() == silent


def test_profiles_hold_from_the_latest_that_a_partition_says(monkeypatch):
    later = iter([0, 5 * MINUTE_MS, MINUTE_MS, 0])
    monkeypatch.setattr(new_symbols.connections, "kafka", dict)
    monkeypatch.setattr(broker, "partitions_of", lambda kafka, topic: [0, 1, 2, 3])
    monkeypatch.setattr(
        new_symbols.profiles, "build_profiles", lambda _, effective_ms: {"effective_ms": effective_ms + next(later)}
    )
    assert new_symbols.build_profiles(NOW) == to_ms(NOW) + 7 * MINUTE_MS
