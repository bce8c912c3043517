"""Registers the timetables."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.timetables import AfterCloseTimetable, FollowerTimetable, MarketSessionTimetable


class MarketSessions(AirflowPlugin):
    name = "market_sessions"
    timetables = [MarketSessionTimetable, AfterCloseTimetable, FollowerTimetable]  # noqa: RUF012 - Airflow's own class wants a list
