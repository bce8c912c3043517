"""Where a bar lies in the trading calendar."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ..sessions import NEW_YORK, Sessions


class Place(NamedTuple):
    phase: str
    session_date: str
    regular: bool
    date_new_york: str

    def opens_after(self, date: str, timespan: str) -> bool:
        """Whether a regular bar here is its session's first, when the latest regular bar was of session ``date``."""
        return timespan == "day" or self.session_date > date


class Placing:
    """Bars -> places of one calendar."""

    def __init__(self, sessions: Sessions):
        self.sessions = sessions

    def place(self, ts_ms: int, timespan: str) -> Place:
        sessions = self.sessions
        phase, date = sessions.phase(ts_ms), sessions.session_date(ts_ms)
        regular = sessions.is_regular(ts_ms, timespan)
        if regular and phase != "regular":
            # A day bar starts at midnight, and an hour bar may start before the open that it holds.
            following = sessions.following(ts_ms)
            phase, date = "regular", following.date if following else date
        recorded = datetime.fromtimestamp((ts_ms - sessions.shift_ms) / 1000, NEW_YORK)
        return Place(phase, date, regular, recorded.date().isoformat())
