"""Reports of what was raised and what people did with it: the domain's, of what the application's database has."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from include.orchestration.application import reports as stored
from include.orchestration.timetables import load_sessions
from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.daily_report import DailyReport, Window, hash_report, make_daily_report
from include.surveillance.desk.facts import Facts, Verdicts
from include.surveillance.desk.indicators import Age, Indicators, count_ages, make_indicators
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.proposals import Proposal, propose_limits
from include.surveillance.errors import ActRefusedError, ConflictError, UnknownObjectError
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.timespans import to_ms, to_utc

LISTED_SESSIONS = 40


def list_sessions(now: datetime) -> list[dict[str, Any]]:
    """List the newest sessions, with their alerts and who has signed their report last."""
    sessions = _sessions()
    newest = sessions.on(name_session(now))
    listed = sessions.recent(LISTED_SESSIONS, newest.open_ms) if newest else []
    return stored.count_sessions([session.date for session in listed])


def name_session(now: datetime) -> str:
    """Name the session that a time belongs to; of a replay it is the one that was recorded."""
    return _sessions().session_date(to_ms(now))


def read_daily_report(session: str, now: datetime) -> tuple[DailyReport, tuple[Age, ...]]:
    """Make the report of a session as it is now; beside it, how old is what is not closed.

    Raises:
        UnknownObjectError: the market has or had no session on that date.
    """
    window, facts = _find_window(session), _select_facts(session, session)
    report = make_daily_report(
        session,
        window,
        facts,
        _read_verdicts(),
        silences=stored.list_overlapping(window.begins_at, window.until),
        acts=stored.count_acts(window.begins_at, window.until),
        polls=stored.select_polls(*window.polled),
        versions_before=stored.list_versions_before(session),
    )
    return report, count_ages((one for one in facts if not one.is_folded), now)


def count_airflow_acts(session: str) -> dict[str, Any]:
    """Count what people did in Airflow from a session's first bar to the next one's, as far as it was copied."""
    window = _find_window(session)
    return stored.count_airflow_acts(window.begins_at, window.until)


def sign_daily_report(actor: str, session: str, sha256: str, now: datetime) -> datetime:
    """Sign the report of a session that is over; return when.

    Args:
        sha256: of the report that the actor has seen, in hex digits.

    Raises:
        ConflictError: it is another one by now.
        ActRefusedError: the session is not over, or this very report is signed.
    """
    if now < _find_window(session).ends_at:
        raise ActRefusedError(f"session {session} is not over: sign its report when it is")
    report, _ = read_daily_report(session, now)
    current, content = hash_report(report)
    if current != sha256:
        raise ConflictError(f"the report of {session} has changed: read it again", stored.KIND, {session: current})
    return stored.sign_report(actor, session, sha256, content.decode())


def read_indicators(first: str, last: str, kind: Kind, now: datetime) -> Indicators:
    """Make the indicators of the sessions from one date to another, both included."""
    return make_indicators(first, last, kind, _select_facts(first, last), _read_verdicts(), now)


def read_proposals(first: str, last: str) -> tuple[Proposal, ...]:
    """Propose stricter limits from what people decided on alerts of the sessions from one date to another."""
    return propose_limits(_select_facts(first, last), _read_verdicts())


def _select_facts(first: str, last: str) -> list[Facts]:
    """Select the facts of sessions. What is of no session is counted in the one in whose time it was."""
    sessions, day = _sessions(), timedelta(days=1)
    between = (date.fromisoformat(first) - day).isoformat(), (date.fromisoformat(last) + day).isoformat()
    asked = [_find_window(session.date) for session in sessions.between(*between)]
    if not asked:
        return []
    facts = stored.select_facts(first, last, asked[0].begins_at, asked[-1].until)
    return [one if one.session else one._replace(session=sessions.session_date(to_ms(one.bar_at))) for one in facts]


def _find_window(date: str) -> Window:
    sessions, settings = _sessions(), Settings.from_env()
    session = sessions.on(date)
    if session is None:
        raise UnknownObjectError(f"the market has no session on {date}")
    following = sessions.following(session.open_ms)
    until_ms = following.first_ms if following else session.end_ms
    whole = settings.poll_hours == "all"
    polled = (session.first_ms, session.end_ms) if whole else (session.open_ms, session.close_ms)
    return Window(
        to_utc(session.first_ms), to_utc(session.end_ms), to_utc(until_ms), (to_utc(polled[0]), to_utc(polled[1]))
    )


def _sessions() -> Sessions:
    settings = Settings.from_env()
    return load_sessions(settings.market_calendar, settings.market_shift_ms)


def _read_verdicts() -> Verdicts:
    policy = Policy.load(Settings.from_env().desk_policy_file)
    return {reason.code: reason.disposition for reason in policy.reasons}
