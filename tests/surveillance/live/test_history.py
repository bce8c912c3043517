"""History is judged by what was known before each bar, and told once, whatever came in which order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance import broker, wire
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.live import history
from include.surveillance.live.history import Walk, find_changed, judge_bars, list_changes, settle_bars
from include.surveillance.records import Alert, Bar, NewsItem
from include.surveillance.sessions import Sessions
from include.surveillance.studies.explanation import explain_from_log
from include.surveillance.timespans import DAY_MS, HOUR_MS
from tests.integration.detecting import detect_partition
from tests.surveillance.live.partition_log import article, bar, read_values
from tests.surveillance.live.partition_log import partition as partition

ROUND = Sessions("24/7")
START = 1_550_102_400_000  # 2019-02-14 00:00 UTC
DAYS = 7
BOOK = ParameterBook.default()


@cache
def traded() -> tuple[Bar, ...]:
    """A week of two symbols' hours with bursts and jumps, in order of time."""
    chance, bars = random.Random(3), []
    for hour in range(24 * DAYS):
        for symbol in ("A", "B"):
            close = 100 + chance.gauss(0, 0.2) + 8 * (chance.random() < 0.05)
            low, high = min(close, 99.5), max(close, 100.5)
            volume = chance.randrange(9_000, 11_000) * (40 if chance.random() < 0.05 else 1)
            bars.append(
                Bar(
                    symbol=symbol,
                    timespan="hour",
                    ts_ms=START + hour * HOUR_MS,
                    open=100.0,
                    high=high,
                    low=low,
                    close=close,
                    volume=volume,
                    source="backfill",
                    polled_ms=START + 30 * DAY_MS,
                )
            )
    return tuple(bars)


def walk(log: Sequence[Bar], news: Sequence[NewsItem] = ()) -> Walk:
    bars = settle_bars(BarColumns.from_records(log))
    engine = Engine(BOOK, ROUND, profiles=walk_forward(bars, ROUND), judges="backfill")
    return Walk(engine, bars, judge_bars(engine, bars, news))


def changed_ms(then: Sequence[Bar], now: Sequence[Bar]) -> float:
    before, after = (settle_bars(BarColumns.from_records(log)) for log in (then, now))
    return min(after.ts[find_changed(before, after)].tolist(), default=inf)


def standing(told: Iterable[Alert]) -> dict[str, Alert]:
    """What each alert says that stands, but for the corrections that led to it."""
    newest = {it.event_id: it for it in told}
    plain = {"status": "fired", "before_value": None, "before_threshold": None}
    return {name: replace(it, **plain) for name, it in newest.items() if it.status != "retracted"}


def test_all_is_told_of_by_profiles_that_were_known_before():
    found = walk(traded())
    assert {it.source for it in found.alerts} == {"backfill"}
    robust = [it for it in found.alerts if it.form == "robust"]
    assert robust
    assert all(it.profile_version[:10] < it.session_date for it in robust)


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_whatever_comes_in_which_order_and_whenever_it_is_judged_the_same_is_told_in_the_end(data):
    """Pieces of half a day come in any order, some again with other values; the last days live, and in their order."""
    first_live = 24 * 2 * data.draw(st.integers(3, DAYS))
    past, live = traded()[:first_live], [replace(it, source="live") for it in traded()[first_live:]]
    pieces = [past[start : start + 24] for start in range(0, len(past), 24)]
    wrong = [replace(it, volume=it.volume * 3, revision="", event_id="") for it in data.draw(st.sampled_from(pieces))]
    pieces = [wrong, *data.draw(st.permutations(pieces))]
    at = data.draw(st.integers(0, len(pieces)))
    log = [it for piece in [*pieces[:at], live, *pieces[at:]] for it in piece]
    told: list[Alert] = []
    cuts = sorted(data.draw(st.lists(st.integers(1, len(log)), max_size=3)))
    for start, end in pairwise([0, *cuts, len(log)]):
        if start < end:
            newest = {it.event_id: it for it in told}
            told += list_changes(newest, walk(log[:end]), changed_ms(log[:start], log[:end]))
    in_order = walk([*past, *live])
    assert standing(told) == standing(in_order.alerts)
    assert list_changes({it.event_id: it for it in told}, walk(log), 0) == []


def test_bars_that_live_polls_brought_in_time_are_no_history():
    bars = [replace(it, source="live") if k % 2 else it for k, it in enumerate(traded())]
    settled = settle_bars(BarColumns.from_records(bars))
    assert settled.keys == [("A", "hour"), ("B", "hour")]
    assert settled.live[settled.code == 1].all()
    assert not settled.live[settled.code == 0].any()
    # One that a backfill had brought days before is judged live only while it can be revised.
    late = [*traded(), *(replace(it, source="live") for it in traded())]
    judged = settle_bars(BarColumns.from_records(late)).live
    assert judged[-20:].all()
    assert judged.sum() == 2 * 20


def test_a_bar_has_the_values_that_came_last():
    bars = [*traded()[:10], replace(traded()[4], volume=5, revision="", event_id="")]
    settled = settle_bars(BarColumns.from_records(bars))
    assert len(settled) == 10
    assert settled.volume[2] == 5
    assert (settled.polled == 0).all()
    assert len(settle_bars(BarColumns.from_records([]))) == 0


def test_what_is_told_of_bars_that_have_gone_from_the_log_stays():
    told = {it.event_id: it for it in walk(traded()).alerts}
    later = walk(traded()[24 * 4 :])
    since_ms = START + 6 * DAY_MS
    assert all(it.ts_ms >= since_ms for it in list_changes(told, later, since_ms))
    gone = [it for it in list_changes(told, later, 0) if it.status == "retracted"]
    assert all(it.ts_ms >= START + 2 * DAY_MS for it in gone)


def published(kafka, partition) -> list[Alert]:
    return [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]


def judge(kafka, partition) -> history.Judged:
    return history.judge_partition(kafka, partition, sessions=Sessions(), book=BOOK)


def backfilled(minutes: Iterable[int], burst: Iterable[int] = ()) -> list[Bar]:
    return [replace(bar(k, volume=9_000 if k in burst else 1_000), source="backfill") for k in minutes]


def test_what_a_backfill_brings_is_judged_once_whoever_asks_how_often(kafka, partition):
    past = [*backfilled(range(1, 90), {40, 60}), replace(article(59), source="backfill")]
    live = [bar(k, volume=9_000 if k == 120 else 1_000) for k in range(100, 130)]
    broker.publish(kafka, [*live, *past])
    detect_partition(kafka, partition, sessions=Sessions())
    assert {it.source for it in published(kafka, partition)} == {"live"}
    assert judge(kafka, partition).alerts > 0
    told = published(kafka, partition)
    raised = {(it.rule, round(it.ts_ms - bar(0).ts_ms) // 60_000) for it in told if it.source == "backfill"}
    assert {("abnormal_volume", 40), ("abnormal_volume", 60), ("news_impact", 60)} <= raised
    assert judge(kafka, partition) == history.Judged(0, 0)
    broker.publish(kafka, backfilled(range(1, 90), {40, 60}))
    assert judge(kafka, partition).alerts == 0
    assert published(kafka, partition) == told
    # Detection that comes later tells nothing of it.
    assert detect_partition(kafka, partition, sessions=Sessions()).alerts == 0


@pytest.mark.parametrize("between", [False, True])
def test_what_was_told_is_corrected_when_earlier_bars_come_behind(kafka, partition, between):
    """The burst of minute 40 is none behind an hour of such minutes."""
    usual, later = backfilled(range(1, 40), range(1, 40)), backfilled(range(40, 80), {40, 70})
    broker.publish(kafka, later)
    if between:
        # Too few bars are before it.
        assert judge(kafka, partition).alerts > 0
    broker.publish(kafka, usual)
    judge(kafka, partition)
    stands = standing(it for it in published(kafka, partition) if it.source == "backfill")
    walked = history.walk_partition(kafka, partition, sessions=Sessions(), book=BOOK)
    assert stands == standing(walked.alerts)
    assert stands


def test_an_alert_of_history_is_explained_with_the_profile_that_held(kafka, partition):
    broker.publish(kafka, traded())
    history.judge_partition(kafka, partition, sessions=ROUND, book=BOOK)
    told = standing(it for it in published(kafka, partition) if it.source == "backfill")
    # What comes later changes nothing of it.
    broker.publish(kafka, [replace(traded()[-1], ts_ms=START + DAYS * DAY_MS, source="live", revision="", event_id="")])
    for form in ("literal", "robust"):
        alert_id = next(it.event_id for it in told.values() if it.form == form)
        explained = explain_from_log(kafka, alert_id, sessions=ROUND, book=BOOK)
        assert (explained.differences, explained.unsupported) == ([], [])
        assert explained.stored[0]["form"] == form


def test_an_alert_of_history_is_taken_back_where_a_live_poll_brings_its_bar_in_time(kafka, partition):
    broker.publish(kafka, backfilled(range(1, 60), {50}))
    assert judge(kafka, partition).alerts == 1
    broker.publish(kafka, [bar(50, volume=9_000)])
    detect_partition(kafka, partition, sessions=Sessions())
    assert judge(kafka, partition).alerts == 0
    (told,) = standing(published(kafka, partition)).values()
    assert told.source == "live"
