"""The fields of a run's form: what each accepts, wherever a DAG asks for it, and how those about bars are read.

Whoever may fill in a form may not thereby do more than that: every text is held to a pattern, by Airflow before the
run is made and again before each of its tasks, and lists of symbols once more where they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import Param

from include.surveillance.errors import ConfigurationError
from include.surveillance.texts import LONGEST_SYMBOL, SYMBOL, is_symbol
from include.surveillance.timespans import NEW_YORK, POLLED, to_ms, to_utc

MOST_SYMBOLS = 20_000
LONGEST_MOMENT, LONGEST_ADDRESS, LONGEST_YAML = 40, 300, 20_000
_DATE, _TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
_MOMENT = f"({_DATE}(T{_TIME}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?)?"
_STEP = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FILES = f"|(s3://)?{_STEP}(/{_STEP})*/?"
# Lines of printable ASCII and Latin letters; what opens a template never stands in YAML that anybody needs.
_EMPTY_FROM = "Empty: the last two sessions before To, with their pre-market"
_EMPTY_TO = "The date itself is included. Empty: now"
_YAML = r"((?!\{[{%#])[\t\n\r\x20-\x7e\u00a1-\u00ac\u00ae-\u024f])*"
# What an empty From asks for: the newest session and the one before.
LATEST_SESSIONS = 2
PARAMETERS = "YAML as in include/surveillance/parameters.yaml"
MOMENT = "A date (that whole trading date in New York) or an instant such as 2026-01-31T14:30:00Z"


def bars_params(no_symbols: str) -> dict[str, Param]:
    """Make the fields From, To, Symbols and Timespan; ``no_symbols`` says whose bars an empty list means."""
    description = f"Empty: {no_symbols}"
    return {
        "from": Param(**_optional(_MOMENT, LONGEST_MOMENT), title="From", description=f"{MOMENT}. {_EMPTY_FROM}"),
        "to": Param(**_optional(_MOMENT, LONGEST_MOMENT), title="To", description=f"{MOMENT}. {_EMPTY_TO}"),
        "symbols": Param(
            [],
            type=["null", "array"],
            items=_text(SYMBOL.pattern, LONGEST_SYMBOL),
            maxItems=MOST_SYMBOLS,
            title="Symbols",
            description=description,
        ),
        "timespan": Param("minute", type="string", enum=list(POLLED), title="Timespan"),
    }


def files_param() -> Param:
    """Make a field for files of bars, one a day: a folder or an address of S3, no step of which leads up."""
    return Param(
        **_optional(_FILES, LONGEST_ADDRESS),
        title="Flat files",
        description="A folder below FLAT_FILES_FOLDER, or s3://bucket/prefix of connection flat_files, with a file a "
        "day. Empty: the vendor's API is asked",
    )


def yaml_param(title: str, description: str) -> Param:
    """Make a field for a text of YAML, several lines of it."""
    return Param(**_optional(_YAML, LONGEST_YAML), format="multiline", title=title, description=description)


def _optional(pattern: str, longest: int) -> dict[str, Any]:
    """Describe a text or none: Airflow's form sends null for a field that is empty, and starts nothing without one."""
    return {"default": None, **_text(pattern, longest), "type": ["null", "string"]}


def _text(pattern: str, longest: int) -> dict[str, Any]:
    """Describe a text of which the whole matches ``pattern``; ``$`` would let a line end follow."""
    return {"type": "string", "pattern": f"^({pattern})(?![\\s\\S])", "maxLength": longest}


def read_symbols(params: Mapping[str, Any]) -> list[str]:
    """Read the field Symbols: each once, in the order given; raises as ``check_symbols`` does."""
    return check_symbols(dict.fromkeys(params["symbols"] or ()))


def check_symbols(symbols: Iterable[str]) -> list[str]:
    """Return the symbols.

    Raises:
        ConfigurationError: one that cannot be a ticker.
    """
    checked = list(symbols)
    if wrong := [symbol for symbol in checked if not is_symbol(symbol)]:
        raise ConfigurationError(f"symbols holds {wrong[0][:80]!r}, which is no ticker; write e.g. AAPL or BRK.B")
    return checked


def read_range(params: Mapping[str, Any], now: datetime) -> tuple[int, int]:
    """Read the fields From and To as [start_ms, end_ms), UTC epoch milliseconds.

    A date means the whole trading date in New York, an ISO instant exactly itself. Today ends now, as does an empty To;
    an empty From begins with the pre-market of the last session but one before that end.

    Raises:
        ConfigurationError: not a date or instant, in the future, or To not after From.
    """
    first, last = params["from"], params["to"]
    start = _read_day_or_instant("from", first, now)[0] if first else None
    end = min(_read_day_or_instant("to", last, now)[1], now) if last else now
    start = start or _start_of_latest(end)
    if start >= end:
        raise ConfigurationError(f"from={first} is not before to={last}: nothing to backfill; exchange them")
    return to_ms(start), to_ms(end)


def _start_of_latest(end: datetime) -> datetime:
    # A form is read by every DAG file that has one; calendars are heavy.
    from include.surveillance.sessions import Sessions
    from include.surveillance.settings import Settings

    settings = Settings.from_env()
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    oldest, *_ = sessions.recent(LATEST_SESSIONS, to_ms(end))
    return to_utc(oldest.first_ms)


def _read_day_or_instant(name: str, text: str, now: datetime) -> tuple[datetime, datetime]:
    try:
        if len(text.strip()) == len("2026-01-31"):
            day = date.fromisoformat(text.strip())
            start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
            end = start + timedelta(days=1)
        else:
            start = datetime.fromisoformat(text.strip())
            start = end = start.replace(tzinfo=UTC) if start.tzinfo is None else start
    except ValueError as error:
        raise ConfigurationError(
            f"{name}={text!r} is neither a date such as 2026-01-31 nor an instant such as 2026-01-31T14:30:00Z"
        ) from error
    if start > now:
        raise ConfigurationError(
            f"{name}={text} lies in the future (now: {now:%Y-%m-%dT%H:%M:%SZ}); choose an earlier one"
        )
    return start, end
