"""Schedules that follow the market: one run per step of every session, or one after its close.

Every component imports this module with the plugins; pandas and the calendar load on the first question.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from include.surveillance.timespans import to_ms

if TYPE_CHECKING:
    from include.surveillance.sessions import Session, Sessions


class MarketSessionTimetable(Timetable):
    """Cuts each session from its open to its close into data intervals of ``step_seconds``.

    Args:
        calendar: a name of ``exchange_calendars``, or ``24/7`` for a market that never closes.
        shift_ms: how far recorded sessions lie in the past; the calendar moves with them.
        step_seconds: length of a data interval.
        delay_seconds: how long after an interval's end its run starts; negative: how long before, for tasks that
            are to stand ready when it ends.

    Without catch-up a run that is late by more than a step starts at the newest complete interval: polling asks
    for everything since its last success, so a missed interval needs no run of its own.
    """

    def __init__(self, calendar: str = "XNYS", shift_ms: int = 0, step_seconds: int = 60, delay_seconds: int = 0):
        self.calendar, self.shift_ms = calendar, shift_ms
        self.step_seconds, self.delay_seconds = step_seconds, delay_seconds
        self.description = f"Every {step_seconds} s while {calendar} is open"

    @property
    def summary(self) -> str:
        return f"{self.calendar} every {self.step_seconds} s"

    def serialize(self) -> dict[str, Any]:
        return {
            "calendar": self.calendar,
            "shift_ms": self.shift_ms,
            "step_seconds": self.step_seconds,
            "delay_seconds": self.delay_seconds,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> MarketSessionTimetable:
        return cls(**data)

    def validate(self) -> None:
        if self.step_seconds <= 0 or self.delay_seconds <= -self.step_seconds:
            raise AirflowTimetableInvalid(
                f"step_seconds={self.step_seconds} must be positive and delay_seconds={self.delay_seconds} more than "
                f"{-self.step_seconds}: a run does not start before its interval does"
            )

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Return the newest interval that is complete at ``run_after``, whether or not the market is open."""
        end_ms = to_ms(run_after) // self._step_ms * self._step_ms
        return _interval(end_ms - self._step_ms, end_ms)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        earliest_ms = None if restriction.earliest is None else to_ms(restriction.earliest)
        if last_automated_data_interval:
            earliest_ms = max(to_ms(last_automated_data_interval.end), earliest_ms or 0)
        if earliest_ms is None:
            return None
        if not restriction.catchup:
            due_ms = to_ms(pendulum.now("UTC")) - self.delay_seconds * 1_000
            if (newest := self._newest_complete(due_ms)) is not None:
                earliest_ms = max(earliest_ms, newest)
        start_ms = self._first_from(earliest_ms)
        if start_ms is None or (restriction.latest and start_ms > to_ms(restriction.latest)):
            return None
        end_ms = start_ms + self._step_ms
        return DagRunInfo(_at(end_ms + self.delay_seconds * 1_000), _interval(start_ms, end_ms))

    @property
    def _step_ms(self) -> int:
        return self.step_seconds * 1_000

    def _first_from(self, ts_ms: int) -> int | None:
        """Return the start of the first interval from ``ts_ms`` on; None past the calendar's last session."""
        sessions = _load_sessions(self.calendar, self.shift_ms)
        session = sessions.at_or_before(ts_ms) or sessions.following(ts_ms)
        while session:
            steps = max(0, -((session.open_ms - ts_ms) // self._step_ms))
            start_ms = session.open_ms + steps * self._step_ms
            if start_ms + self._step_ms <= session.close_ms:
                return start_ms
            session = sessions.following(session.open_ms)
        return None

    def _newest_complete(self, ts_ms: int) -> int | None:
        """Return the start of the last interval that had ended by ``ts_ms``; None before the calendar's first."""
        sessions = _load_sessions(self.calendar, self.shift_ms)
        session = sessions.at_or_before(ts_ms)
        while session:
            steps = (min(ts_ms, session.close_ms) - session.open_ms) // self._step_ms
            if steps:
                return session.open_ms + (steps - 1) * self._step_ms
            session = sessions.at_or_before(session.open_ms - 1)
        return None


class AfterCloseTimetable(Timetable):
    """Takes each session, from open to close, for a data interval; a day without one has none.

    Args:
        calendar: a name of ``exchange_calendars``, or ``24/7`` for a market that never closes: then once a UTC day.
        shift_ms: how far recorded sessions lie in the past; the calendar moves with them.
        delay_seconds: how long after a session's close its run starts.

    Without catch-up a scheduler that was down makes up for the latest session only, and at once: what must not run
    during a session asks ``is_in_session``.
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
        """Return the latest session that has opened by ``run_after``."""
        session = _load_sessions(self.calendar, self.shift_ms).at_or_before(to_ms(run_after))
        if session is None:
            raise AirflowTimetableInvalid(f"{self.calendar} has no session by {run_after}; choose a later date")
        return _interval(session.open_ms, session.close_ms)

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
        session = _load_sessions(self.calendar, self.shift_ms).following(max(after_ms))
        if session is None or (restriction.latest and session.open_ms > to_ms(restriction.latest)):
            return None
        return DagRunInfo(
            _at(session.close_ms + self.delay_seconds * 1_000), _interval(session.open_ms, session.close_ms)
        )

    def _latest_due(self, now_ms: int) -> Session | None:
        sessions, closed_by_ms = _load_sessions(self.calendar, self.shift_ms), now_ms - self.delay_seconds * 1_000
        session = sessions.at_or_before(closed_by_ms)
        while session and session.close_ms > closed_by_ms:
            session = sessions.at_or_before(session.open_ms - 1)
        return session


def is_in_session(calendar: str, shift_ms: int, now_ms: int) -> bool:
    """Whether the market is open, pre- and post-market included; one that never closes counts as closed."""
    sessions = _load_sessions(calendar, shift_ms)
    session = sessions.at_or_before(now_ms)
    if session and (following := sessions.following(session.open_ms)) and following.open_ms == session.close_ms:
        return False
    return sessions.phase(now_ms) != "closed"


@cache
def _load_sessions(calendar: str, shift_ms: int) -> Sessions:
    from include.surveillance.sessions import Sessions

    return Sessions(calendar, shift_ms)


def _interval(start_ms: int, end_ms: int) -> DataInterval:
    return DataInterval(_at(start_ms), _at(end_ms))


def _at(ts_ms: int) -> pendulum.DateTime:
    return pendulum.from_timestamp(ts_ms / 1_000)
