"""Bars and news of one partition from a real Kafka, in the order in which Kafka stored them."""

from __future__ import annotations

import threading
import time

from include.surveillance import broker, wire
from include.surveillance.broker import Received
from include.surveillance.live.detector import positions_of
from include.surveillance.live.intake import Intake, decode_messages
from include.surveillance.records import Split
from tests.surveillance.live.partition_log import article, bar, watermark
from tests.surveillance.live.partition_log import partition as partition


def opened(kafka, partition: int) -> Intake:
    return Intake(kafka, dict.fromkeys(positions_of(partition)))


def test_bars_and_news_come_in_the_order_in_which_they_were_stored(kafka, partition):
    records = [article(1), bar(1), bar(2), article(3), bar(3)]
    for record in records:
        broker.publish(kafka, [record])
        time.sleep(0.01)
    with opened(kafka, partition) as log:
        batch = log.read(100)
    assert decode_messages(batch.messages).records == [bar(0), *records]
    assert batch.offsets == {(broker.BARS, partition): 4, (broker.NEWS, partition): 2}


def test_news_behind_a_backlog_of_bars_waits_for_them(kafka, partition):
    for record in (article(1), *(bar(minute) for minute in range(1, 6)), article(6)):
        broker.publish(kafka, [record])
        time.sleep(0.01)
    with opened(kafka, partition) as log:
        batches = []
        while (batch := log.read(2)).messages:
            batches.append(decode_messages(batch.messages).records)
    assert batches[0] == [bar(0), article(1), bar(1)]
    assert [record for records in batches for record in records][-1] == article(6)
    assert batches[-1] != [article(6)] or batches[-2][-1] == bar(5)


def test_the_first_message_is_waited_for_on_either_topic(kafka, partition):
    with opened(kafka, partition) as log:
        assert len(log.read(10).messages) == 1
        assert log.read(10, patience=0.2).messages == []
        later = threading.Timer(0.5, broker.publish, (kafka, [article(1)]))
        later.start()
        (message,) = log.read(10, patience=30).messages
        later.join()
    assert message.topic == broker.NEWS


def test_a_message_becomes_a_record_or_a_reject_with_its_reason():
    split = Split(symbol="NVDA", execution_date="2019-02-15", split_from=1, split_to=2)
    values = [wire.encode(bar(1)), b"not json", wire.encode(split), wire.encode(watermark(2)), None]
    messages = [Received("t", 0, offset, 1_000 + offset, "NVDA", value) for offset, value in enumerate(values)]
    records, stored_ms, rejects = decode_messages(messages)
    assert (records, stored_ms) == ([bar(1), watermark(2)], [1_000, 1_003])
    assert [reject.reason for reject in rejects] == [
        "not a surveillance record", "unexpected kind split", "not a surveillance record"
    ]  # fmt: skip
    assert [reject.detail.partition(":")[0] for reject in rejects] == [
        "t[0] offset 1",
        "t[0] offset 2",
        "t[0] offset 4",
    ]
