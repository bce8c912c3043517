"""Bars and news of one partition from a real Kafka, in the order in which Kafka stored them."""

from __future__ import annotations

import threading
import time
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from include.surveillance import broker, wire
from include.surveillance.broker import Batch, Received
from include.surveillance.live import intake
from include.surveillance.live.detector import positions_of
from include.surveillance.live.intake import Intake, decode_messages
from include.surveillance.places import Place
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


def test_the_rest_of_a_poll_that_is_being_written_is_waited_for(kafka, partition, monkeypatch):
    monkeypatch.setattr(intake, "POLL_SECONDS", 30.0)
    with opened(kafka, partition) as log:
        log.read(10)
        broker.publish(kafka, [bar(1)])
        rest = threading.Timer(0.2, broker.publish, (kafka, [bar(2), watermark(3)]))
        rest.start()
        batch = log.read(10, patience=30)
        rest.join()
        assert decode_messages(batch.messages).records == [bar(1), bar(2), watermark(3)]
        assert batch.offsets[broker.BARS, partition] == 4
        broker.publish(kafka, [bar(3), bar(4)])
        assert len(log.read(1, patience=30).messages) == 1  # no more than asked for
        assert decode_messages(log.read(10, patience=0.1).messages).records == [bar(4)]  # nobody writes the rest


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


class Fake:
    """A reader of one position whose messages are given."""

    def __init__(self, messages: list[Received]):
        self.messages, self.at = messages, 0

    def read(self, limit: int) -> Batch:
        read = self.messages[self.at : self.at + limit]
        self.at += len(read)
        return Batch(read, self.places)

    def put_back(self, messages: list[Received]) -> None:
        self.at -= len(messages)

    @property
    def places(self):
        return {(self.messages[0].topic, 0): Place(self.at)} if self.messages else {}


def order_of(logs: list[list[Received]], limits: list[int]) -> list[tuple[str, int]]:
    """Read both topics in batches, by a new intake after each as after a restart; return the messages in order."""
    readers, order, clock_ms = [Fake(messages) for messages in logs], [], {}
    for limit in [*limits, 1_000]:
        log = Intake({}, {}, clock_ms=clock_ms)
        log._readers = readers
        order += [(message.topic, message.offset) for message in log.read(limit).messages]
        clock_ms = log.clock_ms
    return order


steps = st.lists(st.integers(-90, 90), max_size=12)


@given(st.tuples(steps, steps), st.lists(st.integers(1, 5), max_size=12))
def test_however_a_clock_steps_back_and_the_log_is_cut_the_order_is_the_same(times, limits):
    logs = [
        [Received(topic, 0, offset, 1_000 + at, "NVDA", b"") for offset, at in enumerate(accumulate(own))]
        for topic, own in zip((broker.BARS, broker.NEWS), times, strict=True)
    ]
    whole = order_of(logs, [])
    assert order_of(logs, limits) == whole
    for messages in logs:
        assert [offset for topic, offset in whole if messages and topic == messages[0].topic] == list(
            range(len(messages))
        )
