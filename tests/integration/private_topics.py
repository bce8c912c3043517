"""Topics and a group that no other test touches."""

from __future__ import annotations

import pytest

from include.surveillance import broker
from include.surveillance.broker import producer, topics
from include.surveillance.live import detector


def private_topics(patch: pytest.MonkeyPatch, unique: str) -> dict[str, str]:
    """Let this process use names of its own for all topics and the detector's group; old name -> new name."""
    renamed = {spec.name: f"{spec.name}.{unique}" for spec in broker.TOPICS}
    for module in (broker, producer):
        for name, topic in list(vars(module).items()):
            if isinstance(topic, str) and topic in renamed:
                patch.setattr(module, name, renamed[topic])
    for kind, topic in list(topics._TOPIC_OF.items()):
        patch.setitem(topics._TOPIC_OF, kind, renamed[topic])
    patch.setattr(detector, "GROUP", f"detector-{unique}")
    return renamed
