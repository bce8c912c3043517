"""Settings of the platform: one environment variable each, a default for every one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.surveillance.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
# Tickers as the vendor writes them: classes, units and preferred shares have dots and small letters.
SYMBOL = re.compile(r"[A-Z][A-Za-z0-9]{0,9}([.\-][A-Za-z0-9]{1,4})?")
# POLL_BY=auto: up to so many symbols each has a task; up to so many they are asked for in groups, beyond by snapshot.
BY_SYMBOLS, BY_GROUPS = 500, 2_000


def automatic_poll_by(symbols: int) -> str:
    """What POLL_BY=auto means for a watchlist of so many symbols."""
    return "symbols" if symbols <= BY_SYMBOLS else "groups" if symbols <= BY_GROUPS else "market"


@dataclass(frozen=True)
class Settings:
    """See ``from_env``; the field's name in capitals is the variable's."""

    market_calendar: str = "XNYS"  # a name of exchange_calendars
    market_shift_ms: int = 0  # how far a replay moves recorded time; 0 for a live market
    poll_calendar: str = "XNYS"  # when to poll; the market's calendar unless set
    kafka_partitions: int = 4
    poll_overlap_minutes: int = 5  # asked again by each poll, for late and corrected bars; 20 on a delayed plan
    poll_delay_seconds: int = 2  # after a minute's close, before asking for it
    poll_lead_seconds: int = 20  # a minute's run begins so long before its close, that its tasks are waiting by then
    poll_by: str = (
        "auto"  # symbols, groups or market: what one poll task asks for; auto decides by the watchlist's size
    )
    poll_group_size: int = 500  # symbols of one task when polling by groups
    poll_timespans: tuple[str, ...] = ("minute", "5minute", "hour", "day")
    polygon_calls_per_minute: int = 0  # of the vendor's plan, for all workers together; 0 for no limit
    catchup_days: int = 5  # how far back a poll goes after an outage
    watchlist_file: Path = ROOT / "include" / "watchlist.txt"
    parameters_file: Path = ROOT / "include" / "surveillance" / "parameters.yaml"
    reports_folder: Path = ROOT / ".local" / "reports"  # the page shows what tasks write: one folder for both
    detect_lifetime_seconds: int = 600  # how long one detection sensor lives
    detect_linger_seconds: int = (
        90  # how long it stays on its worker after the last bar, before it waits in the triggerer
    )
    land_every_seconds: int = 60
    marts_every_minutes: int = 15

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from the process environment; an empty variable counts as unset.

        Raises:
            ConfigurationError: a value is unusable; the message names its variable and the limits.
        """
        env = os.environ if environment is None else environment

        def setting(name: str, parse: Callable[[str, str], object]) -> dict[str, object]:
            text = env.get(name, "").strip()
            return {name.lower(): parse(name, text)} if text else {}

        calendar = setting("MARKET_CALENDAR", _text)
        return cls(
            **calendar,
            **{"poll_calendar": calendar.get("market_calendar", cls.poll_calendar)} | setting("POLL_CALENDAR", _text),
            **setting("MARKET_SHIFT_MS", _milliseconds),
            **setting("KAFKA_PARTITIONS", _between(1, 1_000)),
            **setting("POLL_OVERLAP_MINUTES", _between(0, 24 * 60)),
            **setting("POLL_DELAY_SECONDS", _between(0, 59)),
            **setting("POLL_LEAD_SECONDS", _between(0, 50)),
            **setting("POLL_BY", _one_of("auto", "symbols", "groups", "market")),
            **setting("POLL_GROUP_SIZE", _between(2, 20_000)),
            **setting("POLL_TIMESPANS", _timespans),
            **setting("POLYGON_CALLS_PER_MINUTE", _between(0, 1_000_000)),
            **setting("CATCHUP_DAYS", _between(0, 365)),
            **setting("WATCHLIST_FILE", _path),
            **setting("PARAMETERS_FILE", _path),
            **setting("REPORTS_FOLDER", _path),
            **setting("DETECT_LIFETIME_SECONDS", _between(5, 86_400)),
            **setting("DETECT_LINGER_SECONDS", _between(0, 3_600)),
            **setting("LAND_EVERY_SECONDS", _between(5, 86_400)),
            **setting("MARTS_EVERY_MINUTES", _between(1, 24 * 60)),
        )

    def watchlist(self, symbols: str | None = None) -> list[str]:
        """The symbols to watch, sorted: those given (separated by commas or spaces), else the file's.

        Raises:
            ConfigurationError: no symbol at all, a word that cannot be a ticker, or an unreadable file.
        """
        source = "the Airflow Variable watchlist"
        if not (symbols and symbols.strip()):
            source = f"WATCHLIST_FILE={self.watchlist_file}"
            try:
                symbols = self.watchlist_file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{source} cannot be read: {error}") from error
        lines = (line.partition("#")[0] for line in symbols.splitlines())
        words = {word for line in lines for word in re.split(r"[,\s]+", line) if word}
        if wrong := sorted(word for word in words if not SYMBOL.fullmatch(word)):
            raise ConfigurationError(f"{source} holds {', '.join(wrong)}: not a ticker; write e.g. AAPL or BRK.B")
        if not words:
            raise ConfigurationError(f"{source} holds no symbol; write at least one ticker, e.g. AAPL")
        return sorted(words)


def _text(name: str, text: str) -> str:
    return text


def _path(name: str, text: str) -> Path:
    return ROOT / text


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def parse(name: str, text: str) -> str:
        if text not in choices:
            raise ConfigurationError(f"{name}={text} must be one of {', '.join(choices)}")
        return text

    return parse


def _timespans(name: str, text: str) -> tuple[str, ...]:
    known = Settings.poll_timespans
    wanted = set(re.split(r"[,\s]+", text))
    if "minute" not in wanted or not wanted <= set(known):
        raise ConfigurationError(f"{name}={text} must hold minute and may hold {', '.join(known[1:])}")
    return tuple(timespan for timespan in known if timespan in wanted)


def _milliseconds(name: str, text: str) -> int:
    number = _whole_number(name, text)
    # Minutes stay on the minute when they are moved.
    if number % 60_000:
        raise ConfigurationError(f"{name}={text} must be a multiple of 60000, a whole number of minutes")
    return number


def _between(low: int, high: int) -> Callable[[str, str], int]:
    def parse(name: str, text: str) -> int:
        number = _whole_number(name, text)
        if not low <= number <= high:
            raise ConfigurationError(f"{name}={text} must lie between {low} and {high}")
        return number

    return parse


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(f"{name}={text} must be a whole number") from None
