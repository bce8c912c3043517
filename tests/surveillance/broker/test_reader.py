"""Reading from a real Kafka: what mocks get wrong is exactly what is asked here."""

from __future__ import annotations

import time

import pytest

from include.surveillance import broker, wire
from include.surveillance.broker import Received
from include.surveillance.errors import BrokerError, LogBrokenError
from include.surveillance.places import Place
from include.surveillance.timespans import now_ms
from tests.surveillance.broker.messages import ALL_BARS, bar, new_topic, settle, values, write


def offsets_read(kafka, places) -> tuple[list[Received], dict[broker.Position, int]]:
    batch = broker.read(kafka, places)
    return batch.messages, batch.offsets


def test_an_empty_partition_reads_as_nothing(kafka, topic):
    assert offsets_read(kafka, {(topic, 0): None}) == ([], {(topic, 0): 0})


def test_next_offset_lies_past_transaction_markers(kafka, topic):
    write(kafka, topic, b"1", b"2")
    batch = broker.read(kafka, {(topic, 0): None})
    assert values(batch) == [b"1", b"2"]
    assert batch.offsets == {(topic, 0): 3}, "two messages and a commit marker"
    assert offsets_read(kafka, batch.places) == ([], {(topic, 0): 3})


def test_aborted_records_are_invisible_and_skipped(kafka, topic):
    write(kafka, topic, b"no", abort=True)
    batch = broker.read(kafka, {(topic, 0): None})
    assert (batch.messages, batch.offsets) == ([], {(topic, 0): 2})
    write(kafka, topic, b"yes")
    assert values(broker.read(kafka, batch.places)) == [b"yes"]


def test_an_open_transaction_is_invisible(kafka, topic):
    with broker.transaction(kafka, f"open-{topic}", "g") as ongoing:
        ongoing.send_raw(topic, b"soon", key="k")
        ongoing.flush()
        assert offsets_read(kafka, {(topic, 0): None}) == ([], {(topic, 0): 0})
    settle(kafka, f"open-{topic}")
    assert values(broker.read(kafka, {(topic, 0): None})) == [b"soon"]


def test_limit_cuts_and_the_rest_follows(kafka, topic):
    write(kafka, topic, *(str(n).encode() for n in range(10)))
    first = broker.read(kafka, {(topic, 0): None}, limit=4)
    second = broker.read(kafka, first.places)
    assert len(first.messages) == 4
    assert values(first) + values(second) == [str(n).encode() for n in range(10)]


def test_several_partitions_each_reach_their_end(kafka, topic):
    other = new_topic(kafka)
    write(kafka, topic, b"a")
    batch = broker.read(kafka, {(topic, 0): None, (other, 0): None})
    assert values(batch) == [b"a"]
    assert batch.offsets == {(topic, 0): 2, (other, 0): 0}


def test_an_offset_past_the_end_is_an_error(kafka, topic):
    with pytest.raises(LogBrokenError, match=r"has lost messages .* of partition 0 those from 0 to 7"):
        broker.read(kafka, {(topic, 0): Place(7)})


def test_a_missing_topic_names_the_way_out(kafka):
    with pytest.raises(BrokerError, match="bootstrap_platform"):
        broker.read(kafka, {("test.absent", 0): None})


def test_read_all_reads_batch_after_batch_to_the_end_over_markers_and_aborted_tails(kafka, topic):
    write(kafka, topic, *(str(n).encode() for n in range(10)))
    write(kafka, topic, b"aborted", abort=True)
    batches = list(broker.read_all(kafka, {(topic, 0): None}, limit=4))
    assert [len(batch.messages) for batch in batches] == [4, 4, 2]
    assert [value for batch in batches for value in values(batch)] == [str(n).encode() for n in range(10)]
    assert list(broker.read_all(kafka, batches[-1].places)) == []


def test_read_all_follows_an_end_that_moves_on(kafka, topic):
    write(kafka, topic, b"1")
    read = broker.read_all(kafka, {(topic, 0): None})
    assert values(next(read)) == [b"1"]
    write(kafka, topic, b"2")
    assert [values(batch) for batch in read] == [[b"2"]]


def test_messages_that_were_put_back_come_again_and_move_the_offsets_back(kafka, topic):
    write(kafka, topic, b"1", b"2", b"3")
    with broker.Reader(kafka, {(topic, 0): None}) as reader:
        messages = reader.read().messages
        reader.put_back(messages[1:])
        assert reader.places[topic, 0].offset == 1
        assert reader.wait(0)
        assert values(reader.read(limit=1)) == [b"2"]
        assert reader.places[topic, 0].offset == 2
        assert values(reader.read()) == [b"3"]
        assert not reader.wait(0.2)


def test_headers_are_read_where_they_are_asked_for(kafka, unique):
    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).places
    broker.publish(kafka, [bar(unique)])
    for asked, headers in ((True, {"kind": "bar"}), (False, {})):
        (message,) = [it for it in broker.read(kafka, positions, headers=asked).messages if it.key == unique]
        assert message.headers == headers


def test_the_newest_records_leave_out_what_cannot_be_decoded(kafka, topic):
    known = [bar(close=10 + n / 10) for n in range(5)]
    write(kafka, topic, *(wire.encode(it) for it in known), b"broken")
    assert broker.newest_records(kafka, topic) == known
    assert broker.newest_records(kafka, topic, count=4) == known[-2:], "the marker and the broken one count, too"


def test_records_since_a_time_begin_with_the_first_that_was_stored_then(kafka, topic):
    first, later = bar(close=10.1), bar(close=10.2)
    write(kafka, topic, wire.encode(first))
    assert list(broker.records_since(kafka, topic, 0)) == [first]
    (stored,) = broker.read(kafka, {(topic, 0): None}).messages
    time.sleep(0.05)
    write(kafka, topic, wire.encode(later))
    assert list(broker.records_since(kafka, topic, stored.timestamp_ms + 1)) == [later]
    assert list(broker.records_since(kafka, topic, now_ms() + 3_600_000)) == []


def test_a_rejected_message_says_where_it_lies():
    message = Received("t", 2, 7, 1_700_000_000_000, "AAPL", b"\xff")
    reject = message.rejected("consume", "not a record", "why")
    assert (reject.detail, reject.encoding, reject.symbol) == ("t[2] offset 7: why", "base64", "AAPL")
    assert reject.polled_ms == message.timestamp_ms
