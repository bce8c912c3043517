"""Normalises bars: those of one symbol, or the newest minute of many from a snapshot of the market."""

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
    parse_object,
    read_integer,
    read_price,
    read_shares,
    reject,
    write_out,
)
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Reject, Source, Watermark
from include.surveillance.timespans import HOUR_MS, MINUTE_MS, SPAN_MS


class Ticker(msgspec.Struct):
    """One ticker of a snapshot; ``min`` is its newest minute bar, absent or with ``t`` 0 before its first trade."""

    ticker: str
    min: msgspec.Raw = msgspec.Raw(b"null")


class PlainBar(msgspec.Struct, forbid_unknown_fields=True):
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
    # Only a snapshot's minutes have these: the day's volume so far, and decimals as text.
    av: float | None = None
    dv: str = ""
    dav: str = ""

    def usable(self) -> bool:
        """Say whether the bar passes every check of ``_read_fields``, but for that of its start."""
        return (
            0 <= self.t < LARGEST_INTEGER
            and 0 < self.l <= self.o <= self.h < inf
            and self.l <= self.c <= self.h
            and self.v.is_finite()
            and 0 <= self.v <= LARGEST_VOLUME
            and (self.vw is None or 0 < self.vw < inf)
            and (self.n is None or 0 <= self.n < LARGEST_INTEGER)
        )


_ticker = msgspec.json.Decoder(Ticker)
_plain_bar = msgspec.json.Decoder(PlainBar)


def bars(payload: Payload, *, source: Source) -> list[Bar | Reject | Watermark]:
    """Make bars in time order, then rejects, then one Watermark that says what was asked and what came.

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
            bar = read_bar(raw, payload, about)
        except UnusableError as error:
            rejects.append(reject(raw, error, **about))
            continue
        if bar.ts_ms <= last_ms:
            if earlier := kept.get(bar.ts_ms):
                rejects.append(_reject_repeated(*earlier, bar))
            kept[bar.ts_ms] = raw, bar
    watermark = _watermark(payload, len(kept), rejects, **about)
    return [*(kept[ts_ms][1] for ts_ms in sorted(kept)), *rejects, watermark]


def snapshot(
    payload: Payload, symbols: Iterable[str], from_ms: int, to_ms: int, *, source: Source
) -> list[Bar | Reject | Watermark]:
    """Make minute bars that start in [from_ms, to_ms), then rejects, then one Watermark per symbol, as ``bars`` does.

    A snapshot holds one minute of each ticker. When it is an earlier one, the symbol did not trade in the time asked
    for. A later one has replaced what was asked for, and is rejected, so that nobody takes the gap for silence.

    Args:
        payload: the answer to ``Polygon.snapshot``.
        symbols: the watched ones; others are left out.
    """
    asked = replace(payload, timespan="minute", from_ms=from_ms, to_ms=to_ms)
    about = {"timespan": "minute", "source": source, "polled_ms": payload.polled_ms}
    kept: dict[str, tuple[bytes, Bar] | None] = dict.fromkeys(symbols)
    rejects: defaultdict[str | None, list[Reject]] = defaultdict(list)
    for raw in payload.results:
        symbol = None
        try:
            ticker = _read_ticker(raw)
            if ticker.ticker not in kept:
                continue
            symbol = ticker.ticker
            bar = _read_newest(bytes(ticker.min), asked, {"symbol": symbol, **about})
        except UnusableError as error:
            rejects[symbol].append(reject(raw, error, symbol=symbol, **about))
            continue
        if bar:
            if earlier := kept[symbol]:
                rejects[symbol].append(_reject_repeated(*earlier, bar))
            kept[symbol] = raw, bar
    watermarks = [
        _watermark(asked, int(one is not None), rejects.get(symbol, ()), symbol=symbol, **about)
        for symbol, one in kept.items()
    ]
    all_rejects = [it for rejects_of_symbol in rejects.values() for it in rejects_of_symbol]
    return [*(one[1] for one in kept.values() if one), *all_rejects, *watermarks]


def _watermark(asked: Payload, count: int, rejects: Sequence[Reject], **about: Any) -> Watermark:
    return Watermark(
        from_ms=asked.from_ms,
        as_of_ms=asked.to_ms,
        bars=count,
        rejected=len(rejects),
        reject_reasons=tuple(sorted({it.reason for it in rejects})),
        status=asked.status,
        **about,
    )


def _reject_repeated(raw: bytes, earlier: Bar, later: Bar) -> Reject:
    """Reject the earlier of two bars with one start."""
    reason = "duplicate bar" if earlier == later else "duplicate bar with other values"
    about = {name: getattr(earlier, name) for name in ("symbol", "timespan", "source", "polled_ms")}
    return reject(raw, UnusableError(reason, f"t {earlier.ts_ms} came again"), **about)


def _read_ticker(raw: bytes) -> Ticker:
    try:
        return _ticker.decode(raw)
    except msgspec.ValidationError as error:
        raise UnusableError("no ticker", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableError("not JSON", str(error)) from error


def _read_newest(raw: bytes, asked: Payload, about: Fields) -> Bar | None:
    """Read the bar of the minute asked for; None when the symbol did not trade in it."""
    if raw == b"null":
        return None
    plain = _decode_plain(raw)
    # Where the bar says that it starts, whatever else is wrong with it.
    ts_ms = plain.t if plain and plain.t >= 0 else read_integer(parse_object(raw), "t")
    if ts_ms < asked.from_ms:
        return None
    if asked.to_ms <= ts_ms <= asked.polled_ms:
        raise UnusableError("later minute", f"t {ts_ms} has taken the place of [{asked.from_ms}, {asked.to_ms})")
    return read_bar(raw, asked, about)


def read_bar(raw: bytes, payload: Payload, about: Fields) -> Bar:
    """Read one result of ``payload``; ``about`` is what the payload says of all its bars.

    Raises:
        UnusableError: as the functions of ``fields`` do.
    """
    values = _decode_plain(raw)
    if values and values.usable():
        _check_start(values.t, payload)
    else:
        values = _read_fields(parse_object(raw), payload)
    return Bar(
        ts_ms=values.t,
        open=values.o,
        high=values.h,
        low=values.l,
        close=values.c,
        volume=write_out(values.v),
        vwap=values.vw,
        trades=values.n,
        delayed=payload.status == "DELAYED",
        **about,
    )


def _decode_plain(raw: bytes) -> PlainBar | None:
    try:
        return _plain_bar.decode(raw)
    except (msgspec.DecodeError, ValueError, ArithmeticError):
        return None


def _read_fields(fields: Fields, payload: Payload) -> PlainBar:
    """Read a bar field by field, as it takes to say what is wrong with it."""
    ts_ms = read_integer(fields, "t")
    _check_start(ts_ms, payload)
    o, h, low, c = (read_price(fields, name) for name in "ohlc")
    if h < low:
        raise UnusableError("high below low", f"high {h}, low {low}")
    for name, value in (("open", o), ("close", c)):
        if not low <= value <= h:
            raise UnusableError(f"{name} outside low-high", f"{name} {value}, low {low}, high {h}")
    return PlainBar(
        t=ts_ms,
        o=o,
        h=h,
        l=low,
        c=c,
        v=read_shares(fields),
        vw=None if fields.get("vw") is None else read_price(fields, "vw"),
        n=None if fields.get("n") is None else read_integer(fields, "n"),
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
