"""Thousands of hostile titles, symbols and forms: none is more than text, each is one line or refused with a reason."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest
from airflow.sdk.exceptions import ParamValidationError

from include.orchestration import forms
from include.surveillance import normalise, wire
from include.surveillance.errors import ConfigurationError
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Instrument, NewsItem, Reject, Split
from include.surveillance.texts import is_symbol
from tests.fuzz import hostile
from tests.fuzz.vendor import vendor
from tests.surveillance.detection.market import OPEN, alerts, at, bar, calm, run

TEXTS = int(os.environ.get("FUZZ_PAYLOADS", "10000")) // 5
SEED = int(os.environ.get("FUZZ_SEED", "4"))
BATCH = 50
END = at(400)


def payload(results: list[dict], **question) -> Payload:
    raw = tuple(json.dumps(result).encode() for result in results)
    return Payload(results=raw, polled_ms=END, from_ms=OPEN, to_ms=END, **question)


def is_line(text: str, longest: int) -> bool:
    return text.isprintable() and len(text) <= longest and len(text.splitlines()) <= 1


def test_each_hostile_title_is_one_line_of_one_alert_or_a_reject():
    rng, seen = random.Random(SEED), Counter()
    for _ in range(TEXTS // BATCH):
        symbols = [f"S{number}" for number in range(BATCH)]
        articles = [
            {
                "id": f"a{symbol}",
                "title": hostile.text(rng),
                "published_utc": "2019-02-14T14:49:30Z",
                "tickers": [symbol, hostile.text(rng)],
                "article_url": rng.choice(("https://example.org/", "")) + hostile.text(rng),
                "publisher": {"name": hostile.text(rng)},
                "insights": [
                    {"ticker": symbol, "sentiment": "negative", "sentiment_reasoning": hostile.text(rng)},
                    {"ticker": hostile.text(rng), "sentiment": hostile.text(rng)},
                ],
            }
            for symbol in symbols
        ]
        found = normalise.news(payload(articles), symbols, source="live")
        items = [it for it in found if isinstance(it, NewsItem)]
        rejects = [it for it in found if isinstance(it, Reject)]
        assert len(items) + len(rejects) == BATCH, "nothing is lost"
        for item in items:
            assert is_line(item.title, 300)
            assert is_line(item.publisher, 300)
            assert is_line(item.reasoning or "", 1_000)
            assert is_line(item.url, 2_000)
            assert not set(item.url) & set(" <>\"'`|\\")
            assert wire.decode(wire.encode(item)) == item
        for reject in rejects:
            assert is_line(reject.detail, 400)
            assert wire.decode(wire.encode(reject)) == reject
        bars = [it for symbol in symbols for it in (*calm(symbol=symbol), bar(20, volume=9_000, symbol=symbol))]
        detected = alerts(run([*bars, *items]), "news_impact")
        assert Counter(alert.symbol for alert in detected) == Counter(item.symbol for item in items)
        titles = {item.symbol: item.title for item in items}
        for alert in detected:
            assert is_line(alert.explanation, 700)
            assert titles[alert.symbol] in alert.explanation
        seen.update(items=len(items), rejects=len(rejects), alerts=len(detected))
    assert seen["alerts"] > TEXTS // 4, seen
    assert seen["rejects"] > TEXTS // 100, seen


def test_a_hostile_word_is_no_symbol_and_leaves_no_path():
    rng, words = random.Random(SEED + 1), Counter()
    with vendor() as (server, polygon):
        server.body = b'{"status":"OK","results":[]}'
        for number in range(TEXTS):
            word = hostile.text(rng)
            if is_symbol(word):
                words["symbols"] += 1
                assert word.isascii()
                assert word.replace(".", "").replace("-", "").isalnum()
                continue
            words["refused"] += 1
            with pytest.raises(ConfigurationError, match="no ticker"):
                forms.read_symbols({"symbols": ["AAPL", word]})
            # Should one come that far all the same: what a client sends of it is one word of the path.
            if (
                number % 10 == 0
                and word
                and len(word) < 1_000
                and not any("\ud800" <= char <= "\udfff" for char in word)
            ):
                polygon.bars(word, "minute", OPEN, END)
                path = urlsplit(server.asked).path.split("/")
                assert (path[:4], path[5], len(path)) == (["", "v2", "aggs", "ticker"], "range", 10)
                assert unquote(path[4]) == word
    assert words["refused"] > TEXTS // 2


def test_hostile_tickers_and_names_of_reference_data_are_words_and_lines_or_rejects():
    rng, made = random.Random(SEED + 2), Counter()
    for _ in range(TEXTS):
        ticker, name = rng.choice((hostile.text(rng), "AAPL")), hostile.text(rng)
        given = {"ticker": ticker, "name": name, "type": name, "currency_name": name, "cik": name}
        split = {"ticker": ticker, "execution_date": rng.choice((name, "2019-02-14")), "split_from": 1, "split_to": 2}
        for record in (
            *normalise.instruments(payload([given], symbols=("AAPL",))),
            *normalise.splits(payload([split])),
        ):
            made[type(record).__name__] += 1
            assert wire.decode(wire.encode(record)) == record
            if isinstance(record, Instrument | Split):
                assert is_line(record.symbol, 200)
                assert " " not in record.symbol
            if isinstance(record, Instrument):
                shown = (record.name, record.type, record.currency, record.cik)
                assert all(is_line(text or "", 300) for text in shown)
            if isinstance(record, Reject):
                assert is_line(record.detail, 400)
    assert min(made.values()) > TEXTS // 20
    assert len(made) == 3


def test_no_hostile_text_gets_through_a_form():
    rng, fields = random.Random(SEED + 3), forms.bars_params("all") | {"yaml": forms.yaml_param("YAML", "")}
    through: Counter[str] = Counter()
    for _ in range(TEXTS):
        text = hostile.text(rng)
        for name, param in fields.items():
            if not text and name in ("from", "to"):
                continue  # stands for the latest sessions
            value = [text] if name == "symbols" else text
            try:
                param.resolve(value)
            except ParamValidationError:
                continue
            through[name] += 1
            if name == "symbols":
                assert is_symbol(text)
            else:
                # Parameters are YAML, and their own reader refuses what is none: here they only must be no template.
                assert name == "yaml"
                assert not any(opening in text for opening in ("{{", "{%", "{#"))
                assert all(is_line(line, 20_000) for line in text.replace("\t", " ").splitlines())
    assert set(through) <= {"symbols", "yaml"}
