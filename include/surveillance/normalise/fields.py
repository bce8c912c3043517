"""Reads one field of the vendor's JSON each: the value, or an UnusableError that says why not."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from include.surveillance.errors import SurveillanceError
from include.surveillance.records import Reject, as_text
from include.surveillance.texts import is_identifier, one_line, web_address
from include.surveillance.validity import VOLUME_DECIMALS

Fields = dict[str, Any]

# Shares trade in millionths at most; more digits are the vendor's floating point.
MILLIONTH = Decimal("0.000001")
# Beyond any time in nanoseconds; int() of 1e999999 would never end.
LARGEST_WHOLE = 10**19
LONGEST_IDENTIFIER, LONGEST_NAME, LONGEST_DETAIL = 200, 300, 300
# Rejected bytes are kept whole unless no message could carry them.
LARGEST_RAW = 2_000_000


class UnusableError(SurveillanceError):
    """A value of the vendor's cannot be used: why, short and countable, and the detail of this case."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def reject(raw: bytes, error: UnusableError, **about: Any) -> Reject:
    """Make a Reject of what came, with the reason why it cannot be used; only the first ``LARGEST_RAW`` bytes of it."""
    received, encoding = as_text(raw[:LARGEST_RAW])
    cut = f" (the first {LARGEST_RAW} of {len(raw)} bytes)" if len(raw) > LARGEST_RAW else ""
    detail = one_line(error.detail, LONGEST_DETAIL) + cut
    return Reject(stage="normalise", reason=error.reason, detail=detail, raw=received, encoding=encoding, **about)


def parse_object(raw: bytes) -> Fields:
    """Parse one result; numbers with a fraction become Decimal."""
    try:
        fields = json.loads(raw, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise UnusableError("not JSON", str(error)) from error
    if not isinstance(fields, dict):
        raise UnusableError("not an object", f"a {type(fields).__name__}")
    return fields


def unusable(name: str, value: Any, expected: str) -> UnusableError:
    shown = type(value).__name__ if isinstance(value, (dict, list)) else ascii(value)[:80]
    return UnusableError(f"{name} missing" if value is None else f"{name} unusable", f"{shown} is not {expected}")


def read_number(fields: Fields, name: str) -> Decimal:
    """Read a number, also where it came as text or is none that anybody can use, such as NaN."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise unusable(name, value, "a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise unusable(name, value, "a number") from None
    if number.is_snan():
        raise unusable(name, value, "a number")
    return number


def read_optional_number(fields: Fields, name: str) -> Decimal | None:
    """Read a number; None where there is none: what is optional costs no record."""
    try:
        return read_number(fields, name)
    except UnusableError:
        return None


def to_float(number: Decimal) -> float:
    """Return the float64 nearest to a number, infinite where that is too large."""
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def read_price(fields: Fields, name: str) -> float:
    """Read a positive amount of money or part of a ratio."""
    number = to_float(read_number(fields, name))
    if not math.isfinite(number):
        raise UnusableError("price not finite", f"{name} {number}")
    if number <= 0:
        raise UnusableError("price not positive", f"{name} {number}")
    return number


def write_out(volume: Decimal) -> Decimal:
    """Write at most six decimals and no exponent: not every reader of the topic knows 1.03E+6."""
    exponent = volume.as_tuple().exponent
    assert isinstance(exponent, int), "whoever calls has seen that the volume is finite"
    if exponent < -VOLUME_DECIMALS:
        volume = volume.quantize(MILLIONTH)
    return Decimal(f"{volume:f}") if exponent > 0 else volume


def read_whole(fields: Fields, name: str) -> int:
    number = read_number(fields, name)
    if not number.is_finite() or abs(number) > LARGEST_WHOLE or number != int(number):
        raise unusable(name, fields.get(name), "a whole number")
    return int(number)


def read_text(fields: Fields, name: str, longest: int = LONGEST_NAME) -> str:
    """Read what people are shown as one printable line, cut at ``longest`` characters."""
    value = fields.get(name)
    if not isinstance(value, str) or not is_unicode(value) or not (line := one_line(value, longest)):
        raise unusable(name, value, "a text")
    return line


def read_optional_text(fields: Fields, name: str, longest: int = LONGEST_NAME) -> str | None:
    return None if fields.get(name) in (None, "") else read_text(fields, name, longest)


def read_identifier(fields: Fields, name: str) -> str:
    """Read a ticker or an id, which is exactly what came or nothing."""
    value = fields.get(name)
    if not isinstance(value, str) or not is_identifier(value, LONGEST_IDENTIFIER):
        raise unusable(name, value, f"a word of visible ASCII, {LONGEST_IDENTIFIER} characters at most")
    return value


def read_web_address(fields: Fields, name: str) -> str:
    """Read an http(s) address; empty when there is none, because nobody shall follow anything else."""
    value = fields.get(name)
    return web_address(value) if isinstance(value, str) else ""


def is_unicode(value: str) -> bool:
    """Tell a text from one with half a surrogate pair, which JSON can escape and UTF-8 cannot carry."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def read_time(fields: Fields, name: str) -> int:
    stamp = read_text(fields, name)
    try:
        at = datetime.fromisoformat(stamp)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        raise unusable(name, stamp, "an RFC 3339 time") from None


def read_date(fields: Fields, name: str) -> str:
    stamp = read_text(fields, name)
    try:
        return date.fromisoformat(stamp).isoformat()
    except ValueError:
        raise unusable(name, stamp, "YYYY-MM-DD") from None
