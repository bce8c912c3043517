"""The platform's topics, and one that no other test touches."""

from __future__ import annotations

import uuid

import pytest

from include.surveillance import broker
from tests.surveillance.broker.messages import PARTITIONS, new_topic


@pytest.fixture(scope="module", autouse=True)
def _topics(kafka):
    broker.ensure_topics(kafka, PARTITIONS)


@pytest.fixture
def topic(kafka) -> str:
    """A topic with one partition that no other test touches."""
    return new_topic(kafka)


@pytest.fixture
def unique() -> str:
    return uuid.uuid4().hex[:8]
