"""The market that the stack watches: a generated one, recorded bars moved to now, or the vendor's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.deployment import GENERATED_CALENDAR, OWN_CALENDAR
from include.local_stack.errors import StackError
from include.polygon_simulator.anomalies import ENTERED_MS
from include.polygon_simulator.universe import CANARIES, GENERATED
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, now_ms

if TYPE_CHECKING:
    from include.surveillance.detection.columns import BarColumns

FILE = "market.json"
SEED = 7


@dataclass(frozen=True)
class Market:
    """A market of mode synthetic, replay or vendor.

    Attributes:
        file: what is replayed; None: nothing is.
        shift_ms: how far the recorded time of a replay lies in the past.
        watched_from_ms: when a generated market was first started, UTC epoch ms: from then on it has frequent
            anomalies until that session ends. 0: never.
    """

    mode: str = "synthetic"
    file: str | None = None
    shift_ms: int = 0
    watched_from_ms: int = 0

    @classmethod
    def choose(cls, state: Path, wanted: Market) -> Market:
        """Return the market that a state folder holds, or ``wanted`` when it holds none yet.

        Raises:
            StackError: the state folder holds the data of another market.
        """
        known = cls.stored(state)
        if known is None:
            return wanted
        if (known.mode, known.file) != (wanted.mode, wanted.file):
            raise StackError(f"{state} holds {known}, not {wanted}: run `make clean` first or set STACK_STATE")
        return known

    @classmethod
    def stored(cls, state: Path) -> Market | None:
        """Return the market that a state folder holds; None when it holds none yet."""
        file = state / FILE
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def store(self, state: Path) -> None:
        """Write the market down: later starts go on with it, its shift and its moment."""
        (state / FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def wanted(cls, replay: Path | None, real_key: bool) -> Market:
        """Return the market that the user asks for.

        Raises:
            StackError: the replay file cannot be read.
        """
        if replay:
            return cls("replay", str(replay.resolve()), _shift_ms(replay))
        return cls("vendor") if real_key else cls("synthetic", watched_from_ms=now_ms())

    def __str__(self) -> str:
        return f"the replay of {self.file}" if self.file else f"the {self.mode} market"

    def environment(self) -> dict[str, str]:
        """Return calendar and shift as ``include.surveillance.settings`` and the polling timetable read them."""
        own, generated = OWN_CALENDAR, GENERATED_CALENDAR
        calendars = {"synthetic": (generated, generated), "replay": (own, generated), "vendor": (own, own)}
        market, poll = calendars[self.mode]
        return {"MARKET_CALENDAR": market, "MARKET_SHIFT_MS": str(self.shift_ms), "POLL_CALENDAR": poll}

    def simulator_arguments(self) -> list[str]:
        """Return the simulator's options for this market."""
        arguments = ["--seed", str(SEED)]
        if self.file:
            return [*arguments, "--replay", self.file, "--shift-ms", str(self.shift_ms)]
        return [*arguments, "--watched-from-ms", str(self.watched_from_ms)]

    def watchlist(self, env: Mapping[str, str]) -> str | None:
        """Return comma separated symbols, or None for the platform's own list."""
        if env.get("WATCHLIST"):
            return env["WATCHLIST"]
        if self.mode == "vendor" or env.get("WATCHLIST_FILE"):
            return None
        if self.file:
            recorded = sorted(symbol for symbol, _ in _read_bars(Path(self.file)).keys)
            return ",".join([*recorded, *(canary.symbol for canary in CANARIES)])
        return ",".join(instrument.symbol for instrument in GENERATED)


def _shift_ms(replay: Path) -> int:
    try:
        last_ms = int(_read_bars(replay).ts.max())
    except ConfigurationError as error:
        raise StackError(f"{replay} cannot be replayed: {error}") from error
    session = Sessions("XNYS").at_or_before(last_ms)
    if session is None:
        raise StackError(f"{replay} ends before the exchange calendar begins; give a newer recording")
    return (now_ms() - ENTERED_MS) // MINUTE_MS * MINUTE_MS - session.open_ms


def _read_bars(replay: Path) -> BarColumns:
    # Compiled code, which only a replay needs.
    from include.polygon_simulator.recorded_bars import read_recorded_minutes

    return read_recorded_minutes(replay).bars
