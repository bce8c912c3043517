"""A series goes on under its new ticker in another partition of a real log, after any restart and rebuild."""

from __future__ import annotations

import pytest

from include.surveillance import broker, wire
from include.surveillance.broker import choose_partition
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.state import State
from include.surveillance.live import detector
from include.surveillance.live.background import Background, read_background
from include.surveillance.live.build_profiles import build_partition
from include.surveillance.records import Bar, Profile, TickerChange
from tests.integration.detecting import LITERAL
from tests.surveillance.detection.market import DAY, OPEN, SESSIONS, bar, calm, engine, profile, run
from tests.surveillance.live.partition_log import detect, make_topics, read_values, snapshot

NEXT = OPEN + DAY
OLD, NEW = 1, 0
CHANGE = TickerChange(symbol="FB", new_symbol="META", date="2019-02-15")


@pytest.fixture
def log(kafka, monkeypatch) -> list[Bar]:
    """Two partitions: bars of FB and of the fund on the first day, and of META on the next one, loud at its end."""
    assert [choose_partition(symbol, 2) for symbol in ("FB", "META")] == [OLD, NEW]
    make_topics(kafka, monkeypatch, 2)
    quiet = [*calm(30, symbol="FB"), *calm(30, symbol="META", close=10.0, high=10.1, low=9.9)]
    first = [*calm(10, symbol="META", start=NEXT), bar(10, symbol="META", start=NEXT, volume=50_000)]
    broker.publish(kafka, [CHANGE, *quiet, *first])
    return [*quiet, *first]


def found(kafka, topic):
    return [wire.decode(raw) for raw in read_values(kafka, NEW, topic)]


def test_what_detection_finds_is_what_one_state_of_all_symbols_finds(kafka, log):
    detect(kafka, NEW, limit=7)
    everything = Engine(LITERAL, SESSIONS, CorporateActions(ticker_changes=(CHANGE,)))
    expected = detect_records(everything, State("sketch"), log)
    assert found(kafka, broker.ALERTS) == expected.alerts
    assert [it.rule for it in expected.alerts] == ["abnormal_volume"]
    assert found(kafka, broker.METRICS) == [it for it in expected.metrics if it.symbol == "META"]


def test_a_detector_that_rebuilds_its_state_comes_to_the_same(kafka, log):
    detect(kafka, NEW)
    before = snapshot(kafka, NEW)
    more = calm(5, first=11, symbol="META", start=NEXT)
    broker.publish(kafka, more)
    for name in detector.broker.read_compacted(kafka, broker.DETECTOR_STATE, [NEW]):
        with broker.transaction(kafka, "lost", "lost") as transaction:
            transaction.send_raw(broker.DETECTOR_STATE, None, key=name, partition=NEW)
    assert detect(kafka, NEW).rebuilt
    assert snapshot(kafka, NEW) != before
    expected = run([*log, *more], State("sketch"), ticker_changes=[CHANGE]).state
    kept = State.from_bytes(snapshot(kafka, NEW))
    for key in (("FB", "minute"), ("META", "minute")):
        rows = [state.copy_rows(state.rows_for([key])) for state in (kept, expected)]
        assert rows[0].to_bytes() == rows[1].to_bytes()


def test_profiles_of_the_old_ticker_are_known_where_the_new_one_is_and_no_others(kafka, log):
    others = [profile(symbol=symbol, sessions=7) for symbol in ("FB", "META", "NVDA", "AMD")]
    broker.publish(kafka, others)
    elsewhere = {it.symbol for it in others if choose_partition(it.symbol, 2) == OLD} - {"FB"}
    assert elsewhere
    with broker.Bounds(kafka) as bounds:
        kept = Background(kafka, bounds, lambda symbol: choose_partition(symbol, 2) == NEW).profiles
    assert {it.symbol for it in kept} == {it.symbol for it in others} - elsewhere


def test_the_new_ticker_has_a_profile_of_the_bars_of_both(kafka, log):
    days = [OPEN - DAY * back for back in (3, 2, 1, 0)]
    broker.publish(kafka, [bar(at, symbol="FB", start=day) for day in days for at in range(390)])
    for partition in (OLD, NEW):
        build_partition(kafka, partition, sessions=SESSIONS, effective_ms=NEXT + DAY // 2)
    _, profiles = read_background(kafka)
    assert [(it.symbol, it.sessions) for it in profiles if isinstance(it, Profile)] == [("META", 5)]
    machine = engine(profiles, ticker_changes=[CHANGE])
    assert machine.in_force(("META", "minute"), NEXT + DAY)[1] == profiles[0]
