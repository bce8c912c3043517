"""What a comparison found, each thing named once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from include.surveillance import wire
from include.surveillance.records import Alert


@dataclass
class Findings:
    """What differs from the truth, each thing named once; ``replayed`` is how many alerts a replay was held against."""

    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    replayed: int | None = None

    def without(self, known: Findings) -> Findings:
        return Findings(self.lost - known.lost, self.doubled - known.doubled, self.wrong - known.wrong, self.replayed)

    def add(self, more: Findings) -> None:
        self.lost |= more.lost
        self.doubled |= more.doubled
        self.wrong |= more.wrong

    def compare(self, kind: str, due: Counter[bytes], found: Counter[bytes]) -> None:
        """Count each thing: too few are lost, too many doubled."""
        self.lost |= {f"{kind} {name_of(it)} x{count}" for it, count in (due - found).items()}
        self.doubled |= {f"{kind} {name_of(it)} x{count}" for it, count in (found - due).items()}


def name_of(message: bytes) -> str:
    record = wire.decode(message)
    return f"{record.event_id} {record.status} {record.firings}" if isinstance(record, Alert) else record.event_id
