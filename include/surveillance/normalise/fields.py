"""One field of the vendor's JSON each: the value, or why it cannot be used."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from include.surveillance.records import Reject

Fields = dict[str, Any]

LARGEST_VOLUME = Decimal(10) ** 15
LARGEST_INTEGER = 2**53
# Shares trade in millionths at most; more digits are the vendor's floating point.
VOLUME_DECIMALS, SMALLEST_VOLUME = 6, Decimal("0.000001")


class UnusableError(Exception):
    """``args`` are a short, countable reason and the detail of this case."""


def rejected(raw: bytes, error: UnusableError, **about: Any) -> Reject:
    """What came, with the reason why it cannot be used."""
    reason, detail = error.args
    return Reject.of(raw, stage="normalise", reason=reason, detail=detail, **about)


def parse_object(raw: bytes) -> Fields:
    """Numbers with a fraction come as Decimal; like the functions below it raises UnusableError."""
    try:
        fields = json.loads(raw, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise UnusableError("not JSON", str(error)) from error
    if not isinstance(fields, dict):
        raise UnusableError("not an object", f"a {type(fields).__name__}")
    return fields


def wrong(name: str, value: Any, expected: str) -> UnusableError:
    shown = type(value).__name__ if isinstance(value, (dict, list)) else ascii(value)[:80]
    return UnusableError(f"{name} missing" if value is None else f"{name} unusable", f"{shown} is not {expected}")


def price(fields: Fields, name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise wrong(name, value, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError("price not finite", f"{name} {number}")
    if number <= 0:
        raise UnusableError("price not positive", f"{name} {number}")
    return number


def shares(fields: Fields) -> Decimal:
    """``v`` in shares, at most six decimals; the vendor has sent it as integer, fraction, 1.03e+6 and text."""
    value = fields.get("v")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise wrong("v", value, "a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise wrong("v", value, "a number") from None
    if not number.is_finite():
        raise UnusableError("volume not finite", f"v {number}")
    if number < 0:
        raise UnusableError("negative volume", f"v {number}")
    if number > LARGEST_VOLUME:
        raise UnusableError("volume too large", f"v {number:.3e}, at most {LARGEST_VOLUME:.0e}")
    return written_out(number)


def written_out(volume: Decimal) -> Decimal:
    """At most six decimals, and no exponent: not every reader of the topic knows 1.03E+6."""
    exponent = volume.as_tuple().exponent
    if exponent < -VOLUME_DECIMALS:
        volume = volume.quantize(SMALLEST_VOLUME)
    return Decimal(f"{volume:f}") if exponent > 0 else volume


def integer(fields: Fields, name: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise wrong(name, value, "a whole number")
    if not 0 <= value < LARGEST_INTEGER or value != int(value):
        raise wrong(name, value, f"a whole number from 0 to {LARGEST_INTEGER}")
    return int(value)


def text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise wrong(name, value, "a text")
    return value


def optional_text(fields: Fields, name: str) -> str | None:
    return None if fields.get(name) in (None, "") else text(fields, name)


def is_unicode(value: str) -> bool:
    """JSON can escape half a surrogate pair, which no UTF-8 can carry."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def moment(fields: Fields, name: str) -> int:
    stamp = text(fields, name)
    try:
        at = datetime.fromisoformat(stamp)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise wrong(name, stamp, "an RFC 3339 time") from None


def day(fields: Fields, name: str) -> str:
    stamp = text(fields, name)
    try:
        return date.fromisoformat(stamp).isoformat()
    except ValueError:
        raise wrong(name, stamp, "YYYY-MM-DD") from None
