"""Registers the timetables that follow the market."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.after_close import AfterCloseTimetable
from include.orchestration.timetables import MarketSessionTimetable


class MarketSessions(AirflowPlugin):
    name = "market_sessions"
    timetables = (MarketSessionTimetable, AfterCloseTimetable)
