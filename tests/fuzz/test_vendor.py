"""Thousands of broken answers from poll to Kafka: none is a crash, each result is a record, a reject or left out."""

from __future__ import annotations

import json
import os
import random
from collections import Counter

import msgspec
import pytest

from include.surveillance import broker, wire
from include.surveillance.errors import SurveillanceError
from include.surveillance.instruments import TWO_RATIOS
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Record, Reject
from tests.fuzz.mutations import changed_bytes, changed_object
from tests.fuzz.vendor import QUESTIONS, Question, results, vendor
from tests.paths import SHARED_DATA

PAYLOADS = int(os.environ.get("FUZZ_PAYLOADS", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
BODIES, RESULTS_PER_PAGE = PAYLOADS // 4, 100
# Reasons that say something of a result only because of another one in its page.
BESIDE_OTHERS = ("duplicate bar", "duplicate bar with other values", TWO_RATIOS)


@pytest.fixture(scope="module")
def asked():
    with vendor() as (server, polygon):

        def ask(question: Question, body: bytes) -> Payload | None:
            """None when the poll failed with a reason; anything but our own errors goes through."""
            server.body = body
            try:
                return question.poll(polygon)
            except SurveillanceError:
                return None

        yield ask


def page(texts: list[str], **more: object) -> str:
    rest = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in more.items())
    return f'{{"status":"OK","request_id":"r"{rest},"results":[{",".join(texts)}]}}'


def accounted(question: Question, payload: Payload) -> list[Record]:
    """What becomes of the payload, after each of its results was seen in it."""
    single = {raw: question.alone(payload, raw) for raw in payload.results}
    for raw, alone in single.items():
        assert alone or question.may_leave_out(json.loads(raw)), raw[:300]
    records = question.normalise(payload)
    rejects = Counter(wire.encode(it) for alone in single.values() for it in alone if isinstance(it, Reject))
    assert set(rejects) <= {wire.encode(it) for it in records}
    kept = {it.event_id for alone in single.values() for it in alone if not isinstance(it, Reject)}
    known = {it.event_id for it in records}
    # What is well alone is a reject beside a bar with the same start that came later, or a split with another ratio.
    objected = {it.raw for it in records if isinstance(it, Reject) and it.reason in BESIDE_OTHERS}
    for raw, alone in single.items():
        assert raw.decode(errors="replace") in objected or all(it.event_id in known for it in alone), raw[:300]
    assert {it.event_id for it in records if not isinstance(it, Reject)} <= kept
    return records


def published(kafka, records: list[Record]) -> None:
    """Everything that can be made of broken answers goes through Kafka and comes back as it was."""
    topics = {record.topic for record in records}
    before = {topic: broker.read(kafka, positions(kafka, topic), limit=10**6).places for topic in topics}
    broker.publish(kafka, records)
    for topic in topics:
        batch = broker.read(kafka, before[topic], limit=10**6)
        sent = [record for record in records if record.topic == topic]
        assert Counter(message.value for message in batch.messages) == Counter(map(wire.encode, sent))
        assert {wire.encode(wire.decode(message.value)) for message in batch.messages} == set(map(wire.encode, sent))


def positions(kafka, topic: str) -> dict[broker.Position, None]:
    return {(topic, partition): None for partition in broker.partitions_of(kafka, topic)}


@pytest.fixture
def topics(kafka):
    broker.ensure_topics(kafka, 4)


def test_broken_results_are_records_or_rejects(kafka, topics, asked):
    rng, seen, made = random.Random(SEED), Counter(), []
    while sum(seen.values()) < PAYLOADS - BODIES:
        kind = rng.choice(list(QUESTIONS))
        texts = [changed_object(rng, results(rng, kind)) for _ in range(RESULTS_PER_PAGE)]
        whole = [text for text in texts if is_json(text)]
        payload = asked(QUESTIONS[kind], page(whole).encode())
        assert payload is not None, (SEED, kind)
        assert len(payload.results) == len(whole)
        made += accounted(QUESTIONS[kind], payload)
        # What is no JSON spoils its page, so it comes alone.
        for text in set(texts) - set(whole):
            assert asked(QUESTIONS[kind], page([text]).encode(errors="surrogatepass")) is None, (SEED, text[:300])
        seen[kind] += len(texts)
    published(kafka, made)
    kinds = Counter(type(record).__name__ for record in made)
    # Without recorded answers there is one sample of each kind, and of a split little is left that can be used.
    least = PAYLOADS // (200 if SHARED_DATA.exists() else 500)
    assert min(kinds[kind] for kind in ("Bar", "NewsItem", "Instrument", "Split", "Dividend")) > least
    assert kinds["Reject"] > PAYLOADS // 10


def is_json(text: str) -> bool:
    try:
        msgspec.json.decode(f"[{text}]".encode(errors="surrogatepass"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def test_broken_bodies_fail_the_poll_or_are_accounted_for(kafka, topics, asked):
    rng, outcomes, made = random.Random(SEED + 1), Counter(), []
    for _ in range(BODIES):
        kind = rng.choice(list(QUESTIONS))
        texts = [changed_object(rng, results(rng, kind)) for _ in range(rng.randrange(4))]
        text = page(texts, resultsCount=len(texts))
        if rng.random() < 0.3:
            parts = {
                "status": "OK",
                "request_id": "r",
                "resultsCount": 1,
                "next_url": "https://api.massive.com/v2?cursor=a&apiKey=b",
            }
            text = changed_object(rng, parts | {"results": [results(rng, kind)]})
        payload = asked(QUESTIONS[kind], changed_bytes(rng, text) if rng.random() < 0.7 else text.encode())
        outcomes["refused" if payload is None else "read"] += 1
        if payload:
            made += accounted(QUESTIONS[kind], payload)
    published(kafka, made)
    assert outcomes["refused"] > BODIES // 10
    assert outcomes["read"] > BODIES // 10
