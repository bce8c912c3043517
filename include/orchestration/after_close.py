"""A schedule for what must not disturb a session: one run some time after each session's close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from include.orchestration.timetables import at_ms, sessions_of, to_ms

if TYPE_CHECKING:
    from include.surveillance.sessions import Session


class AfterCloseTimetable(Timetable):
    """Data intervals are sessions, from open to close; nothing on days without one.

    Args:
        calendar: a name of ``exchange_calendars``, or ``24/7`` for a market that never closes: then once a UTC day.
        shift_ms: how far recorded sessions lie in the past; the calendar moves with them.
        delay_seconds: how long after a session's close its run starts.

    Without catch-up a scheduler that was down makes up for the latest session only, and at once: what must not run
    during a session asks ``in_session``.
    """

    def __init__(self, calendar: str = "XNYS", shift_ms: int = 0, delay_seconds: int = 0):
        self.calendar, self.shift_ms, self.delay_seconds = calendar, shift_ms, delay_seconds
        self.description = f"{delay_seconds} s after each close of {calendar}"

    @property
    def summary(self) -> str:
        return f"{self.calendar} close + {self.delay_seconds} s"

    def serialize(self) -> dict[str, Any]:
        return {"calendar": self.calendar, "shift_ms": self.shift_ms, "delay_seconds": self.delay_seconds}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> AfterCloseTimetable:
        return cls(**data)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The latest session that has opened by ``run_after``."""
        return _interval(sessions_of(self.calendar, self.shift_ms).at_or_before(to_ms(run_after)))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        # Sessions that open after each of these.
        after_ms = []
        if last_automated_data_interval:
            after_ms.append(to_ms(last_automated_data_interval.start))
        if restriction.earliest:
            after_ms.append(to_ms(restriction.earliest) - 1)
        if not after_ms:
            return None
        if not restriction.catchup and (due := self._latest_due(to_ms(pendulum.now("UTC")))):
            after_ms.append(due.open_ms - 1)
        session = sessions_of(self.calendar, self.shift_ms).following(max(after_ms))
        if session is None or (restriction.latest and session.open_ms > to_ms(restriction.latest)):
            return None
        return DagRunInfo(at_ms(session.close_ms + self.delay_seconds * 1_000), _interval(session))

    def _latest_due(self, now_ms: int) -> Session | None:
        sessions, closed_by_ms = sessions_of(self.calendar, self.shift_ms), now_ms - self.delay_seconds * 1_000
        session = sessions.at_or_before(closed_by_ms)
        while session and session.close_ms > closed_by_ms:
            session = sessions.at_or_before(session.open_ms - 1)
        return session


def in_session(calendar: str, shift_ms: int, now_ms: int) -> bool:
    """Whether the market is open, pre- and post-market included; one that never closes counts as closed."""
    sessions = sessions_of(calendar, shift_ms)
    session = sessions.at_or_before(now_ms)
    following = session and sessions.following(session.open_ms)
    if following and following.open_ms == session.close_ms:
        return False
    return sessions.phase(now_ms) != "closed"


def _interval(session: Session) -> DataInterval:
    return DataInterval(at_ms(session.open_ms), at_ms(session.close_ms))
