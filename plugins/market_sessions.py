"""Registers the timetables that follow the market."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.timetables import AfterCloseTimetable, MarketSessionTimetable


class MarketSessions(AirflowPlugin):
    name = "market_sessions"
    timetables = (MarketSessionTimetable, AfterCloseTimetable)
