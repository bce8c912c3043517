"""The watchdog's own settings: one environment variable each; what is not given is not watched, or tells nobody."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import ADDRESS, ROOT, Parser

WORKERS = ("worker-poll", "worker-detect", "worker-batch")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _secured(name: str, text: str) -> str:
    """An address of this machine may be one without TLS: nothing leaves it."""
    parts = _split(name, text)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        # Without its value: it may be a secret.
        raise ConfigurationError(f"{name} must begin with https://; write the whole address")
    return text


def _mail_server(name: str, text: str) -> str:
    if _split(name, text).scheme not in ("smtp", "smtps"):
        raise ConfigurationError(f"{name} must begin with smtp:// or smtps://, e.g. smtps://U:P@host:465")
    return text


def _split(name: str, text: str) -> Any:
    try:
        parts = urlsplit(text)
        known = parts.hostname and (parts.port or True)
    except ValueError:
        known = False
    if not known:
        raise ConfigurationError(f"{name} is not an address; write scheme, host and path")
    return parts


def _addresses(name: str, text: str) -> tuple[str, ...]:
    words = tuple(word for word in re.split(r"[,\s]+", text) if word)
    if not all(re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", word) for word in words):
        raise ConfigurationError(f"{name}={text} must be mail addresses with commas between them")
    return words


def _words(name: str, text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _number(low: float, high: float) -> Parser[float]:
    def parse(name: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ConfigurationError(f"{name}={text} must be a number") from None
        if not low <= number <= high:
            raise ConfigurationError(f"{name}={text} must lie between {low:g} and {high:g}")
        return number

    return Parser(parse, f"{low:g} to {high:g}")


HTTPS = Parser(_secured, "an https address")


def _setting(default: Any, parser: Parser[Any], sentence: str) -> Any:
    return field(default=default, metadata={"parser": parser, "sentence": sentence})


@dataclass(frozen=True)
class WatchdogSettings:
    """See ``from_env``; the field's name in capitals is the variable's."""

    deadman_url: str = _setting(
        "", HTTPS, "Pinged (GET) every minute while all is well; whoever is there tells people when pings stop."
    )
    watchdog_slack_url: str = _setting("", HTTPS, "An incoming webhook of Slack that is told when something is dead.")
    watchdog_webhook_url: str = _setting("", HTTPS, "An address that is sent the same as JSON.")
    watchdog_webhook_secret: str = _setting(
        "", Parser(lambda _, text: text, "any text"), "Signs what that address is sent."
    )
    watchdog_mail_server: str = _setting(
        "",
        Parser(_mail_server, "smtps://U:P@host:465, or smtp:// with STARTTLS"),
        "The server that sends the same as mail.",
    )
    watchdog_mail_from: str = _setting(
        "", Parser(lambda name, text: _addresses(name, text)[0], "a mail address"), "From whom that mail is."
    )
    watchdog_mail_to: tuple[str, ...] = _setting((), Parser(_addresses, "mail addresses"), "To whom that mail goes.")
    watchdog_feed_seconds: float = _setting(
        80.0, _number(30, 86_400), "How long after a poll that should have been made the feed counts as silent."
    )
    watchdog_disk_percent: float = _setting(5.0, _number(0.1, 90), "Less free space than that is told.")
    watchdog_memory_percent: float = _setting(5.0, _number(0.1, 90), "Less available memory than that is told.")
    watchdog_folders: tuple[str, ...] = _setting(
        (".",),
        Parser(lambda _, text: tuple(text.split(os.pathsep)), "folders with colons between them"),
        "Whose file systems must have space.",
    )
    watchdog_state: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / ".local" / "watchdog.json",
        Parser(lambda _, text: ROOT / text, "a path"),
        "Where the watchdog remembers what people have been told.",
    )
    watchdog_workers: tuple[str, ...] = _setting(
        WORKERS, Parser(_words, "names"), "The Celery workers that must answer; of each at least one."
    )
    watchdog_airflow: str = _setting("", ADDRESS, "The api-server's address, as the watchdog reaches it.")
    watchdog_warehouse: str = _setting("", ADDRESS, "The embedded warehouse's address; none with an account.")
    watchdog_restart: tuple[str, ...] = _setting(
        (),
        Parser(lambda _, text: tuple(shlex.split(text)), "a command"),
        "What starts a component of Airflow anew that stands still; its name is added.",
    )

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> WatchdogSettings:
        """Read the settings from the process environment; an empty variable counts as unset.

        Raises:
            ConfigurationError: a value is unusable, or one half of what belongs together is missing.
        """
        given = os.environ if environment is None else environment
        values = {}
        for setting in fields(cls):
            name = setting.name.upper()
            if text := given.get(name, "").strip():
                values[setting.name] = setting.metadata["parser"].parse(name, text)
        settings = cls(**values)
        mail = (settings.watchdog_mail_server, settings.watchdog_mail_from, settings.watchdog_mail_to)
        if any(mail) and not all(mail):
            raise ConfigurationError("WATCHDOG_MAIL_SERVER, _FROM and _TO belong together; set all three or none")
        return settings
