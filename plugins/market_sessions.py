"""Registers the market-session timetable."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.timetables import MarketSessionTimetable


class MarketSessions(AirflowPlugin):
    name = "market_sessions"
    timetables = (MarketSessionTimetable,)
