"""The market that the stack watches: a generated one, recorded bars moved to now, or the vendor's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.deployment import GENERATED_CALENDAR, OWN_CALENDAR
from include.local_stack.errors import StackError
from include.polygon_simulator.universe import CANARIES, GENERATED
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, now_ms

if TYPE_CHECKING:
    from include.surveillance.detection.columns import BarColumns

FILE = "market.json"
SEED = 7
# A replay starts an hour into the last recorded session, so that there are minutes behind and minutes to come.
REPLAY_ENTERS_MINUTES = 60


@dataclass(frozen=True)
class Market:
    """A market of mode synthetic, replay or vendor; a replay's recorded time lies ``shift_ms`` in the past."""

    mode: str = "synthetic"
    file: str | None = None
    shift_ms: int = 0

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
        """Write the market down: later starts go on with it and its shift."""
        (state / FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def wanted(cls, replay: Path | None, real_key: bool) -> Market:
        """Return the market that the user asks for.

        Raises:
            StackError: the replay file cannot be read.
        """
        if replay:
            return cls("replay", str(replay.resolve()), _shift_ms(replay))
        return cls("vendor") if real_key else cls("synthetic")

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
            arguments += ["--replay", self.file, "--shift-ms", str(self.shift_ms)]
        return arguments

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
    minutes = now_ms() // MINUTE_MS - REPLAY_ENTERS_MINUTES
    return minutes * MINUTE_MS - session.open_ms


def _read_bars(replay: Path) -> BarColumns:
    # Compiled code, which only a replay needs.
    from include.polygon_simulator.recorded_bars import read_recorded_minutes

    return read_recorded_minutes(replay).bars
