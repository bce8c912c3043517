"""Normalise bars: those of one symbol, or the newest minute of many from a snapshot of the market."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from . import vendor_bar
from .fields import UnusableError, rejected
from .models import SPAN_MS, Bar, Reject, Source, Watermark
from .polygon import Payload


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
            bar = vendor_bar.bar(raw, payload, about)
        except UnusableError as error:
            rejects.append(rejected(raw, error, **about))
            continue
        if bar.ts_ms <= last_ms:
            if bar.ts_ms in kept:
                rejects.append(_repeated(*kept[bar.ts_ms], bar))
            kept[bar.ts_ms] = raw, bar
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
            bar = _newest(bytes(ticker.min), asked, {"symbol": symbol, **about})
        except UnusableError as error:
            rejects[symbol].append(rejected(raw, error, symbol=symbol, **about))
            continue
        if bar and kept[symbol]:
            rejects[symbol].append(_repeated(*kept[symbol], bar))
        if bar:
            kept[symbol] = raw, bar
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
    ts_ms = vendor_bar.start_of(raw)
    if ts_ms < asked.from_ms:
        return None
    if asked.to_ms <= ts_ms <= asked.polled_ms:
        raise UnusableError("later minute", f"t {ts_ms} has taken the place of [{asked.from_ms}, {asked.to_ms})")
    return vendor_bar.bar(raw, asked, about)


def _ticker_of(raw: bytes) -> Ticker:
    try:
        return _ticker.decode(raw)
    except msgspec.ValidationError as error:
        raise UnusableError("no ticker", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableError("not JSON", str(error)) from error
