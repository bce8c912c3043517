"""What is expected of a day: by the calendar alone (expiry, index days, month end), and by what was scheduled."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.records import Alert, ScheduledEvent
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import NEW_YORK, to_ms

FRIDAY, QUARTER = 4, 3
_FARTHEST_DAYS = 14  # between two sessions, by far


@lru_cache(maxsize=4096)
def name_days(sessions: Sessions, session_date: str) -> tuple[str, ...]:
    """Name what a session is by the calendar; nothing on a calendar that is not a stock exchange's.

    - ``expiry``: the third Friday, or the session before it where that is a holiday;
    - ``index day``: the third Friday of a quarter's last month (S&P), the fourth of June (Russell);
    - ``month end`` and ``quarter end``: the last session of one.
    """
    if not sessions.extended or not session_date:
        return ()
    day = date.fromisoformat(session_date)
    (following, *_) = sessions.between(session_date, str(day + timedelta(days=14))) or (None,)
    if following is None:  # the calendar's last
        return ()
    later = date.fromisoformat(following.date)
    # A Friday that is a holiday counts on the session before it.
    nights = (later - day).days
    friday = next((it for it in (day + timedelta(days=n) for n in range(nights)) if it.weekday() == FRIDAY), None)
    names = []
    week = (friday.day - 1) // 7 + 1 if friday else 0
    if friday and week == 3:
        names.append("expiry")
    if friday and ((week == 3 and friday.month % QUARTER == 0) or (week == 4 and friday.month == 6)):
        names.append("index day")
    if later.month != day.month:
        names.append("quarter end" if day.month % QUARTER == 0 else "month end")
    return tuple(names)


def find_scheduled(alert: Alert, actions: CorporateActions, sessions: Sessions) -> tuple[str, ...]:
    """Cite what was scheduled for the time of an alert: events, e.g. ``results|ADBE|2009-09-15``, and dividends.

    An event of which the day alone is known explains that session and the next: results come before the open as often
    as after the close. One with a time explains what follows it, up to the end of the first session that closes after.
    """
    events = (it for it in actions.events_of(alert.symbol) if _explains(it, alert, sessions))
    cited = (f"{event.event}|{event.symbol}|{event.date}" for event in events)
    return (*cited, *actions.dividends_on(alert.symbol, alert.session_date))


def _explains(event: ScheduledEvent, alert: Alert, sessions: Sessions) -> bool:
    if not event.date <= alert.session_date <= str(date.fromisoformat(event.date) + timedelta(days=_FARTHEST_DAYS)):
        return False
    if event.time:
        moment_ms = to_ms(datetime.fromisoformat(f"{event.date}T{event.time}").replace(tzinfo=NEW_YORK))
        moment_ms += sessions.shift_ms
        today = sessions.on(event.date)
        last = today if today and today.close_ms > moment_ms else sessions.following(moment_ms)
        if last is None or alert.session_date > last.date:
            return False
        return alert.session_date == last.date if alert.timespan == "day" else alert.bar_close_ms > moment_ms
    return len(sessions.between(event.date, alert.session_date)) == 0
