"""Schedules: one run per step of every session, one after its close, or one after the other.

Every component imports this module with the plugins; pandas and the calendar load on the first question.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Self

import pendulum
from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.timetables.simple import ContinuousTimetable

from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import HOURS
from include.surveillance.timespans import to_ms

if TYPE_CHECKING:
    from include.surveillance.sessions import Session, Sessions


# How long after the start of a run that ends at once the next one starts, and how long after that all others.
SOON_SECONDS, LATER_SECONDS = 5, 60


class _SessionTimetable(Timetable):
    """Cuts sessions into data intervals, as a subclass says, and runs ``delay_seconds`` after the end of each."""

    calendar: str
    shift_ms: int
    delay_seconds: int

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        return cls(**data)

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
            if newest := self._newest_complete(due_ms):
                earliest_ms = max(earliest_ms, to_ms(newest.start))
        interval = self._first_from(earliest_ms)
        if interval is None:
            raise ConfigurationError(
                f"calendar {self.calendar} has no session after {self._sessions.last_date()}, so nothing is scheduled; "
                "upgrade exchange_calendars"
            )
        if restriction.latest and interval.start > restriction.latest:
            return None
        return DagRunInfo(interval.end.add(seconds=self.delay_seconds), interval)

    @property
    def _sessions(self) -> Sessions:
        return load_sessions(self.calendar, self.shift_ms)

    def _first_from(self, ts_ms: int) -> DataInterval | None:
        """Return the first interval that starts at ``ts_ms`` or later; None past the calendar's last session."""
        raise NotImplementedError

    def _newest_complete(self, ts_ms: int) -> DataInterval | None:
        """Return the last interval that had ended by ``ts_ms``; None before the calendar's first."""
        raise NotImplementedError


class MarketSessionTimetable(_SessionTimetable):
    """Cuts each session into data intervals of ``step_seconds``.

    Args:
        calendar: a name of ``exchange_calendars``, or ``24/7`` for a market that never closes.
        shift_ms: how far recorded sessions lie in the past; the calendar moves with them.
        step_seconds: length of a data interval.
        delay_seconds: how long after an interval's end its run starts; negative: how long before, for tasks that
            are to stand ready when it ends.
        after_seconds: how long after a session's end it goes on, for what follows the market; a session that is
            shorter than a step is one interval.
        hours: ``all`` that the vendor has bars of, pre- and post-market included, or ``regular``: open to close.

    Without catch-up a run that is late by more than a step starts at the newest complete interval: polling asks
    for everything since its last success, so a missed interval needs no run of its own.
    """

    def __init__(
        self,
        calendar: str = "XNYS",
        shift_ms: int = 0,
        step_seconds: int = 60,
        delay_seconds: int = 0,
        after_seconds: int = 0,
        hours: str = "regular",
    ):
        self.calendar, self.shift_ms, self.hours = calendar, shift_ms, hours
        self.step_seconds, self.delay_seconds, self.after_seconds = step_seconds, delay_seconds, after_seconds
        longer = f" and {after_seconds} s longer" if after_seconds else ""
        self.description = f"Every {step_seconds} s in {hours} hours of {calendar}{longer}"

    @property
    def summary(self) -> str:
        longer = f" + {self.after_seconds} s" if self.after_seconds else ""
        return f"{self.calendar}, {self.hours} hours{longer}, every {self.step_seconds} s"

    def serialize(self) -> dict[str, Any]:
        names = ("calendar", "shift_ms", "step_seconds", "delay_seconds", "after_seconds", "hours")
        return {name: getattr(self, name) for name in names}

    def validate(self) -> None:
        if self.step_seconds <= 0 or self.delay_seconds <= -self.step_seconds:
            raise AirflowTimetableInvalid(
                f"step_seconds={self.step_seconds} must be positive and delay_seconds={self.delay_seconds} more than "
                f"{-self.step_seconds}: a run does not start before its interval does"
            )
        if self.after_seconds < 0:
            raise AirflowTimetableInvalid(f"after_seconds={self.after_seconds} must be 0 or more")
        if self.hours not in HOURS:
            raise AirflowTimetableInvalid(f"hours={self.hours!r} must be one of {', '.join(HOURS)}")

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Return the newest interval that is complete at ``run_after``, whether or not the market is open."""
        end_ms = to_ms(run_after) // self._step_ms * self._step_ms
        return _interval(end_ms - self._step_ms, end_ms)

    @property
    def _step_ms(self) -> int:
        return self.step_seconds * 1_000

    def _start_ms(self, session: Session) -> int:
        return session.first_ms if self.hours == "all" else session.open_ms

    def _cut(self, session: Session) -> tuple[int, int, int]:
        """Return when a session's intervals begin and end, before the next session's begin, and their length, in ms."""
        start_ms = self._start_ms(session)
        end_ms = (session.end_ms if self.hours == "all" else session.close_ms) + self.after_seconds * 1_000
        if following := self._sessions.following(session.open_ms):
            end_ms = min(end_ms, self._start_ms(following))
        return start_ms, end_ms, min(self._step_ms, end_ms - start_ms)

    def _first_from(self, ts_ms: int) -> DataInterval | None:
        session = self._sessions.at_or_before(ts_ms) or self._sessions.following(ts_ms)
        while session:
            start_ms, end_ms, step_ms = self._cut(session)
            start_ms += max(0, -((start_ms - ts_ms) // step_ms)) * step_ms
            if start_ms + step_ms <= end_ms:
                return _interval(start_ms, start_ms + step_ms)
            session = self._sessions.following(session.open_ms)
        return None

    def _newest_complete(self, ts_ms: int) -> DataInterval | None:
        # The pre-market of a session that has not opened may have begun.
        session = self._sessions.following(ts_ms) or self._sessions.at_or_before(ts_ms)
        while session:
            start_ms, end_ms, step_ms = self._cut(session)
            steps = (min(ts_ms, end_ms) - start_ms) // step_ms
            if steps > 0:
                start_ms += (steps - 1) * step_ms
                return _interval(start_ms, start_ms + step_ms)
            session = self._sessions.at_or_before(session.open_ms - 1)
        return None


class AfterCloseTimetable(_SessionTimetable):
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

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Return the latest session that has opened by ``run_after``."""
        session = self._sessions.at_or_before(to_ms(run_after))
        if session is None:
            raise AirflowTimetableInvalid(f"{self.calendar} has no session by {run_after}; choose a later date")
        return _interval(session.open_ms, session.close_ms)

    def _first_from(self, ts_ms: int) -> DataInterval | None:
        session = self._sessions.following(ts_ms - 1)
        return _interval(session.open_ms, session.close_ms) if session else None

    def _newest_complete(self, ts_ms: int) -> DataInterval | None:
        session = self._sessions.at_or_before(ts_ms)
        while session and session.close_ms > ts_ms:
            session = self._sessions.at_or_before(session.open_ms - 1)
        return _interval(session.open_ms, session.close_ms) if session else None


class FollowerTimetable(ContinuousTimetable):
    """One run after the other, with a brake: runs that fail at once do not follow each other at once.

    After a run that lived, the next one starts ``SOON_SECONDS`` after it at the earliest; after one that did not, the
    next starts ``LATER_SECONDS`` after it, or as long as a run lives where that is shorter.

    Args:
        lifetime_seconds: how long a run lives that nothing ends.
    """

    description = "One run after the other"

    def __init__(self, lifetime_seconds: float = LATER_SECONDS):
        self.lifetime_seconds = lifetime_seconds

    def serialize(self) -> dict[str, Any]:
        return {"lifetime_seconds": self.lifetime_seconds}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        return cls(**data)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        last = last_automated_data_interval
        if last is None:
            return super().next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
        # Asked when a run is created. Its interval ends when it could have been: as the one before it was created, and
        # a pause. What is between, that one lived.
        now = pendulum.now("UTC")
        pause = SOON_SECONDS if (now - last.end).total_seconds() > LATER_SECONDS else LATER_SECONDS
        end = max(now, last.end).add(seconds=min(pause, self.lifetime_seconds))
        return None if restriction.latest and end > restriction.latest else DagRunInfo.interval(last.end, end)


def is_in_session(calendar: str, shift_ms: int, now_ms: int) -> bool:
    """Whether the market is open, pre- and post-market included; one that never closes counts as closed."""
    sessions = load_sessions(calendar, shift_ms)
    session = sessions.at_or_before(now_ms)
    if session and (following := sessions.following(session.open_ms)) and following.open_ms == session.close_ms:
        return False
    return sessions.phase(now_ms) != "closed"


@cache
def load_sessions(calendar: str, shift_ms: int) -> Sessions:
    """Load a calendar's sessions, once a process: half a second."""
    from include.surveillance.sessions import Sessions

    return Sessions(calendar, shift_ms)


def _interval(start_ms: int, end_ms: int) -> DataInterval:
    return DataInterval(pendulum.from_timestamp(start_ms / 1_000), pendulum.from_timestamp(end_ms / 1_000))
