"""Parses columns of times, of whatever type, unit or notation, as UTC epoch milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.cells import decode_strings
from include.surveillance.timespans import NEW_YORK
from include.surveillance.validity import UNITS_PER_MS, is_timely

PER_MS = {"milliseconds": 1.0, **UNITS_PER_MS}
_ARROW_PER_MS = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}
# 20240102, with a time of day behind it as 093000, 0930 or 09:30:00, and a zone by its name or letter.
_COMPACT = re.compile(
    r"""(?P<date>\d{8})
    (?:[ T\-]+(?P<hour>\d{1,2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2}))?
    (?:[ ]?(?P<zone>[A-Za-z]+(?:[/_+\-][A-Za-z0-9_]+)*))?)?""",
    re.VERBOSE,
)
# 1/31/2024, with a time of day behind it as 9:30, 09:30:00 or 4:00 PM.
_SLASHED = re.compile(
    r"""(?P<one>\d{1,2})/(?P<two>\d{1,2})/(?P<year>\d{4})
    (?:[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?:[ ]?(?P<half>[AaPp])[Mm])?)?""",
    re.VERBOSE,
)
SlashedDates = Literal["month-first", "day-first"]
SLASHED_DATES: tuple[SlashedDates, ...] = get_args(SlashedDates)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


FIRST_DATE, LAST_DATE = 19_000_101, 21_001_231
"""Dates that are written as one number."""


class Times(NamedTuple):
    """The times of some rows.

    Attributes:
        ts_ms: float64, UTC epoch milliseconds; NaN where the cell is no time.
        unit: that numbers are read in, a key of ``PER_MS``; empty when there is no number.
        naive: whether some have a time of day without an offset, and are read in the zone.
        dates: whether some are dates alone, each read as its midnight in New York.
        slashed: how dates with slashes are read; None when there is none.
        undecided: one of them, when nobody says which part is the month and they do not say it themselves; else empty.
    """

    ts_ms: np.ndarray
    unit: str
    naive: bool
    dates: bool
    slashed: SlashedDates | None = None
    undecided: str = ""


def read_zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ConfigurationError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"--tz {name} is no time zone; write e.g. America/New_York or UTC") from error


def parse_times(column: pa.Array, zone: ZoneInfo, unit: str = "", slashed: SlashedDates | None = None) -> Times:
    """Parse times: numbers of any unit, Arrow's dates and timestamps, and texts in ISO 8601, like 20240102 093000 or
    with slashes.

    Args:
        zone: of times without an offset.
        unit: of numbers; empty: the one that most of them can only be of.
        slashed: which part of a date with slashes comes first; None: where one of them is over 12, they all say so.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        ts_ms = _to_ms(numbers, _ARROW_PER_MS[kind.unit], _empty(column))
        return Times(ts_ms if kind.tz else _localise(ts_ms, zone), "", not kind.tz, False)
    if pa.types.is_date(kind):
        distinct = column.cast(pa.date32()).dictionary_encode()
        ts_ms = np.array([_midnight(day) for day in distinct.dictionary.to_pylist()], dtype=float)
        return Times(_spread(ts_ms, distinct), "", False, True)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        whole = pa.types.is_integer(kind) and kind != pa.uint64()
        # Arrow has no integer that says "none".
        numbers = pc.fill_null(column.cast(pa.int64() if whole else pa.float64()), 0).to_numpy(zero_copy_only=False)
        ts_ms, unit, dates = _parse_numbers(numbers, _empty(column), unit)
        return Times(ts_ms, unit, False, dates)
    strings, wrong = decode_strings(column.cast(pa.string()) if pa.types.is_decimal(kind) else column)
    if strings is None:
        return Times(np.full(len(column), np.nan), unit, False, False)
    parsed = _parse_texts(pc.utf8_trim_whitespace(strings).dictionary_encode(), zone, unit, slashed)
    parsed.ts_ms[wrong] = np.nan
    return parsed


def find_unit(numbers: np.ndarray) -> str:
    """Return the unit that most of these times can only be of; milliseconds when none is of any."""
    with np.errstate(invalid="ignore"):
        counts = {unit: np.count_nonzero(is_timely(numbers / per_ms)) for unit, per_ms in PER_MS.items()}
    return max(counts, key=counts.__getitem__)


def _parse_numbers(numbers: np.ndarray, empty: np.ndarray, unit: str) -> tuple[np.ndarray, str, bool]:
    """Return epoch ms, the unit, and whether some are dates such as 20240102, which are in reach of no unit."""
    written = (numbers >= FIRST_DATE) & (numbers <= LAST_DATE) & ~empty
    unit = unit or find_unit(numbers[~written & ~empty])
    ts_ms = _to_ms(numbers, PER_MS[unit], empty)
    for number in np.unique(numbers[written]).tolist():
        day = _read_date(str(int(number)))
        ts_ms[numbers == number] = np.nan if day is None or number != int(number) else _midnight(day)
    return ts_ms, unit, bool(written.any())


def _to_ms(numbers: np.ndarray, per_ms: float, empty: np.ndarray) -> np.ndarray:
    """Convert exactly; what is no whole number of milliseconds keeps a fraction."""
    if per_ms > 1 and numbers.dtype.kind == "i":
        whole, part = np.divmod(numbers, np.int64(per_ms))
        ts_ms = whole + part / per_ms
    else:
        ts_ms = numbers / per_ms
    return np.where(empty, np.nan, ts_ms)


def _parse_texts(texts: pa.DictionaryArray, zone: ZoneInfo, unit: str, slashed: SlashedDates | None) -> Times:
    """Parse each distinct text once: a file of the whole market has few."""
    distinct = texts.dictionary.to_pylist()
    with_slashes = [match for text in distinct if (match := _SLASHED.fullmatch(text))]
    order = slashed or _find_order(with_slashes)
    ts_ms = np.full(len(distinct), np.nan)
    number = np.zeros(len(distinct), dtype=bool)
    naive = dates = False
    values: list[int | float] = []
    for at, text in enumerate(distinct):
        compact = _COMPACT.fullmatch(text)
        # Seconds of the early seventies have eight digits, too.
        dated = compact and (compact["hour"] or FIRST_DATE <= int(compact["date"]) <= LAST_DATE)
        if not dated and _NUMBER.fullmatch(text):
            number[at] = True
            values.append(int(text) if text.lstrip("+-").isdigit() and len(text) < 19 else float(text))
            continue
        moment = _read_compact(compact) if compact else _read_slashed(text, order) or _read_iso(text)
        if isinstance(moment, datetime):
            naive |= moment.tzinfo is None
            ts_ms[at] = _epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        elif moment is not None:
            dates = True
            ts_ms[at] = _midnight(moment)
    if values:
        whole = all(type(value) is int for value in values)
        numbers = np.array(values, dtype=np.int64 if whole else float)
        unit = unit or find_unit(numbers)
        ts_ms[number] = _to_ms(numbers, PER_MS[unit], np.zeros(len(numbers), dtype=bool))
    undecided = with_slashes[0][0] if with_slashes and not order else ""
    read = order if with_slashes else None
    return Times(_spread(ts_ms, texts), unit if values else "", naive, dates, read, undecided)


def _find_order(dates: list[re.Match[str]]) -> SlashedDates | None:
    """Return which part comes first, as dates say it of which one part cannot be a month; None where none does, or
    some say this and some that."""
    first, second = (any(int(it[part]) > 12 for it in dates) for part in ("one", "two"))
    return None if first == second else "day-first" if first else "month-first"


def _read_slashed(text: str, order: SlashedDates | None) -> datetime | date | None:
    match = _SLASHED.fullmatch(text) if order else None
    if match is None:
        return None
    month, day = (match[part] for part in (("one", "two") if order == "month-first" else ("two", "one")))
    half = (match["half"] or "").lower()
    try:
        read = date(int(match["year"]), int(month), int(day))
        if match["hour"] is None:
            return read
        hour = int(match["hour"])
        if half and not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half == "p") if half else hour
        return datetime.combine(read, time(hour, int(match["minute"]), int(match["second"] or 0)))
    except ValueError:
        return None


def _read_iso(text: str) -> datetime | date | None:
    try:
        return date.fromisoformat(text) if len(text) <= len("2024-01-02") else datetime.fromisoformat(text)
    except ValueError:
        return None


def _read_compact(compact: re.Match[str]) -> datetime | date | None:
    day, zone = _read_date(compact["date"]), compact["zone"]
    if day is None or compact["hour"] is None:
        return day
    try:
        time_of_day = time(int(compact["hour"]), int(compact["minute"]), int(compact["second"] or 0))
        # Interactive Brokers write UTC with a dash between date and time.
        dashed = compact[0][len(compact["date"])] == "-"
        named = (UTC if zone == "Z" else read_zone(zone)) if zone else UTC if dashed else None
    except (ValueError, ConfigurationError):
        return None
    return datetime.combine(day, time_of_day, named)


def _read_date(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _midnight(day: date | None) -> float:
    return np.nan if day is None else _epoch_ms(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK))


def _epoch_ms(moment: datetime) -> float:
    whole = int(moment.replace(microsecond=0).timestamp()) * 1_000
    return whole + moment.microsecond / 1_000


def _localise(ts_ms: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Take times that are written as if they were UTC for times of a zone."""
    distinct, index = np.unique(ts_ms, return_inverse=True)
    moved = [
        at if np.isnan(at) else _epoch_ms(datetime.fromtimestamp(at / 1_000, UTC).replace(tzinfo=zone))
        for at in distinct.tolist()
    ]
    return np.array(moved, dtype=float)[index]


def _spread(values: np.ndarray, encoded: pa.DictionaryArray) -> np.ndarray:
    """Give each row the value of its distinct text, NaN where there is none."""
    index = pc.fill_null(encoded.indices, len(values)).to_numpy(zero_copy_only=False)
    return np.append(values, np.nan)[index]


def _empty(column: pa.Array) -> np.ndarray:
    return column.is_null().to_numpy(zero_copy_only=False)
