"""Files of a broker that is stopped: a partition loses its tail, as in a crash of the machine."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# A batch of records begins with: base offset, length of what follows, leader epoch, format, checksum, attributes, last
# offset, first and latest time.
HEADER = struct.Struct(">qiibIhiqq")
BEFORE_LENGTH = 12  # bytes that the length does not count


class Stored(NamedTuple):
    """Where in its segment a batch of records begins, and when the broker stored it, UTC epoch ms."""

    position: int
    stored_ms: int


def newest_segment(data: Path, topic: str, partition: int) -> Path:
    return max((data / f"{topic}-{partition}").glob("*.log"))


def read_batches(segment: Path) -> Iterator[Stored]:
    content, position = segment.read_bytes(), 0
    while position + HEADER.size <= len(content):
        _, length, *_, latest_ms = HEADER.unpack_from(content, position)
        yield Stored(position, latest_ms)
        position += BEFORE_LENGTH + length


def lose_tail(data: Path, segment: Path, size: int) -> None:
    """Cut a segment back to so many bytes. The broker makes its other files fit when it starts after a crash."""
    with segment.open("rb+") as file:
        file.truncate(size)
    (data / ".kafka_cleanshutdown").unlink(missing_ok=True)


def lose_since(data: Path, topic: str, partition: int, since_ms: int) -> bool:
    """Lose what was stored since then in the newest segment of a partition; False: there was nothing."""
    segment = newest_segment(data, topic, partition)
    lost = [batch for batch in read_batches(segment) if batch.stored_ms >= since_ms]
    if lost:
        lose_tail(data, segment, lost[0].position)
    return bool(lost)
