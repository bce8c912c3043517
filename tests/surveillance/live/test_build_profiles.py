"""Profiles from a real log: built, published, read by detection, and old ones deleted."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from include.surveillance import broker
from include.surveillance.live import background, build_profiles
from include.surveillance.records import Bar, Instrument, Split
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS
from tests.orchestration.conftest import PARTITIONS
from tests.orchestration.conftest import topics as topics

SESSIONS = Sessions("24/7")
# A midnight UTC beyond what other tests publish: a profile holds from behind the newest bar of its partition.
START = (int(time.time() * 1_000) // DAY_MS + 60) * DAY_MS
SYMBOL, DAYS = "PROFILED", 4
PARTITION = broker.choose_partition(SYMBOL, PARTITIONS)
NOW = START + DAYS * DAY_MS


def bar(k, volume=None):
    shares = 1_000 + k % 7 if volume is None else volume
    return Bar(
        symbol=SYMBOL, timespan="minute", ts_ms=START + k * MINUTE_MS, open=10, high=11, low=9,
        close=10 + (k % 9) / 10, volume=Decimal(shares), source="backfill",
    )  # fmt: skip


@pytest.fixture(scope="module")
def log(topics):
    """Four days of minutes, one of them at first with a wrong volume; the symbol's class and a split to come."""
    broker.publish(topics, [bar(700, volume=9_999_999), *(bar(k) for k in range(DAYS * 1_440))])
    later = Split(symbol=SYMBOL, execution_date="2099-01-04", split_from=1, split_to=2)
    broker.publish(topics, [Instrument(symbol=SYMBOL, name="Profiled", type="ETF"), later])
    return topics


def profiles(log):
    _, known = background.read_background(log)
    return sorted((p for p in known if p.symbol == SYMBOL), key=lambda p: p.effective_ms)


def build(log, effective_ms):
    return build_profiles.build_partition(log, PARTITION, sessions=SESSIONS, effective_ms=effective_ms)


def test_detection_finds_a_profile_per_series_and_the_newest_five_only(log):
    build(log, NOW)
    (first,) = profiles(log)
    assert (first.effective_ms, first.sessions, first.asset_class) == (NOW, DAYS, "ETF")
    assert first.last_date == f"{datetime.fromtimestamp(NOW / 1_000 - 1, UTC):%Y-%m-%d}"

    build(log, NOW)  # a retry
    assert profiles(log) == [first]

    dropped = [build(log, NOW + day * DAY_MS).dropped for day in range(1, 7)]
    assert dropped == [0, 0, 0, 0, 1, 1]
    assert [p.effective_ms for p in profiles(log)] == [NOW + day * DAY_MS for day in range(2, 7)]


def test_the_last_message_of_a_bar_holds(log):
    bars = build_profiles.read_bars(log, PARTITION, START)
    mine = bars.take([bars.keys[code][0] == SYMBOL for code in bars.code])
    assert len(mine) == DAYS * 1_440 + 1
    again = [p for p in profiles(log) if p.effective_ms >= NOW]
    assert max(max(p.volume_level) for p in again) < 10  # ln(1 + 9,999,999) is 16


def test_a_profile_never_holds_for_bars_that_are_there_already(log):
    broker.publish(log, [bar(DAYS * 1_440 + k) for k in range(10)])
    held_from = NOW + 9 * MINUTE_MS + build_profiles.LEAD_MS
    assert build(log, NOW).effective_ms == held_from


def test_small_reads_change_nothing(log, monkeypatch):
    whole = [build_profiles.read_bars(log, p, START) for p in range(PARTITIONS)]
    monkeypatch.setattr(build_profiles, "LIMIT", 777)
    for p, expected in enumerate(whole):
        read = build_profiles.read_bars(log, p, START)
        assert read.keys == expected.keys
        assert (read.ts == expected.ts).all()
        assert (read.code == expected.code).all()
