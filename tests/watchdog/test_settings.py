"""What the watchdog is told by its environment."""

import pytest

from include.surveillance.errors import ConfigurationError
from include.watchdog.settings import WORKERS, WatchdogSettings
from tests.paths import ROOT
from tests.project.files import dotenv


def test_nothing_set_tells_nobody_and_watches_what_can_be_seen():
    settings = WatchdogSettings.from_env({"DEADMAN_URL": "", "WATCHDOG_MAIL_TO": " "})
    assert settings == WatchdogSettings()
    assert settings.watchdog_workers == WORKERS
    assert not settings.deadman_url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEADMAN_URL", "http://example.com/ping"),
        ("DEADMAN_URL", "example.com/ping"),
        ("DEADMAN_URL", "https://"),
        ("DEADMAN_URL", "https://[::1/ping"),
        ("DEADMAN_URL", "file:///etc/passwd"),
        ("WATCHDOG_SLACK_URL", "http://hooks.example.com/x"),
        ("WATCHDOG_WEBHOOK_URL", "https://host:port/x"),
        ("WATCHDOG_MAIL_SERVER", "smtp.example.com"),
        ("WATCHDOG_MAIL_TO", "somebody"),
        ("WATCHDOG_MAIL_TO", "a@example.com\nBcc: b@example.com"),
        ("WATCHDOG_DISK_PERCENT", "nan"),
        ("WATCHDOG_DISK_PERCENT", "0"),
        ("WATCHDOG_MEMORY_PERCENT", "much"),
        ("WATCHDOG_FEED_SECONDS", "1"),
        ("WATCHDOG_AIRFLOW", "api-server:8080"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(name, value):
    with pytest.raises(ConfigurationError, match=name):
        WatchdogSettings.from_env({name: value})


def test_an_address_that_is_refused_is_not_shown():
    with pytest.raises(ConfigurationError) as raised:
        WatchdogSettings.from_env({"WATCHDOG_SLACK_URL": "http://hooks.example.com/T0/B0/KEY"})
    assert "KEY" not in str(raised.value)


def test_this_machine_needs_no_tls():
    url = "http://127.0.0.1:8000/ping"
    assert WatchdogSettings.from_env({"DEADMAN_URL": url}).deadman_url == url


def test_half_a_mail_is_refused():
    with pytest.raises(ConfigurationError, match="belong together"):
        WatchdogSettings.from_env({"WATCHDOG_MAIL_TO": "a@example.com"})


def test_the_example_holds_what_can_be_used():
    lines = (ROOT / "watchdog.env.example").read_text().splitlines()
    named = [line.removeprefix("# ") for line in lines if line.startswith("# ") and "=" in line.split(" ")[1]]
    given = dict(line.split("=", 1) for line in named)
    settings = WatchdogSettings.from_env(given)
    assert settings.deadman_url == given["DEADMAN_URL"]
    assert settings.watchdog_mail_to == (given["WATCHDOG_MAIL_TO"],)
    defaults = WatchdogSettings()
    for name in ("watchdog_feed_seconds", "watchdog_disk_percent", "watchdog_memory_percent"):
        assert getattr(settings, name) == getattr(defaults, name)
    assert dotenv(ROOT / "watchdog.env.example") == {}
