"""Thousands of broken messages on the topics: each is evaluated, counted, landed or a reject, and the rest goes on."""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from include.surveillance import broker, wire
from include.surveillance.broker import Received
from include.surveillance.live import detector, intake
from include.surveillance.records import Alert, Bar, NewsItem, Record, Watermark, as_text
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS
from include.surveillance.warehouse.rows import KINDS, REJECTED_TABLE, make_rows, make_table
from tests.fuzz.mutations import changed_bytes, changed_object
from tests.integration.detecting import detect_partition
from tests.surveillance.live.partition_log import partition  # noqa: F401

MESSAGES = int(os.environ.get("FUZZ_PAYLOADS", "6000")) // 2
SEED = int(os.environ.get("FUZZ_SEED", "4"))
OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC


def bar(rng: random.Random) -> Bar:
    ts_ms, close = OPEN + rng.randrange(390) * MINUTE_MS, rng.choice((100.0, 101.5))
    prices = {"open": 100.0, "high": 102.0, "low": 99.0, "close": close}
    return Bar(
        symbol=rng.choice("AB"), timespan="minute", ts_ms=ts_ms, volume=Decimal(rng.choice((5, 9_000))), **prices
    )


def article(rng: random.Random) -> NewsItem:
    published_ms = OPEN + rng.randrange(390) * MINUTE_MS
    return NewsItem(symbol=rng.choice("AB"), article_id="a", published_ms=published_ms, title="É", sentiment="negative")


def watermark(rng: random.Random) -> Watermark:
    return Watermark(
        symbol="A", timespan="minute", from_ms=OPEN, as_of_ms=OPEN + rng.randrange(400) * MINUTE_MS, bars=1
    )


def alert(rng: random.Random) -> Alert:
    return Alert(
        rule="price_gap", rule_version=1, parameters_version="a", symbol="A", timespan="minute", ts_ms=OPEN, value=2.5,
        bar_close_ms=OPEN + 60_000, threshold=1, window_start_ms=0, window_end_ms=0, score=50, severity="low",
        episode_start_ms=OPEN, data_age_ms=0, event_ids=("x",), explanation="a gap", session_phase="regular",
        session_date="2019-02-14",
    )  # fmt: skip


def broken(rng: random.Random, record: Record) -> bytes | None:
    """What is on a topic in place of the record, now and then the record itself."""
    if rng.random() < 0.01:
        return None
    text = changed_object(rng, msgspec.to_builtins(record)) if rng.random() < 0.8 else wire.encode(record).decode()
    return changed_bytes(rng, text) if rng.random() < 0.4 else text.encode(errors="surrogatepass")


def sent(kafka, topic: str, values: list[bytes | None]) -> None:
    with broker.transaction(kafka, f"fuzz-{topic}", "fuzz") as ongoing:
        for value in values:
            ongoing.send_raw(topic, value, key="A", partition=0)


def read(kafka, topic: str) -> list[Received]:
    return broker.read(kafka, {(topic, 0): None}, limit=10**7).messages


def test_broken_messages_do_not_hold_up_detection(kafka, partition):  # noqa: F811
    rng = random.Random(SEED)
    bars = [broken(rng, bar(rng) if rng.random() < 0.8 else watermark(rng)) for _ in range(MESSAGES)]
    news = [broken(rng, article(rng)) for _ in range(MESSAGES // 3)]
    sent(kafka, broker.BARS, bars)
    sent(kafka, broker.NEWS, news)
    broker.publish(kafka, [last := msgspec.structs.replace(bar(rng), symbol="C", event_id="")])
    summary = detect_partition(kafka, 0, sessions=Sessions(), limit=1_000, seconds=3_600)

    messages = [*read(kafka, broker.BARS), *read(kafka, broker.NEWS)]
    records, _, rejects = intake.decode_messages(messages)
    assert summary.records == len(messages) == 1 + len(bars) + len(news) + 1 == len(records) + len(rejects)
    published = [wire.decode(message.value) for message in read(kafka, broker.REJECTED)]
    assert Counter(reject.event_id for reject in published) == Counter(reject.event_id for reject in rejects)
    assert all(reject.reason and reject.detail for reject in published)
    usable = [record for record in records if isinstance(record, Bar)]
    assert summary.bars == len(usable)
    measured = {metric.event_id: metric for metric in (wire.decode(it.value) for it in read(kafka, broker.METRICS))}
    missing = {(it.symbol, it.timespan, it.ts_ms) for it in usable} - {
        (it.symbol, it.timespan, it.ts_ms) for it in measured.values()
    }
    assert len(missing) <= summary.late
    assert (last.symbol, last.timespan, last.ts_ms) not in missing
    assert min(len(rejects), len(usable)) > MESSAGES // 10
    assert broker.lag(kafka, detector.GROUP, detector.positions_of(0)) == 0


def test_broken_messages_are_landed_as_rows_or_rejects():
    rng, makers = random.Random(SEED + 1), {broker.BARS: bar, broker.NEWS: article, broker.ALERTS: alert}
    tables = Counter()
    for offset in range(MESSAGES):
        topic = rng.choice(list(makers))
        message = Received(topic, 0, offset, OPEN, "A", broken(rng, makers[topic](rng)))
        rows = make_rows([message])
        [(table, [row])] = rows.items()
        tables[table] += 1
        assert table in (*KINDS[topic].values(), REJECTED_TABLE)
        assert make_table(rows, datetime.now(UTC)).num_rows == 1
        if table == REJECTED_TABLE:
            kept = wire.decode(row.message.value)
            assert (kept.raw, kept.encoding) == as_text(message.value or b"")
        else:
            assert row.message.value == message.value
    assert min(tables.values()) > MESSAGES // 20
