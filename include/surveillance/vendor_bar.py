"""One bar of the vendor: the record, or why it cannot be used.

Nearly all bars look alike. Those are read as a whole; any other field by field, which also finds what is wrong.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf

import msgspec

from .fields import (
    LARGEST_INTEGER,
    LARGEST_VOLUME,
    Fields,
    UnusableError,
    integer,
    parse_object,
    price,
    shares,
    written_out,
)
from .models import SPAN_MS, Bar
from .polygon import Payload

MINUTE_MS, HOUR_MS = SPAN_MS["minute"], SPAN_MS["hour"]


class Usual(msgspec.Struct, forbid_unknown_fields=True):
    """A bar as the vendor nearly always sends it. Its numbers are not judged yet."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    c: float
    v: Decimal
    vw: float | None = None
    n: int | None = None
    otc: bool = False
    # Of a snapshot's minutes alone: the day's volume so far, and decimals as text.
    av: float | None = None
    dv: str = ""
    dav: str = ""

    def usable(self) -> bool:
        """Whether the bar passes every check of ``_judged``, that of its start left out."""
        return (
            0 <= self.t < LARGEST_INTEGER
            and 0 < self.l <= self.o <= self.h < inf
            and self.l <= self.c <= self.h
            and self.v.is_finite()
            and 0 <= self.v <= LARGEST_VOLUME
            and (self.vw is None or 0 < self.vw < inf)
            and (self.n is None or 0 <= self.n < LARGEST_INTEGER)
        )


_usual = msgspec.json.Decoder(Usual)


def bar(raw: bytes, payload: Payload, about: Fields) -> Bar:
    """One result of ``payload``; ``about`` is what the payload says of all its bars.

    Raises:
        UnusableError: as the functions of ``fields`` do.
    """
    found = _read(raw)
    if found and found.usable():
        _check_start(found.t, payload)
    else:
        found = _judged(parse_object(raw), payload)
    return Bar(
        ts_ms=found.t,
        open=found.o,
        high=found.h,
        low=found.l,
        close=found.c,
        volume=written_out(found.v),
        vwap=found.vw,
        trades=found.n,
        delayed=payload.status == "DELAYED",
        **about,
    )


def start_of(raw: bytes) -> int:
    """Where the bar says that it starts, whatever else is wrong with it."""
    found = _read(raw)
    return found.t if found and found.t >= 0 else integer(parse_object(raw), "t")


def _read(raw: bytes) -> Usual | None:
    try:
        return _usual.decode(raw)
    except (msgspec.DecodeError, ValueError, ArithmeticError):
        return None


def _judged(fields: Fields, payload: Payload) -> Usual:
    ts_ms = integer(fields, "t")
    _check_start(ts_ms, payload)
    o, h, low, c = (price(fields, name) for name in "ohlc")
    if h < low:
        raise UnusableError("high below low", f"high {h}, low {low}")
    for name, value in (("open", o), ("close", c)):
        if not low <= value <= h:
            raise UnusableError(f"{name} outside low-high", f"{name} {value}, low {low}, high {h}")
    return Usual(
        t=ts_ms,
        o=o,
        h=h,
        l=low,
        c=c,
        v=shares(fields),
        vw=None if fields.get("vw") is None else price(fields, "vw"),
        n=None if fields.get("n") is None else integer(fields, "n"),
    )


def _check_start(ts_ms: int, payload: Payload) -> None:
    span = SPAN_MS[payload.timespan]
    if ts_ms > payload.polled_ms:
        raise UnusableError("future stamp", f"t {ts_ms} is after the poll at {payload.polled_ms}")
    # A day starts at its market's midnight, and a day with a clock change is longer by an hour.
    grid, slack = (MINUTE_MS, HOUR_MS) if payload.timespan == "day" else (span, 0)
    if ts_ms % grid:
        raise UnusableError("off the grid", f"t {ts_ms} is no start of a {payload.timespan} bar")
    if not payload.from_ms - span - slack < ts_ms < payload.to_ms + span:
        raise UnusableError("outside the asked range", f"t {ts_ms}, asked [{payload.from_ms}, {payload.to_ms})")
