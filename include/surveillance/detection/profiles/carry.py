"""Profiles carried forward: what only all sessions so far can say, beside what the latest ones are like."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import njit

from include.surveillance.detection.columns import BarColumns, SeriesKey
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.detection.profile_columns import ARRAYS, ENOUGH, LIQUIDITY, PARTS, ProfileColumns, TailHistory
from include.surveillance.detection.profiles.build import sort_bars
from include.surveillance.detection.rules.registry import PRIORS, TAILED
from include.surveillance.detection.succession import Succession
from include.surveillance.detection.tails import BINS, PERIODS, carry_levels, session_maxima
from include.surveillance.records import Profile
from include.surveillance.sessions import Sessions

LONG = 250
"""Sessions over which the long average of the daily range forgets."""
TAILS = len(TAILED) * len(PARTS)


def carry_forward(
    profiles: ProfileColumns,
    bars: BarColumns,
    sessions: Sessions,
    actions: CorporateActions,
    previous: Iterable[Profile] = (),
) -> ProfileColumns:
    """Return profiles with what each of them carries forward from the ones before it.

    - Tails: each session's greatest scores, as the profile of that session gave them, are counted into the tails of
      all later ones; those of one liquidity bucket are the pool of its symbols.
    - The usual range of a day is the smaller of that of its sessions and of the long average: that the last weeks were
      wild does not make a wild day usual.

    A series carries nothing before it has ``ENOUGH`` sessions: what is rare in a new one, the tails of its bucket say.
    A series goes on where its instrument changes its ticker, see ``Succession``.

    Args:
        profiles: of all series, in any order; those of one time are built together.
        bars: that they were built from, in any order.
        previous: profiles to carry on, of any series; those of a series from the newest one's time on continue it, and
            earlier ones of that series are left out.
    """
    if not len(profiles):
        return profiles
    succession = Succession(actions.tickers, TradingCalendar(sessions))
    newest: dict[SeriesKey, Profile] = {}
    for one in previous:
        key = succession.key(one.symbol, one.timespan, one.effective_ms)
        if one.carried and (key not in newest or newest[key].effective_ms < one.effective_ms):
            newest[key] = one
    profiles, keys, series = succession.sort_profiles(profiles)
    seeds = [newest.get(key) for key in keys]
    mature = np.array([seed is not None and seed.sessions >= ENOUGH for seed in seeds], bool)
    if mature.any():
        # What is new only because the bars begin there is not.
        own = np.flatnonzero((profiles.sessions >= ENOUGH) | ~mature[series])
        profiles, series = profiles.take(own), series[own]
        if not len(profiles):
            return profiles
    since = np.array([-1 if seed is None else seed.effective_ms for seed in seeds], np.int64)
    long = np.array([np.nan if seed is None else seed.range_long for seed in seeds], float)[series]
    count = np.array([0 if seed is None else seed.carried for seed in seeds], np.int32)[series]
    count[~mature[series]] = 0
    new = profiles.sessions < ENOUGH
    _carry_ranges(series, profiles.effective_ms - since[series], profiles.range_percent, new, long, count)
    columns = {name: getattr(profiles, name) for name in ARRAYS}
    columns |= {"range_long": long, "carried": count, "range_percent": np.minimum(profiles.range_percent, long)}
    profiles = ProfileColumns(profiles.keys, profiles.asset_class, **columns)
    earlier = np.zeros((len(keys), TAILS, BINS), np.int64)
    for counts, seed in zip(earlier, seeds, strict=True):
        if seed is not None:
            _add_scores(counts, seed)
    pool = np.zeros((len(LIQUIDITY) + 1, TAILS, BINS), np.int64)
    for seed in newest.values():
        _add_scores(pool[LIQUIDITY.index(seed.liquidity)], seed)
    pool[-1] = pool[:-1].sum(axis=0)
    carried = _carry_tails(profiles, series, bars, sessions, actions, since, earlier, pool)
    # Those before are there to measure with: what a rule remembers reaches back into earlier sessions.
    return carried.take(np.flatnonzero(carried.effective_ms >= since[series])) if newest else carried


def _add_scores(counts: np.ndarray, profile: Profile) -> None:
    for tail in profile.tails:
        if tail.rule in TAILED:
            number = TAILED.index(tail.rule) * len(PARTS) + PARTS.index(tail.part)
            for place, sessions in tail.scores:
                counts[number, place] += sessions


def _carry_tails(
    profiles: ProfileColumns, series: np.ndarray, bars: BarColumns, sessions: Sessions, actions: CorporateActions,
    since: np.ndarray, earlier: np.ndarray, pool: np.ndarray,
) -> ProfileColumns:  # fmt: skip
    # Nothing is learnt of rarity from sessions that were held against few.
    enough = profiles.sessions >= ENOUGH
    used = np.flatnonzero(enough if enough.any() else ~enough)
    engine = Engine(ParameterBook(), sessions, actions, profiles.take(used))
    bars = sort_bars(engine.succession.join(bars), int(profiles.effective_ms.max()))
    scan, scores = engine.score(bars)
    segments, session = scan.segments, scan.positions.session
    # A row for each session of a series; bars of one are neighbours.
    starts = np.zeros(len(scan), bool)
    starts[1:] = session[1:] != session[:-1]
    starts[segments.start] = True
    row, first = np.cumsum(starts) - 1, np.flatnonzero(starts)
    maxima = np.full((len(first), TAILS), np.nan)
    for number, name in enumerate(TAILED):
        part = maxima[:, number * len(PARTS) : (number + 1) * len(PARTS)]
        session_maxima(segments.start, segments.end, session, scan.positions.regular, scores[name], row, part)
    # The moment from which on a session is known, and whether what is carried on does not know it yet.
    moments, moment = np.unique(profiles.effective_ms, return_inverse=True)
    _, closes, days = sessions.arrays()
    closed = closes[np.searchsorted(days, session[first])]
    known_at = np.searchsorted(moments, closed)
    in_force = np.append(used, -1)[scan.profile[np.append(first[1:], len(scan)) - 1]]
    counted = np.flatnonzero((in_force >= 0) & enough[in_force] & (closed > since[series][in_force]))
    counted = counted[np.lexsort((known_at[counted], series[in_force[counted]]))]
    maxima, in_force, known_at = maxima[counted], in_force[counted], known_at[counted]
    by_time, by_moment = np.argsort(known_at, kind="stable"), np.argsort(moment, kind="stable")
    levels, sorted_levels = (np.empty((len(profiles), TAILS, len(PERIODS))) for _ in range(2))
    carry_levels(
        series[by_moment], moment[by_moment], profiles.liquidity[by_moment], profiles.priors(PRIORS)[by_moment],
        series[in_force][by_time], known_at[by_time], profiles.liquidity[in_force][by_time], maxima[by_time],
        earlier.copy(), pool, len(moments), sorted_levels,
    )  # fmt: skip
    levels[by_moment] = sorted_levels
    # The rows of a series that each of its profiles has counted.
    place, of_profile = (numbers.astype(np.int64) * (len(moments) + 1) for numbers in (series[in_force], series))
    place += known_at
    rows = [series, np.searchsorted(place, of_profile), np.searchsorted(place, of_profile + moment, side="right")]
    columns = {name: getattr(profiles, name) for name in ARRAYS}
    columns |= {"levels": levels, "tail_rows": np.stack(rows, axis=1)}
    history = TailHistory(TAILED, PRIORS, maxima, earlier)
    return ProfileColumns(profiles.keys, profiles.asset_class, **columns, history=history)


@njit(cache=True)
def _carry_ranges(code, after, percent, new, long, count):
    """Carry the long average of each profile's daily range, and through how many sessions it was carried.

    Args:
        code: the series of each profile; they are sorted by series and time.
        after: how long each holds after what its series begins with: less than 0 is before it.
        percent: the range of each profile's latest sessions.
        new: which profiles know few sessions and carry nothing; those of a series come first.
        long, count: what its series begins with, NaN and 0 for nothing; written.
    """
    so_far, carried = np.nan, 0
    for p in range(len(code)):
        if p == 0 or code[p] != code[p - 1]:
            so_far, carried = long[p], count[p]
        if after[p] < 0:
            long[p], count[p] = percent[p], 0
            continue
        if new[p]:
            long[p], count[p] = percent[p], 1
            continue
        if after[p] > 0:
            carried += 1
            moved = percent[p] if carried == 1 else so_far + (percent[p] - so_far) / min(carried, LONG)
            # Six digits, as a record has them, so that it can be carried on from there.
            scale = 10.0 ** (5 - np.floor(np.log10(moved))) if moved > 0 else 1.0
            so_far = np.round(moved * scale) / scale
        long[p], count[p] = so_far, carried
