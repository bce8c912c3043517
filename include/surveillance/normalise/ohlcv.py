"""Normalise bars: those of one symbol, or the newest minute of many from a snapshot of the market."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from math import inf
from typing import Any

import msgspec

from include.surveillance.normalise.fields import (
    LARGEST_INTEGER,
    LARGEST_VOLUME,
    Fields,
    UnusableError,
    integer,
    parse_object,
    price,
    rejected,
    shares,
    written_out,
)
from include.surveillance.polygon.client import Payload
from include.surveillance.records import SPAN_MS, Bar, Reject, Source, Watermark


class Ticker(msgspec.Struct):
    """One ticker of a snapshot; ``min`` is its newest minute bar, absent or with ``t`` 0 before its first trade."""

    ticker: str
    min: msgspec.Raw = msgspec.Raw(b"null")


_ticker = msgspec.json.Decoder(Ticker)


def bars(payload: Payload, *, source: Source) -> list[Bar | Reject | Watermark]:
    """Bars in time order, then rejects, then one Watermark that says what was asked and what came.

    Bars that end after ``to_ms`` are left out and not rejected: they still grow, and the next poll asks for them.
    Of two bars with one start the later in the payload counts.
    """
    (symbol,), timespan = payload.symbols, payload.timespan
    about = {"symbol": symbol, "timespan": timespan, "source": source, "polled_ms": payload.polled_ms}
    last_ms = payload.to_ms - SPAN_MS[timespan]
    kept: dict[int, tuple[bytes, Bar]] = {}
    rejects = []
    for raw in payload.results:
        try:
            made = bar(raw, payload, about)
        except UnusableError as error:
            rejects.append(rejected(raw, error, **about))
            continue
        if made.ts_ms <= last_ms:
            if made.ts_ms in kept:
                rejects.append(_repeated(*kept[made.ts_ms], made))
            kept[made.ts_ms] = raw, made
    watermark = _watermark(payload.from_ms, payload.to_ms, len(kept), rejects, payload.status, **about)
    return [*(kept[ts_ms][1] for ts_ms in sorted(kept)), *rejects, watermark]


def snapshot(
    payload: Payload, symbols: Iterable[str], from_ms: int, to_ms: int, *, source: Source
) -> list[Bar | Reject | Watermark]:
    """The minute bars that start in [from_ms, to_ms), then rejects, then one Watermark per symbol, as ``bars`` has it.

    A snapshot holds one minute of each ticker. An earlier one: the symbol did not trade in the time asked for. A
    later one has taken the place of what was asked for, and is rejected, so that nobody takes the gap for silence.

    Args:
        payload: of ``Polygon.snapshot``.
        symbols: the watched ones; others are left out.
    """
    asked = replace(payload, timespan="minute", from_ms=from_ms, to_ms=to_ms)
    about = {"timespan": "minute", "source": source, "polled_ms": payload.polled_ms}
    kept: dict[str, tuple[bytes, Bar] | None] = dict.fromkeys(symbols)
    rejects: defaultdict[str | None, list[Reject]] = defaultdict(list)
    for raw in payload.results:
        symbol = None
        try:
            ticker = _ticker_of(raw)
            if ticker.ticker not in kept:
                continue
            symbol = ticker.ticker
            made = _newest(bytes(ticker.min), asked, {"symbol": symbol, **about})
        except UnusableError as error:
            rejects[symbol].append(rejected(raw, error, symbol=symbol, **about))
            continue
        if made and kept[symbol]:
            rejects[symbol].append(_repeated(*kept[symbol], made))
        if made:
            kept[symbol] = raw, made
    watermarks = [
        _watermark(from_ms, to_ms, one is not None, rejects.get(symbol, ()), payload.status, symbol=symbol, **about)
        for symbol, one in kept.items()
    ]
    return [*(one[1] for one in kept.values() if one), *(r for found in rejects.values() for r in found), *watermarks]


def _watermark(from_ms: int, to_ms: int, count: int, rejects: Sequence[Reject], status: str, **about: Any) -> Watermark:
    return Watermark(
        from_ms=from_ms,
        as_of_ms=to_ms,
        bars=int(count),
        rejected=len(rejects),
        reject_reasons=tuple(sorted({reject.reason for reject in rejects})),
        status=status,
        **about,
    )


def _repeated(raw: bytes, earlier: Bar, later: Bar) -> Reject:
    """The earlier of two bars with one start."""
    reason = "duplicate bar" if earlier == later else "duplicate bar with other values"
    about = {name: getattr(earlier, name) for name in ("symbol", "timespan", "source", "polled_ms")}
    return rejected(raw, UnusableError(reason, f"t {earlier.ts_ms} came again"), **about)


# --- one ticker of a snapshot


def _newest(raw: bytes, asked: Payload, about: dict[str, Any]) -> Bar | None:
    """The bar of the minute asked for; None when the symbol did not trade in it."""
    if raw == b"null":
        return None
    ts_ms = start_of(raw)
    if ts_ms < asked.from_ms:
        return None
    if asked.to_ms <= ts_ms <= asked.polled_ms:
        raise UnusableError("later minute", f"t {ts_ms} has taken the place of [{asked.from_ms}, {asked.to_ms})")
    return bar(raw, asked, about)


def _ticker_of(raw: bytes) -> Ticker:
    try:
        return _ticker.decode(raw)
    except msgspec.ValidationError as error:
        raise UnusableError("no ticker", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableError("not JSON", str(error)) from error


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
