"""Reads the platform's settings: one environment variable each, a default for every one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar, cast, get_args

from include.surveillance.errors import ConfigurationError
from include.surveillance.severities import SEVERITIES, Severity
from include.surveillance.timespans import MINUTE_MS, POLLED

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
# What Kafka takes in a name, and far below its limit of 249 characters.
KAFKA_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
HOURS = ("all", "regular")
CHANNELS = ("log", "slack", "webhook", "email")
# POLL_BY=auto: up to so many symbols each has a task; up to so many they are asked for in groups, beyond by snapshot.
PollBy = Literal["symbols", "groups", "market"]
BY_SYMBOLS, BY_GROUPS = 500, 2_000
MOST_PARTITIONS = 1_000


def automatic_poll_by(symbols: int) -> PollBy:
    """Decide what POLL_BY=auto means for a watchlist of so many symbols."""
    return "symbols" if symbols <= BY_SYMBOLS else "groups" if symbols <= BY_GROUPS else "market"


class Parser(NamedTuple, Generic[T]):
    """Reads a variable, given its name and text, or raises ConfigurationError; ``limits`` says what it accepts."""

    parse: Callable[[str, str], T]
    limits: str


CALENDAR = Parser(lambda name, text: text, "a name of exchange_calendars")
PATH = Parser(lambda name, text: ROOT / text, "a path; a relative one starts at the project's root")


def _one_of(*choices: str) -> Parser[str]:
    def parse(name: str, text: str) -> str:
        if text not in choices:
            raise ConfigurationError(f"{name}={text} must be one of {', '.join(choices)}")
        return text

    return Parser(parse, f"one of {', '.join(choices)}")


def _kafka_prefix(name: str, text: str) -> str:
    if not KAFKA_PREFIX.fullmatch(text):
        raise ConfigurationError(
            f"{name}={text!r} must be at most 63 letters, digits, dots, dashes and underscores, a letter or digit "
            "first; write e.g. staging."
        )
    return text


def _timespans(name: str, text: str) -> tuple[str, ...]:
    wanted = set(re.split(r"[,\s]+", text))
    if "minute" not in wanted or not wanted <= set(POLLED):
        raise ConfigurationError(f"{name}={text} must hold minute and may hold {', '.join(POLLED[1:])}")
    return tuple(timespan for timespan in POLLED if timespan in wanted)


def _channels(name: str, text: str) -> tuple[str, ...]:
    words = [word for word in re.split(r"[,\s]+", text) if word]
    for word in words:
        channel, colon, severity = word.partition(":")
        if channel not in CHANNELS or (colon and severity not in SEVERITIES):
            raise ConfigurationError(
                f"{name}={text} holds {word!r}: write channels of {', '.join(CHANNELS)}, each alone or with the lowest "
                f"severity that it is told of, one of {', '.join(SEVERITIES)}, e.g. slack:high,webhook"
            )
    if len({word.partition(":")[0] for word in words}) < len(words):
        raise ConfigurationError(f"{name}={text} names a channel twice; name each once")
    return tuple(words)


def _address(name: str, text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", text):
        # Without its value: it may hold a password.
        raise ConfigurationError(f"{name} must begin with http:// or https:// and name a host; write the whole address")
    return text.rstrip("/")


ADDRESS = Parser(_address, "an address")


def _whole_minutes(name: str, text: str) -> int:
    number = _whole_number(name, text)
    # Minutes stay on the minute when they are moved.
    if number % MINUTE_MS:
        raise ConfigurationError(f"{name}={text} must be a multiple of {MINUTE_MS}, a whole number of minutes")
    return number


def _between(low: int, high: int) -> Parser[int]:
    def parse(name: str, text: str) -> int:
        number = _whole_number(name, text)
        if not low <= number <= high:
            raise ConfigurationError(f"{name}={text} must lie between {low} and {high}")
        return number

    return Parser(parse, f"{low:,} to {high:,}")


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(f"{name}={text} must be a whole number") from None


def _setting(default: T, parser: Parser[T], sentence: str) -> T:
    """Make a field of ``Settings``; ``sentence`` is what the documentation says of it."""
    return field(default=default, metadata={"parser": parser, "sentence": sentence})


def _text(setting: str, environment: Mapping[str, str] | None = None) -> str:
    return (os.environ if environment is None else environment).get(setting.upper(), "").strip()


@dataclass(frozen=True)
class Settings:
    """See ``from_env``; the field's name in capitals is the variable's."""

    market_calendar: str = _setting("XNYS", CALENDAR, "The calendar of the market: its sessions, holidays, half-days.")
    market_shift_ms: int = _setting(
        0,
        Parser(_whole_minutes, f"a multiple of {MINUTE_MS}"),
        "How many milliseconds a replay moves recorded time; 0 for a live market.",
    )
    poll_calendar: str = _setting("XNYS", CALENDAR, "When to poll; the market's calendar unless set.")
    poll_hours: str = _setting(
        "all",
        _one_of(*HOURS),
        "When on a trading day to poll: all hours that the vendor has bars of, 04:00 to 20:00 in New York, or from the "
        "open to the close.",
    )
    kafka_partitions: int = _setting(
        4, _between(1, MOST_PARTITIONS), "Partitions with which topics are created; Kafka knows how many they have."
    )
    kafka_prefix: str = _setting(
        "",
        Parser(_kafka_prefix, "letters, digits, dots, dashes, underscores"),
        "What the names of all topics, groups and transactional ids begin with, e.g. staging. with its dot: "
        "platforms that share a cluster differ in it.",
    )
    poll_overlap_minutes: int = _setting(
        5, _between(0, 1_440), "How many minutes each poll asks for again, for late and corrected bars; 20 if delayed."
    )
    poll_delay_seconds: int = _setting(2, _between(0, 59), "How long after a minute's close its bars are asked for.")
    poll_lead_seconds: int = _setting(
        20, _between(0, 50), "How long before a minute's close its run begins, so that its tasks are waiting by then."
    )
    lane_limit_seconds: int = _setting(
        900, _between(30, 86_400), "How long a task of the fast lane may take before it is ended."
    )
    poll_by: str = _setting(
        "auto",
        _one_of("auto", *get_args(PollBy)),
        f"What one poll task asks for; auto: symbols up to {BY_SYMBOLS:,} of them, groups up to {BY_GROUPS:,}, "
        "else the market.",
    )
    poll_group_size: int = _setting(500, _between(2, 20_000), "Symbols of one poll task when polling by groups.")
    poll_timespans: tuple[str, ...] = _setting(
        POLLED,
        Parser(_timespans, f"minute, and any of {', '.join(POLLED[1:])}"),
        "The timespans of bars that are polled.",
    )
    polygon_calls_per_minute: int = _setting(
        0, _between(0, 1_000_000), "Calls that the vendor's plan allows all workers together; 0 for no limit."
    )
    polygon_calls_per_second: int = _setting(
        75,
        _between(0, 10_000),
        "Calls to the vendor that all workers together make in any second, a backfill's task at most a tenth of them; "
        "0 for no limit. The vendor's fair use is less than 100.",
    )
    polygon_client: str = _setting(
        "polygon",
        _one_of("polygon", "massive"),
        "The vendor's package that builds the requests; massive, its newer one, has to be installed.",
    )
    catchup_days: int = _setting(5, _between(0, 365), "How many days back a poll goes after an outage.")
    watchlist_file: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / "include" / "watchlist.txt", PATH, "The symbols to watch, unless Airflow Variable watchlist has any."
    )
    parameters_file: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / "include" / "surveillance" / "parameters.yaml", PATH, "The parameters that detection uses."
    )
    desk_policy_file: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / "include" / "surveillance" / "desk" / "policy.yaml",
        PATH,
        "What the desk asks of people: reasons for closing, second signatures, the longest silence.",
    )
    reports_folder: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / ".local" / "reports", PATH, "Where tasks write the reports that the page shows: one folder for both."
    )
    flat_files_folder: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / ".local" / "flat_files", PATH, "The folder below which a backfill may read files of bars."
    )
    detect_lifetime_seconds: int = _setting(600, _between(5, 86_400), "How long one detection sensor lives.")
    detect_linger_seconds: int = _setting(
        90,
        _between(0, 3_600),
        "How long a detection sensor stays on its worker after the last bar, before it waits in the triggerer.",
    )
    land_every_seconds: int = _setting(60, _between(5, 86_400), "How often records are landed in the warehouse.")
    land_by: str = _setting(
        "statements",
        _one_of("statements", "streaming"),
        "How records are landed; streaming: by Snowpipe Streaming, of an account, whose client has to be installed.",
    )
    run_days: int = _setting(7, _between(1, 36_500), "How long Airflow's runs, their tasks and logs are kept.")
    minutely_hours: int = _setting(
        6, _between(1, 876_000), "How long the tasks and logs of ingest_market_data and land_raw are kept."
    )
    report_days: int = _setting(90, _between(7, 36_500), "How long reports are kept.")
    alert_days: int = _setting(
        400, _between(90, 36_500), "How long alerts and batches of the page are kept after their last change."
    )
    raw_days: int = _setting(
        400, _between(40, 36_500), "How long bars, metrics and news are kept in RAW; profiles need 35 days."
    )
    raw_watermark_days: int = _setting(400, _between(1, 36_500), "How long watermarks are kept in RAW.")
    raw_reject_days: int = _setting(400, _between(1, 36_500), "How long rejects are kept in RAW.")
    raw_profile_days: int = _setting(
        400, _between(40, 36_500), "How long profiles that no alert cites are kept in RAW; the others are for ever."
    )
    audit_years: int = _setting(7, _between(5, 100), "How long the audit log is kept.")
    marts_every_minutes: int = _setting(15, _between(1, 1_440), "How long a build of the marts waits for more to land.")
    features: str = _setting(
        "0", _one_of("0", "1"), "1: features are served after each build of the marts; the local stack makes the store."
    )
    features_python: Path = _setting(  # noqa: RUF009 - a Path is immutable
        ROOT / ".local" / "feature-store" / "bin" / "python", PATH, "The Python of the feature store's virtualenv."
    )
    prometheus_url: str = _setting(
        "",
        ADDRESS,
        "The Prometheus that the page's screen *Monitoring* asks; the local stack and Docker name theirs.",
    )

    alert_channels: tuple[str, ...] = _setting(
        ("log",),
        Parser(_channels, f"any of {', '.join(CHANNELS)}, each with :low, :medium, :high or :critical or without"),
        "The channels that must exist and are notified of alerts, each from a severity on.",
    )
    alert_digest_minutes: int = _setting(
        30, _between(1, 10_080), "Alerts that have waited longer to be sent are told of in one digest."
    )
    alert_storm: int = _setting(
        60, _between(1, 100_000), "Alerts that a channel is told of one by one in a minute; further ones are a digest."
    )

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the process environment; an empty variable counts as unset.

        Raises:
            ConfigurationError: a value is unusable; the message names its variable and the limits.
        """
        values = {}
        for setting in fields(cls):
            if text := _text(setting.name, environment):
                values[setting.name] = setting.metadata["parser"].parse(setting.name.upper(), text)
        values.setdefault("poll_calendar", values.get("market_calendar", cls.poll_calendar))
        return cls(**values)

    @classmethod
    def kafka_name(cls, name: str) -> str:
        """Return the name on Kafka of one of the platform's topics, groups or transactional ids.

        Raises:
            ConfigurationError: KAFKA_PREFIX is unusable.
        """
        prefix = _text("kafka_prefix")
        return f"{_kafka_prefix('KAFKA_PREFIX', prefix)}{name}" if prefix else name

    def channels(self) -> dict[str, Severity]:
        """Map each channel of ``alert_channels`` to the lowest severity that it is told of."""
        pairs = (word.partition(":") for word in self.alert_channels)
        return {channel: cast("Severity", severity or SEVERITIES[0]) for channel, _, severity in pairs}
