"""Registers the timetables that follow the market."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.timetables import AfterCloseTimetable, MarketSessionTimetable


class MarketSessions(AirflowPlugin):
    name = "market_sessions"
    timetables = [MarketSessionTimetable, AfterCloseTimetable]  # noqa: RUF012 - Airflow's own class wants a list
