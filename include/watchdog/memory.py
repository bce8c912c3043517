"""Keeps in one file what people know, so that a watchdog that starts anew tells nobody twice."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from include.watchdog.causes import Open
from include.watchdog.people import Waiting

LOG = logging.getLogger(__name__)
BEAT = ".beat"


class Memory(msgspec.Struct):
    """What is known when the watchdog starts: see ``Judge.open``, ``Judge.ended`` and ``Outbox.waiting``."""

    open: dict[str, Open] = msgspec.field(default_factory=dict)
    ended: dict[str, float] = msgspec.field(default_factory=dict)
    waiting: dict[str, list[Waiting]] = msgspec.field(default_factory=dict)


class Keeper:
    """Reads and writes a ``Memory``. A full disk is what the watchdog tells of, so that it goes on without a file."""

    def __init__(self, path: Path):
        self._path, self._failed = path, False

    def read(self) -> Memory:
        """Read what was last written; nothing when there is no file, or one that cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory()
        except (OSError, msgspec.MsgspecError) as error:
            LOG.error("%s cannot be read (%s): what is wrong now is told anew", self._path, error)
            return Memory()

    def beat(self) -> None:
        """Touch the file beside it by which others see that rounds are made."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.with_suffix(BEAT).touch()

    def write(self, memory: Memory) -> None:
        """Replace the file in one step; what fails is logged once."""
        written = msgspec.json.encode(memory)
        partial = self._path.with_name(f"{self._path.name}.partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(written)
            partial.chmod(0o600)
            partial.replace(self._path)
        except OSError as error:
            if not self._failed:
                LOG.error("%s cannot be written (%s): after a restart some may be told again", self._path, error)
            self._failed = True
        else:
            self._failed = False
