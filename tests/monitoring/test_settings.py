"""The exporter's environment: what is missing is not looked at, what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from include.monitoring.__main__ import DEFAULT_BUDGET, make_looks, read_budget
from include.monitoring.catalogue import Catalogue
from include.monitoring.hours import list_hours
from include.monitoring.settings import ExporterSettings
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Budget
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.timespans import DAY_MS, HOUR_MS

WEDNESDAY_NOON_MS = 1_772_643_600_000  # 2026-03-04, 12:00 in New York


def test_what_is_not_given_is_not_looked_at():
    looks = make_looks(ExporterSettings.from_env({}), Catalogue(CollectorRegistry()))
    assert [look.part for look in looks] == ["calendar"]


def test_what_is_given_is():
    given = {
        "EXPORTER_AIRFLOW": "http://127.0.0.1:1/",
        "EXPORTER_WAREHOUSE": "https://127.0.0.1:2",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:3/execution/",
        "AIRFLOW_CONN_SURVEILLANCE_READER": '{"host": "127.0.0.1"}',
        "AIRFLOW_CONN_KAFKA_DEFAULT": '{"extra": {"bootstrap.servers": "127.0.0.1:4"}}',
    }
    settings = ExporterSettings.from_env(given)
    assert dict(settings.servers) == {
        "api-server": "http://127.0.0.1:1/api/v2/monitor/health",
        "execution-api": "http://127.0.0.1:3/execution/health",
        "warehouse": "https://127.0.0.1:2/health",
    }
    looks = make_looks(settings, Catalogue(CollectorRegistry()))
    assert [look.part for look in looks] == [
        *("calendar", "api-server", "execution-api", "warehouse", "database", "log", "detector", "notifier", "landing"),
    ]


@pytest.mark.parametrize("given", [{"EXPORTER_PORT": "x"}, {"EXPORTER_PORT": "0"}, {"EXPORTER_AIRFLOW": "localhost:1"}])
def test_what_is_wrong_is_said(given):
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        ExporterSettings.from_env(given)


def test_the_budget_is_that_of_the_parameters(tmp_path):
    assert Budget().alerts_per_symbol_session == DEFAULT_BUDGET
    shipped = Settings.from_env({}).parameters_file
    assert read_budget(shipped) == ParameterBook.load(shipped).base.budget.alerts_per_symbol_session
    own = Path(tmp_path / "own.yaml")
    own.write_text("base: {budget: {alerts_per_symbol_session: 0.5}}\n")
    assert read_budget(own) == ParameterBook.load(own).base.budget.alerts_per_symbol_session == 0.5


def test_polls_are_due_in_the_session_and_always_where_the_market_never_closes(monkeypatch):
    monkeypatch.setenv("POLL_CALENDAR", "24/7")
    assert len(list_hours(WEDNESDAY_NOON_MS)) == 1
    monkeypatch.setenv("POLL_CALENDAR", "XNYS")
    hours = list_hours(WEDNESDAY_NOON_MS)
    (today,) = [(opens, closes) for opens, closes in hours if opens <= WEDNESDAY_NOON_MS < closes]
    assert today[1] - today[0] == 6.5 * HOUR_MS
    assert all(closes - opens < DAY_MS for opens, closes in hours)
