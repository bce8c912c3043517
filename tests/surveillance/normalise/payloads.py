"""Payloads as the vendor answers, made up or recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from include.surveillance.polygon.client import Payload
from tests.paths import SHARED_DATA

MINUTE = 60_000
START = 1_550_154_600_000  # 2019-02-14 09:30 New York
END = START + 10 * MINUTE

RECORDED = SHARED_DATA / "polygon_payloads"
needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded answers in {RECORDED}; set SHARED_DATA")


def payload(*results: dict | bytes, **question) -> Payload:
    texts = tuple(result if isinstance(result, bytes) else json.dumps(result).encode() for result in results)
    asked = {"symbols": ("AAPL",), "timespan": "minute", "from_ms": START, "to_ms": END, "polled_ms": END + 2_000}
    return Payload(results=texts, **asked | question)


def recorded(name: str, **question) -> Payload:
    body = json.loads((RECORDED / name).read_text())
    return replace(payload(*body["results"]), **question)
