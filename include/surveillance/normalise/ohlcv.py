"""Normalises bars: those of one symbol, or the newest minute of many from a snapshot of the market."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from include.surveillance.normalise.fields import (
    Fields,
    UnusableError,
    parse_object,
    read_number,
    read_optional_number,
    read_whole,
    reject,
    to_float,
    write_out,
)
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Reject, Source, Watermark
from include.surveillance.timespans import EARLIEST_MS, HOUR_MS, SPAN_MS, Timespan
from include.surveillance.validity import NO_TRADE, is_trade_count, is_vwap, object_to_bar


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
    n: float | None = None
    otc: bool = False
    # Only a snapshot's minutes have these: the day's volume so far, and decimals as text.
    av: float | None = None
    dv: str = ""
    dav: str = ""


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
    # A minute without a trade is nothing that is wrong with the vendor's data.
    reasons = [it.reason for it in rejects if it.reason != NO_TRADE]
    return Watermark(
        from_ms=asked.from_ms,
        as_of_ms=asked.to_ms,
        bars=count,
        rejected=len(reasons),
        reject_reasons=tuple(sorted(set(reasons))),
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
    ts_ms = plain.t if plain else read_whole(parse_object(raw), "t")
    if ts_ms == 0 or EARLIEST_MS <= ts_ms < asked.from_ms:
        return None
    if asked.to_ms <= ts_ms <= asked.polled_ms:
        raise UnusableError("later minute", f"t {ts_ms} has taken the place of [{asked.from_ms}, {asked.to_ms})")
    return read_bar(raw, asked, about)


def read_bar(raw: bytes, payload: Payload, about: Fields) -> Bar:
    """Read one result of ``payload``; ``about`` is what the payload says of all its bars.

    Raises:
        UnusableError: as the functions of ``fields`` do.
    """
    values = _decode_plain(raw) or _read_fields(parse_object(raw))
    volume = to_float(values.v)
    prices = (values.o, values.h, values.l, values.c)
    if reason := object_to_bar(about["symbol"], payload.timespan, values.t, *prices, volume):
        raise UnusableError(reason, _describe(values, payload.timespan))
    _check_start(values.t, payload)
    return Bar(
        ts_ms=values.t,
        open=values.o,
        high=values.h,
        low=values.l,
        close=values.c,
        volume=write_out(values.v),
        vwap=values.vw if values.vw is not None and is_vwap(values.vw) else None,
        trades=int(values.n) if values.n is not None and is_trade_count(values.n) else None,
        delayed=payload.status == "DELAYED",
        **about,
    )


def _decode_plain(raw: bytes) -> PlainBar | None:
    try:
        return _plain_bar.decode(raw)
    except (msgspec.DecodeError, ValueError, ArithmeticError):
        return None


def _read_fields(fields: Fields) -> PlainBar:
    """Read a bar field by field, as it takes to say which of them is no number."""
    ts_ms = read_whole(fields, "t")
    o, h, low, c = (to_float(read_number(fields, name)) for name in "ohlc")
    vwap, trades = (read_optional_number(fields, name) for name in ("vw", "n"))
    return PlainBar(
        t=ts_ms,
        o=o,
        h=h,
        l=low,
        c=c,
        v=read_number(fields, "v"),
        vw=None if vwap is None else to_float(vwap),
        n=None if trades is None else to_float(trades),
    )


def _describe(bar: PlainBar, timespan: Timespan) -> str:
    return f"{timespan} bar with t {bar.t}, open {bar.o}, high {bar.h}, low {bar.l}, close {bar.c}, volume {bar.v}"


def _check_start(ts_ms: int, payload: Payload) -> None:
    span = SPAN_MS[payload.timespan]
    if ts_ms > payload.polled_ms:
        raise UnusableError("future stamp", f"t {ts_ms} is after the poll at {payload.polled_ms}")
    # A day with a clock change is longer by an hour.
    slack = HOUR_MS if payload.timespan == "day" else 0
    if not payload.from_ms - span - slack < ts_ms < payload.to_ms + span:
        raise UnusableError("outside the asked range", f"t {ts_ms}, asked [{payload.from_ms}, {payload.to_ms})")
