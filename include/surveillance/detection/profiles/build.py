"""Profiles: what is usual for each series, from its earlier sessions. Robust rules judge bars by them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from include.surveillance.detection.columns import BarColumns, SeriesKey
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.positions import TradingCalendar, iso_date
from include.surveillance.detection.profiles import statistics
from include.surveillance.detection.slots import Slots
from include.surveillance.detection.succession import Succession
from include.surveillance.records import Profile
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

RANGE_SESSIONS = 14
LIQUID, MID = 50_000_000.0, 5_000_000.0
"""Dollars traded in a usual session from which on a symbol is ``liquid`` or ``mid``; below it is ``thin``."""


def build_profiles(
    bars: BarColumns,
    sessions: Sessions,
    *,
    effective_ms: int,
    classes: Mapping[str, str] | None = None,
    actions: CorporateActions = CorporateActions(),  # noqa: B008 - frozen
    maximum_sessions: int = 20,
    minimum_sessions: int = 3,
) -> list[Profile]:
    """Build a profile of each series with enough history, from the latest sessions that closed by ``effective_ms``.

    Half-days and the day on which a split takes effect are left out. What lies before a split is counted in the shares
    of ``effective_ms``. The hours before and after the session have slots of their own; the turnover, the daily range
    and the quantiles of volatility are the regular session's. A profile has the ticker of ``effective_ms``, whatever
    its bars were called; an instrument that has lost its ticker to another one by then has none.

    Args:
        bars: in any order; of two bars with the same key the later in order holds.
        sessions: the market's calendar.
        effective_ms: from when on the profiles hold, UTC epoch ms; nothing at or after it is used.
        classes: the vendor's type of each symbol, e.g. CS, ETF.
        actions: splits and changes of tickers of any date; splits after ``effective_ms`` are not used.
        maximum_sessions: how many of the latest sessions are used.
        minimum_sessions: a series with fewer has no profile.

    Returns:
        Profiles sorted by (symbol, timespan).
    """
    calendar, classes = TradingCalendar(sessions), classes or {}
    succession = Succession(actions.tickers, calendar)
    bars, sessions_of, slots = _usable_bars(succession.join(bars), calendar, effective_ms)
    today = calendar.locate(effective_ms).date
    starts, ends = _series_edges(bars.code)
    profiles = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        series = bars.key(start)
        key = succession.name(series, effective_ms)
        if succession.key(*key, effective_ms) != series:
            continue
        session, effects, layout = (
            sessions_of[start:end],
            actions.splits_until(series[0], today),
            calendar.slots(key[1]),
        )
        regular = slots[start:end] < layout.regular
        days = np.setdiff1d(session[regular], [day for day, _ in effects])[-maximum_sessions:]
        if len(days) < minimum_sessions:
            continue
        index = start + np.flatnonzero(np.isin(session, days))
        shares, widths = _shares(sessions_of[index], effects), calendar.bars_per_slot(key[1])
        history = bars.take(index), sessions_of[index], slots[index], shares
        profiles.append(_build_profile(key, *history, layout, widths, effective_ms, classes.get(key[0], "")))
    return sorted(profiles, key=lambda profile: (profile.symbol, profile.timespan))


def _build_profile(
    key: SeriesKey, bars: BarColumns, session: np.ndarray, slot: np.ndarray, shares: np.ndarray, layout: Slots,
    widths: np.ndarray, effective_ms: int, asset_class: str,
) -> Profile:  # fmt: skip
    (symbol, timespan), days = key, np.unique(session)
    presence = np.bincount(slot, minlength=layout.total) / (widths * len(days))
    around = slot >= layout.regular
    edges = statistics.estimate_edges(
        bars.ts[around], session[around], slot[around], (bars.volume * shares)[around], bars.close[around],
        SPAN_MS[timespan], layout, len(days),
    )  # fmt: skip
    bars, session, slot, shares = bars.take(~around), session[~around], slot[~around], shares[~around]
    widths = widths[: layout.regular]
    level, scale = statistics.estimate_volume(bars.ts, session, slot, bars.volume * shares, SPAN_MS[timespan], widths)
    returns = statistics.log_returns(session, bars.close)
    factor = statistics.return_factors(returns, session, slot, widths)
    fire, clear = statistics.volatility_quantiles(returns / factor[slot])
    prices = (bars.high / shares, bars.low / shares, bars.close / shares)
    traded = np.bincount(np.searchsorted(days, session), weights=bars.close * bars.volume)
    turnover = float(np.median(traded))
    return Profile(
        symbol=symbol,
        timespan=timespan,
        effective_ms=effective_ms,
        first_date=iso_date(int(days[0])),
        last_date=iso_date(int(days[-1])),
        sessions=len(days),
        volume_level=_rounded(level, edges.level),
        volume_scale=_rounded(scale, edges.scale),
        return_factor=_rounded(factor, statistics.scale_factors(edges.factor, fire)),
        presence=np.round(presence, 4).tolist(),
        volatility_fire=float(f"{fire:.6g}"),
        volatility_clear=float(f"{clear:.6g}"),
        range_percent=float(f"{statistics.mean_range(session, *prices, RANGE_SESSIONS):.6g}"),
        turnover=round(turnover, 2),
        liquidity="liquid" if turnover >= LIQUID else "mid" if turnover >= MID else "thin",
        asset_class=asset_class,
    )


def _rounded(*values: np.ndarray) -> list[float | None]:
    """Four decimals: 0.01 % of a volume, and a third of the message. NaN, not applicable, becomes None."""
    return [None if value != value else value for value in np.round(np.concatenate(values), 4).tolist()]


def _usable_bars(
    bars: BarColumns, calendar: TradingCalendar, effective_ms: int
) -> tuple[BarColumns, np.ndarray, np.ndarray]:
    """Bars of finished full sessions, sorted by series and time, with session and slot; of each key the log's last."""
    prices = (bars.open, bars.high, bars.low, bars.close)
    good = (bars.ts < effective_ms) & np.isfinite(bars.volume) & (bars.volume >= 0)
    for price in prices:
        good &= np.isfinite(price) & (price > 0)
    bars = bars.take(np.flatnonzero(good))
    order = np.lexsort((bars.ts, bars.code))  # stable: the log's last message of a key comes last
    code, ts = bars.code[order], bars.ts[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (code[1:] != code[:-1]) | (ts[1:] != ts[:-1])
    bars = bars.take(order[last])
    starts, ends = _series_edges(bars.code)
    timespans = [bars.keys[code][1] for code in bars.code[starts].tolist()]
    positions = calendar.locate_bars(bars.ts, starts, ends, timespans)
    opens, closes, days = calendar.sessions.arrays()
    full = (closes <= effective_ms) & (closes - opens >= calendar.session_minutes * MINUTE_MS)
    _, ends = calendar.sessions.edges
    # Of a day that is not over the session alone is used.
    usable = positions.regular | np.isin(positions.session, days[ends <= effective_ms])
    index = np.flatnonzero(usable & (positions.slot >= 0) & np.isin(positions.session, days[full]))
    return bars.take(index), positions.session[index], positions.slot[index]


def _series_edges(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of the bars of each series, where bars are sorted by series."""
    edges = np.flatnonzero(np.diff(code, prepend=-1, append=-1)) if len(code) else np.zeros(1, dtype=np.int64)
    return edges[:-1], edges[1:]


def _shares(session: np.ndarray, effects: list[tuple[int, float]]) -> np.ndarray:
    """Today's shares per share of each bar's session."""
    shares = np.ones(len(session))
    for day, ratio in effects:
        shares[session < day] *= ratio
    return shares
