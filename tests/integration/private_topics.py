"""Topics and a group that no other test touches."""

from __future__ import annotations

from typing import get_args

import pytest

from include.surveillance import broker
from include.surveillance.broker import producer
from include.surveillance.live import detector, history
from include.surveillance.records import AnyRecord


def private_topics(patch: pytest.MonkeyPatch, unique: str) -> dict[str, str]:
    """Let this process use names of its own for all topics and the groups of detection; old name -> new name."""
    renamed = {spec.name: f"{spec.name}.{unique}" for spec in broker.TOPICS}
    for module in (broker, producer):
        for name, topic in list(vars(module).items()):
            if isinstance(topic, str) and topic in renamed:
                patch.setattr(module, name, renamed[topic])
    for kind in get_args(AnyRecord):
        patch.setattr(kind, "topic", renamed[kind.topic])
    patch.setattr(detector, "GROUP", f"detector-{unique}")
    patch.setattr(history, "GROUP", f"history-{unique}")
    return renamed
