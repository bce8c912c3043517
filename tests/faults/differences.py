"""The differences that a comparison shows, each named once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from include.surveillance import wire
from include.surveillance.records import Alert


@dataclass
class Differences:
    """What differs from the truth, each named once; ``replayed`` is how many alerts a replay was compared with."""

    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    replayed: int | None = None

    def without(self, known: Differences) -> Differences:
        return Differences(
            self.lost - known.lost, self.doubled - known.doubled, self.wrong - known.wrong, self.replayed
        )

    def add(self, more: Differences) -> None:
        self.lost |= more.lost
        self.doubled |= more.doubled
        self.wrong |= more.wrong
        self.replayed = self.replayed if more.replayed is None else more.replayed

    def count(self, kind: str, due: Counter[bytes], present: Counter[bytes]) -> None:
        """Count each message: too few are lost, too many doubled."""
        self.lost |= {f"{kind} {describe(it)} x{count}" for it, count in (due - present).items()}
        self.doubled |= {f"{kind} {describe(it)} x{count}" for it, count in (present - due).items()}


def describe(message: bytes) -> str:
    record = wire.decode(message)
    return f"{record.event_id} {record.status} {record.firings}" if isinstance(record, Alert) else record.event_id
