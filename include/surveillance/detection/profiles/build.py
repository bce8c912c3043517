"""Profiles: what is usual for each series, from its earlier sessions. Robust rules judge bars by them.

The bars of all series are prepared once. Each profile is then an update: the window of its sessions moves on by one,
and one kernel goes over what it holds. So it costs the same however many sessions came before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from include.surveillance.detection.columns import BarColumns, SeriesKey
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.detection.profile_columns import ENOUGH, ProfileColumns
from include.surveillance.detection.profiles import statistics
from include.surveillance.detection.rules.robust.abnormal_volume import recent_volume
from include.surveillance.detection.slots import Slots
from include.surveillance.detection.succession import Succession
from include.surveillance.detection.tails import PERIODS
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, SPAN_MS

RANGE_SESSIONS = 14
LIQUID, MID = 50_000_000.0, 5_000_000.0
"""Dollars traded in a usual session from which on a symbol is ``liquid`` or ``mid``; below it is ``thin``."""
HISTORY_MS = 45 * DAY_MS
"""How long before a profile holds the sessions open that it is built from: 20 sessions, a long holiday included."""

Progress = Callable[[str, int, int], None]


def build_profiles(
    bars: BarColumns,
    sessions: Sessions,
    *,
    effective_ms: int | Sequence[int],
    classes: Mapping[str, str] | None = None,
    actions: CorporateActions = CorporateActions(),  # noqa: B008 - frozen
    maximum_sessions: int = 20,
    progress: Progress = lambda stage, done, total: None,
) -> ProfileColumns:
    """Build a profile of each series from its latest sessions that closed by ``effective_ms``; one is enough.

    Half-days and the day on which a split takes effect are left out. What lies before a split is counted in the shares
    of ``effective_ms``. The hours before and after the session have slots of their own; the turnover, the daily range
    and the quantiles of volatility are the regular session's. A profile has the ticker of ``effective_ms``, whatever
    its bars were called; an instrument that has lost its ticker to another one by then has none.

    A series with fewer sessions than ``ENOUGH`` is new. Its slots know less, see ``estimate_volume``; its
    volatility and its daily range are widened as its volume is; a slot has the presence of the hour around it. A series
    that once had enough sessions is not new again after a pause: its last profile stays.

    Args:
        bars: in any order; of two bars with the same key the later in order holds.
        sessions: the market's calendar.
        effective_ms: from when on the profiles hold, UTC epoch ms; nothing at or after it is used. Of several times,
            which ascend, a profile each.
        classes: the vendor's type of each symbol, e.g. CS, ETF.
        actions: splits and changes of tickers of any date; splits after ``effective_ms`` are not used.
        maximum_sessions: how many of the latest sessions are used, of those that open within ``HISTORY_MS``.
        progress: is called with a stage, how much of it is done, and of how much.

    Returns:
        Profiles sorted by (symbol, timespan) and time.
    """
    times = [effective_ms] if isinstance(effective_ms, int) else list(effective_ms)
    calendar = TradingCalendar(sessions)
    succession = Succession(actions.tickers, calendar)
    bars, session, slot, phase = _usable_bars(succession.join(bars), calendar, times[-1])
    moments, layouts = list_moments(times, calendar), {}
    starts, ends = _series_edges(bars.code)
    built = []
    for done, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True), start=1):
        holder, timespan = bars.key(start)
        if timespan not in layouts:
            widths, layout = calendar.bars_per_slot(timespan), calendar.slots(timespan)
            pool = statistics.pool_slots(widths[: layout.regular], SPAN_MS[timespan])
            layouts[timespan] = _Layout(layout, SPAN_MS[timespan], widths, *pool)
        own = slice(start, end)
        splits = _read_splits(actions, holder, int(moments.today[-1]))
        history = _prepare(
            layouts[timespan].slots.regular, splits.day, bars.ts[own], session[own], slot[own], phase[own],
            bars.high[own], bars.low[own], bars.close[own], bars.volume[own],
        )  # fmt: skip
        window = _find_windows(history.day, moments.since, moments.until, maximum_sessions)
        built.append(_estimate(history, layouts[timespan], window, moments.today, splits))
        progress("profiles", done, len(starts))
    return _join(built, [bars.key(start) for start in starts.tolist()], moments, succession, classes or {})


class Moments(NamedTuple):
    """When profiles begin to hold: time and date, and the first and last session (days since 1970) they may use."""

    effective_ms: np.ndarray
    today: np.ndarray
    since: np.ndarray
    until: np.ndarray


class _Splits(NamedTuple):
    """Execution dates (days since 1970) of one instrument's splits, and new shares per old one."""

    day: np.ndarray
    ratio: np.ndarray


class _Layout(NamedTuple):
    """The slots of one timespan, the length of its bars in ms, the spans per slot, and ``statistics.pool_slots``."""

    slots: Slots
    span: int
    widths: np.ndarray
    first: np.ndarray
    last: np.ndarray


class _History(NamedTuple):
    """The bars of one series in the sessions that profiles are built from; kernels take it as it is.

    Attributes:
        day: of each session, days since 1970.
        turnover: dollars traded in each session.
        regular, around: the first bar of each session among those of the sessions and among those around them.
        ts, session, slot, recent, x, high, low, close, returns: of the bars of the sessions.
        edge_session, edge_slot, edge_recent, edge_x, edge_close: of those around them.
    """

    day: np.ndarray
    turnover: np.ndarray
    regular: np.ndarray
    around: np.ndarray
    ts: np.ndarray
    session: np.ndarray
    slot: np.ndarray
    recent: np.ndarray
    x: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    returns: np.ndarray
    edge_session: np.ndarray
    edge_slot: np.ndarray
    edge_recent: np.ndarray
    edge_x: np.ndarray
    edge_close: np.ndarray


class _Built(NamedTuple):
    """The profiles of one series, one row each, not yet rounded.

    ``moment`` is the index of each one's moment; ``days`` its first and last session and how many; ``numbers`` are as
    in ``columns.NUMBERS``.
    """

    moment: np.ndarray
    days: np.ndarray
    level: np.ndarray
    scale: np.ndarray
    factor: np.ndarray
    presence: np.ndarray
    numbers: np.ndarray


def list_moments(times: Sequence[int], calendar: TradingCalendar) -> Moments:
    opens, closes, days = calendar.sessions.arrays()
    effective = np.array(times, np.int64)
    today = np.array([calendar.locate(at).date for at in times], np.int64)
    # Beyond the ends of the calendar nothing is open.
    since = np.append(days, np.int64(1 << 40))[np.searchsorted(opens, effective - HISTORY_MS)]
    until = np.append(np.int64(-1), days)[np.searchsorted(closes, effective, side="right")]
    return Moments(effective, today, since, until)


def _read_splits(actions: CorporateActions, holder: str, today: int) -> _Splits:
    effects = actions.splits_until(holder, today)
    return _Splits(np.array([day for day, _ in effects], np.int64), np.array([ratio for _, ratio in effects], float))


@njit(cache=True)
def _prepare(regular_slots, split_days, ts, session, slot, phase, high, low, close, volume):
    """Sort a series' bars into sessions, without those on whose day a split takes effect, as ``_History``."""
    n, inside = len(ts), slot < regular_slots
    recent, zero = np.empty(n), 0
    for i in range(n):
        recent[i] = recent_volume(ts, session, phase, inside, volume, zero, i)
    day, turnover = np.empty(n, np.int64), np.zeros(n)
    regular, around = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    bars, edges = np.empty(n, np.int64), np.empty(n, np.int64)
    days, begin, own, other = 0, 0, 0, 0
    for i in range(1, n + 1):
        if i < n and session[i] == session[begin]:
            continue
        usable = False
        for k in range(begin, i):
            usable = usable or inside[k]
        for split_day in split_days:
            usable = usable and split_day != session[begin]
        if usable:
            for k in range(begin, i):
                if inside[k]:
                    turnover[days] += close[k] * volume[k]
                    bars[own] = k
                    own += 1
                else:
                    edges[other] = k
                    other += 1
            day[days] = session[begin]
            days += 1
            regular[days], around[days] = own, other
        begin = i
    bars, edges = bars[:own], edges[:other]
    return _History(
        day[:days], turnover[:days], regular[: days + 1], around[: days + 1],
        ts[bars], session[bars], slot[bars], recent[bars], np.log1p(recent[bars]), high[bars], low[bars], close[bars],
        statistics.log_returns(session[bars], close[bars]),
        session[edges], slot[edges], recent[edges], np.log1p(recent[edges]), close[edges],
    )  # fmt: skip


@njit(cache=True)
def _find_windows(day, since, until, most):
    """Return for each moment the first session of its profile and the one behind its last; twice 0 for none."""
    window, first, last, least = np.zeros((len(since), 2), np.int64), 0, 0, 1
    for m in range(len(since)):
        while last < len(day) and day[last] <= until[m]:
            last += 1
        while first < last and (day[first] < since[m] or last - first > most):
            first += 1
        if last - first >= least:
            window[m] = first, last
            if last - first >= ENOUGH:
                least = ENOUGH
    return window


@njit(cache=True)
def _estimate(history, layout, window, today, splits):
    """Estimate the profiles of one series, as ``_Built``."""
    slots, regular = layout.slots, layout.slots.regular
    moment = np.flatnonzero(window[:, 1])
    count, total = len(moment), slots.total
    level, scale = np.full((count, total), np.nan), np.full((count, total), np.nan)
    factor, presence = np.full((count, total), np.nan), np.zeros((count, total))
    days, numbers = np.empty((count, 3), np.int64), np.empty((count, 4))
    widths = layout.widths[:regular]
    for p in range(count):
        first, last = window[moment[p]]
        days[p] = history.day[first], history.day[last - 1], last - first
        own = slice(history.regular[first], history.regular[last])
        around = slice(history.around[first], history.around[last])
        session, slot, close = history.session[own], history.slot[own], history.close[own]
        high, low, x, edge_x = history.high[own], history.low[own], history.x[own], history.edge_x[around]
        for k in slot:
            presence[p, k] += 1
        for k in history.edge_slot[around]:
            presence[p, k] += 1
        presence[p] /= layout.widths * (last - first)
        if _is_split_within(splits, history.day[first], today[moment[p]]):
            shares = _count_shares(session, splits, today[moment[p]])
            x, high, low, close = np.log1p(history.recent[own] * shares), high / shares, low / shares, close / shares
            shares = _count_shares(history.edge_session[around], splits, today[moment[p]])
            edge_x = np.log1p(history.edge_recent[around] * shares)
        level[p, :regular], scale[p, :regular] = statistics.estimate_volume(
            history.ts[own], session, slot, x, layout.span, widths, layout.first, layout.last
        )
        factor[p, :regular] = statistics.return_factors(history.returns[own], session, slot, widths)
        usual = history.returns[own].copy()
        for i in range(len(slot)):
            usual[i] /= factor[p, slot[i]]
        numbers[p, 0], numbers[p, 1] = statistics.volatility_quantiles(usual)
        numbers[p, 2] = statistics.mean_range(session, high, low, close, RANGE_SESSIONS)
        numbers[p, 3] = np.median(history.turnover[first:last])
        if last - first < ENOUGH:
            _borrow(
                layout, level[p, :regular], last - first, factor[p, :regular], presence[p, :regular], numbers[p, :3]
            )
        if around.stop > around.start:
            statistics.estimate_edges(
                history.edge_session[around], history.edge_slot[around], edge_x, history.edge_close[around], slots,
                last - first, numbers[p, 0], level[p, regular:], scale[p, regular:], factor[p, regular:],
            )  # fmt: skip
    return _Built(moment, days, level, scale, factor, presence, numbers)


@njit(cache=True)
def _borrow(layout, level, sessions, factor, presence, measured):
    """Let a profile of few sessions know no more than they say; the arrays are written.

    Args:
        level: of each slot of the session, NaN where nothing is known.
        factor, presence: of each slot of the session.
        measured: the volatility's quantiles and the daily range.
    """
    exact = presence * layout.widths[: len(level)]
    for k in range(len(level)):
        near = slice(layout.first[k], layout.last[k])
        presence[k] = exact[near].sum() / layout.widths[near].sum()
        if level[k] != level[k]:
            factor[k] = np.nan
    measured *= statistics.widen(sessions)


@njit(cache=True)
def _is_split_within(splits, first_day, today):
    """Whether a session of a profile counts other shares than its last."""
    return np.any((first_day < splits.day) & (splits.day <= today))


@njit(cache=True)
def _count_shares(session, splits, today):
    """Return today's shares per share of each bar's session."""
    shares = np.ones(len(session))
    for k in range(len(splits.day)):
        if splits.day[k] <= today:
            for i in range(len(session)):
                if session[i] < splits.day[k]:
                    shares[i] *= splits.ratio[k]
    return shares


def _join(
    built: list[_Built], series: list[SeriesKey], moments: Moments, succession: Succession, classes: Mapping[str, str]
) -> ProfileColumns:
    """Put the profiles of all series together, rounded, under the tickers that these have when they hold."""
    counts = [len(part.moment) for part in built]
    code, total = np.repeat(np.arange(len(series)), counts), max([part.level.shape[1] for part in built], default=0)

    def table(name: str) -> np.ndarray:
        """Four decimals: 0.01 % of a volume, and a third of the message."""
        out, at = np.full((len(code), total), np.nan), 0
        for part, count in zip(built, counts, strict=True):
            out[at : at + count, : part.level.shape[1]] = getattr(part, name)
            at += count
        return np.round(out, 4)

    moment = np.concatenate([np.empty(0, np.int64), *(part.moment for part in built)])
    days = np.concatenate([np.empty((0, 3), np.int64), *(part.days for part in built)]).astype(np.int32)
    numbers = np.concatenate([np.empty((0, 4)), *(part.numbers for part in built)])
    effective_ms, turnover = moments.effective_ms[moment], np.round(numbers[:, 3], 2)
    keys, named, holds = _name_series(series, code, effective_ms, succession)
    slots = np.array([part.level.shape[1] for part in built], np.int32)
    profiles = ProfileColumns(
        keys=keys,
        asset_class=[classes.get(symbol, "") for symbol, _ in keys],
        code=named,
        effective_ms=effective_ms,
        first_day=days[:, 0],
        last_day=days[:, 1],
        sessions=days[:, 2],
        volume_level=table("level"),
        volume_scale=table("scale"),
        return_factor=table("factor"),
        presence=table("presence"),
        slots=np.repeat(slots, counts),
        volatility_fire=_six_digits(numbers[:, 0]),
        volatility_clear=_six_digits(numbers[:, 1]),
        range_percent=_six_digits(numbers[:, 2]),
        turnover=turnover,
        liquidity=np.where(turnover >= LIQUID, 0, np.where(turnover >= MID, 1, 2)).astype(np.int8),
        range_long=np.full(len(code), np.nan),
        carried=np.zeros(len(code), np.int32),
        levels=np.empty((len(code), 0, len(PERIODS))),
        tail_rows=np.zeros((len(code), 3), np.int64),
    )
    place = np.argsort(np.argsort(np.array([f"{symbol}\0{timespan}" for symbol, timespan in keys], object)))
    order = np.lexsort((effective_ms, place[named])) if len(keys) else holds
    return profiles.take(order[holds[order]] if len(keys) else np.empty(0, np.int64))


def _name_series(
    series: list[SeriesKey], code: np.ndarray, effective_ms: np.ndarray, succession: Succession
) -> tuple[list[SeriesKey], np.ndarray, np.ndarray]:
    """Return the keys by which profiles go, the code of each profile, and which hold at all."""
    holds = np.ones(len(code), bool)
    if not succession.tickers:
        return series, code.astype(np.int32), holds
    codes: dict[SeriesKey, int] = {}
    named = np.empty(len(code), np.int32)
    for p, (of, at) in enumerate(zip(code.tolist(), effective_ms.tolist(), strict=True)):
        key = succession.name(series[of], at)
        holds[p] = succession.key(*key, at) == series[of]
        named[p] = codes.setdefault(key, len(codes))
    return list(codes), named, holds


def _six_digits(values: np.ndarray) -> np.ndarray:
    """Round to six significant digits."""
    with np.errstate(divide="ignore"):
        digits = 5 - np.floor(np.log10(np.abs(values)))
    scale = 10.0 ** np.where(np.isfinite(digits), digits, 0)
    return np.round(values * scale) / scale


def sort_bars(bars: BarColumns, until_ms: int) -> BarColumns:
    """Return the valid bars that start before a time, sorted by series and time; of each key the log's last."""
    good = (bars.ts < until_ms) & np.isfinite(bars.volume) & (bars.volume >= 0)
    for price in (bars.open, bars.high, bars.low, bars.close):
        good &= np.isfinite(price) & (price > 0)
    if not good.all():
        bars = bars.take(np.flatnonzero(good))
    order = np.lexsort((bars.ts, bars.code))  # stable: the log's last message of a key comes last
    code, ts = bars.code[order], bars.ts[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (code[1:] != code[:-1]) | (ts[1:] != ts[:-1])
    return bars.take(order[last])


def _usable_bars(
    bars: BarColumns, calendar: TradingCalendar, effective_ms: int
) -> tuple[BarColumns, np.ndarray, np.ndarray, np.ndarray]:
    """Bars of finished full sessions, sorted by series and time, with session, slot and phase; of each key the last."""
    bars = sort_bars(bars, effective_ms)
    starts, ends = _series_edges(bars.code)
    timespans = [bars.keys[code][1] for code in bars.code[starts].tolist()]
    positions = calendar.locate_bars(bars.ts, starts, ends, timespans)
    opens, closes, days = calendar.sessions.arrays()
    full = (closes <= effective_ms) & (closes - opens >= calendar.session_minutes * MINUTE_MS)
    _, ends = calendar.sessions.edges()
    # Of a day that is not over the session alone is used.
    usable = positions.regular | _are_among(positions.session, days[ends <= effective_ms])
    index = np.flatnonzero(usable & (positions.slot >= 0) & _are_among(positions.session, days[full]))
    return bars.take(index), positions.session[index], positions.slot[index], positions.phase[index]


def _are_among(days: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Whether each day, or -1, is one of ``some``."""
    known = np.zeros(max(1, int(days.max(initial=0)) + 2), bool)
    known[some[some < len(known) - 1]] = True
    return known[days]  # the last, of -1, is never set


def _series_edges(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of the bars of each series, where bars are sorted by series."""
    edges = np.flatnonzero(np.diff(code, prepend=-1, append=-1)) if len(code) else np.zeros(1, dtype=np.int64)
    return edges[:-1], edges[1:]
