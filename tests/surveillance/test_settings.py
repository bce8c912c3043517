from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from docs.generate.settings import descriptions
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from tests.paths import ROOT


def test_every_setting_has_a_default():
    assert Settings.from_env({}) == Settings()


def test_every_setting_comes_from_the_variable_of_its_name():
    given = {
        "MARKET_CALENDAR": "XLON",
        "MARKET_SHIFT_MS": "-120000",
        "POLL_CALENDAR": "24/7",
        "POLL_HOURS": "regular",
        "KAFKA_PARTITIONS": "7",
        "KAFKA_PREFIX": "staging.",
        "POLL_OVERLAP_MINUTES": "20",
        "POLL_DELAY_SECONDS": "3",
        "POLL_LEAD_SECONDS": "25",
        "POLL_BY": "groups",
        "POLL_GROUP_SIZE": "250",
        "POLL_TIMESPANS": "day, minute",
        "POLYGON_CLIENT": "massive",
        "POLYGON_CALLS_PER_MINUTE": "5",
        "POLYGON_CALLS_PER_SECOND": "50",
        "CATCHUP_DAYS": "2",
        "WATCHLIST_FILE": "/tmp/list.txt",
        "PARAMETERS_FILE": "/tmp/parameters.yaml",
        "DESK_POLICY_FILE": "/tmp/policy.yaml",
        "REPORTS_FOLDER": "/tmp/reports",
        "FLAT_FILES_FOLDER": "/tmp/flat_files",
        "DETECT_LIFETIME_SECONDS": "60",
        "DETECT_LINGER_SECONDS": "5",
        "LAND_EVERY_SECONDS": "30",
        "LAND_BY": "streaming",
        "MARTS_EVERY_MINUTES": "5",
        "FEATURES": "1",
        "FEATURES_PYTHON": "/opt/features/bin/python",
        "RUN_DAYS": "3",
        "MINUTELY_HOURS": "12",
        "REPORT_DAYS": "30",
        "ALERT_DAYS": "2000",
        "RAW_DAYS": "36500",
        "RAW_WATERMARK_DAYS": "30",
        "RAW_REJECT_DAYS": "30",
        "RAW_PROFILE_DAYS": "90",
        "AUDIT_YEARS": "10",
        "ALERT_CHANNELS": "slack:high, webhook",
        "ALERT_DIGEST_MINUTES": "15",
        "ALERT_STORM": "20",
        "LANE_LIMIT_SECONDS": "300",
        "PROMETHEUS_URL": "https://metrics.example/prometheus",
    }
    settings = Settings.from_env(given)
    variables = as_variables(settings)
    assert variables == given | {
        "POLL_TIMESPANS": "('minute', 'day')",
        "ALERT_CHANNELS": "('slack:high', 'webhook')",
    }
    assert not variables.items() & as_variables(Settings()).items()


def test_the_example_shows_the_defaults():
    given = dict(re.findall(r"^# ([A-Z]+_[A-Z_]+)=(.*)$", (ROOT / "airflow.env.example").read_text(), re.MULTILINE))
    ours = {name: value for name, value in given.items() if not name.startswith("AIRFLOW")}
    assert "POLL_LEAD_SECONDS" in ours
    paths = {"PARAMETERS_FILE": str(ROOT / ours["PARAMETERS_FILE"])}
    assert Settings.from_env(ours | paths) == Settings()
    assert ours.keys() <= as_variables(Settings()).keys()


def test_channels_have_the_lowest_severity_that_they_are_told_of():
    assert Settings.from_env({}).channels() == {"log": "low"}
    assert Settings.from_env({"ALERT_CHANNELS": "slack:high webhook"}).channels() == {"slack": "high", "webhook": "low"}


@pytest.mark.parametrize("text", ["slak", "slack:", "slack:urgent", "slack,slack:high", ":high", "slack high"])
def test_a_channel_that_does_not_exist_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"ALERT_CHANNELS=.*(write channels of|names a channel twice)"):
        Settings.from_env({"ALERT_CHANNELS": text})


def as_variables(settings):
    return {field.name.upper(): str(getattr(settings, field.name)) for field in fields(Settings)}


def test_polling_follows_the_market_unless_told_otherwise():
    assert Settings.from_env({"MARKET_CALENDAR": "24/7"}).poll_calendar == "24/7"


def test_an_empty_variable_counts_as_unset():
    assert Settings.from_env({"KAFKA_PARTITIONS": " "}).kafka_partitions == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_PARTITIONS", "four"),
        ("KAFKA_PARTITIONS", "0"),
        ("POLL_DELAY_SECONDS", "60"),
        ("POLL_OVERLAP_MINUTES", "-1"),
        ("MARKET_SHIFT_MS", "61000"),
        ("LAND_EVERY_SECONDS", "1.5"),
        ("CATCHUP_DAYS", "366"),
        ("POLL_BY", "symbol"),
        ("POLL_GROUP_SIZE", "1"),
        ("POLL_TIMESPANS", "5minute,day"),
        ("POLL_TIMESPANS", "minute,week"),
        ("AUDIT_YEARS", "4"),
        ("ALERT_DAYS", "89"),
        ("RAW_DAYS", "0"),
        ("RUN_DAYS", "0.01"),
    ],
)
def test_an_unusable_value_names_its_variable(name, value):
    with pytest.raises(ConfigurationError, match=f"{name}={value} must"):
        Settings.from_env({name: value})


@pytest.mark.parametrize("value", ["ftp://user@host", "host:9090", "http:///path", "http:// host"])
def test_an_address_that_is_none_is_refused_without_its_value(value):
    with pytest.raises(ConfigurationError, match="PROMETHEUS_URL must begin with http") as error:
        Settings.from_env({"PROMETHEUS_URL": value})
    assert value not in str(error.value)


def test_the_process_environment_is_read(monkeypatch):
    monkeypatch.setenv("KAFKA_PARTITIONS", "9")
    assert Settings.from_env().kafka_partitions == 9


def test_a_relative_watchlist_file_lies_in_the_project():
    assert Settings.from_env({"WATCHLIST_FILE": "mine.txt"}).watchlist_file == ROOT / "mine.txt"
    assert (ROOT / "include" / "surveillance").is_dir()
    assert isinstance(ROOT, Path)


def test_each_setting_is_described_and_its_default_is_written_as_the_variable_has_it():
    described = descriptions()
    assert [it.name.lower() for it in described] == [field.name for field in fields(Settings)]
    assert Settings.from_env({it.name: it.default for it in described}) == Settings()
    assert all(it.limits and it.sentence.endswith(".") for it in described)


@pytest.mark.parametrize("description", descriptions(), ids=lambda it: it.name)
def test_the_described_limits_are_the_ones_that_hold(description):
    if not (limits := re.fullmatch(r"([\d,]+) to ([\d,]+)", description.limits)):
        return
    low, high = (int(limit.replace(",", "")) for limit in limits.groups())
    for usable in (low, high):
        assert getattr(Settings.from_env({description.name: str(usable)}), description.name.lower()) == usable
    for beyond in (low - 1, high + 1):
        with pytest.raises(ConfigurationError, match=f"{description.name}={beyond} must lie between {low} and {high}"):
            Settings.from_env({description.name: str(beyond)})
