"""Abnormal volume: far more shares than usual at this time of day, on a day like this."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection.logarithms import expm1, log1p
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, RobustRule, times_limit
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

WINDOW_MS = 5 * MINUTE_MS
HALF_LIFE_MS = 40 * MINUTE_MS  # of the day's level
PRIOR_MS = 20 * MINUTE_MS  # how much observed time the start of the day's level is worth
CARRY = 0.7  # of the level of the session before
CARRY_DAYS = 4  # back, at most: over a long weekend
CLIP = 0.5  # how far one bar may pull the day's level: a burst must not become the day's level while it lasts
LEAST_SCALE = 0.35  # below, a burst of three times would be many z, and so would be every fund rebalancing


class VolumeMemory(NamedTuple):
    """Holds what is remembered of each series, zero for nothing yet.

    Attributes:
        total, weight: the day's level as a weighted sum, and its weight.
        start: the level with which the day started.
        last_ts: start of the bar up to which the level counts.
        session: the day, as in ``Positions``; negative where its profile was of a new series.
    """

    total: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    last_ts: np.ndarray
    session: np.ndarray


class VolumeBars(NamedTuple):
    """Holds what is measured, per bar; ``slot`` is -1 where the market is closed, ``profile`` -1 for none.

    ``volume`` is in the shares of the bar's profile; the other fields are those of ``Positions`` and ``Scan``.
    """

    ts: np.ndarray
    session: np.ndarray
    phase: np.ndarray
    regular: np.ndarray
    slot: np.ndarray
    volume: np.ndarray
    profile: np.ndarray


class RobustAbnormalVolume(RobustRule, frozen=True):
    """The last five minutes traded far more shares than is usual at this time of day, on a day like this.

    x is ln(1 + shares of the last five minutes), the bar's own included; a longer bar is taken alone. The five minutes
    do not reach from one part of the day into another: pre-market, regular session, closing auction, post-market.
    From earlier sessions the symbol's profile knows, for each time of day, the usual x (a median) and how much x
    varies, S (1.4826 x the median absolute deviation, at least 0.35). Some days are busy as a whole: their level, a, is
    how far x was above the usual on average earlier in the same regular session, recent minutes first (half-life 40
    minutes), starting from 0.7 times the level at the end of the session before. No bar moves the level by more than
    0.5 from what it was, so that a burst does not hide itself. Outside the regular session a is 0: how much days differ
    is part of S there.

        z = (x - usual x - a) / S          RVOL = e^(x - usual x)

    The rule fires when z is greater than what the budget of alerts asks for in this symbol (4 where its profile knows
    no tail yet), RVOL is greater than 1.5, and the five minutes traded more than $10,000.

    Example: at 11:00 some symbol trades 20,000 shares in five minutes on most days, S is 0.4, and today is half as
    busy again (a = 0.41). Now it traded 160,000: RVOL 8, z = (ln 160,001 - ln 20,001 - 0.41) / 0.4 = 4.17 > 4, so it
    fires with value 160,000, baseline about 30,000 (20,000 x 1.5) and threshold about 149,000, all in shares.

    Warm-up: not applicable without a profile (one full session), while the market is closed, where the one or two
    sessions of a new symbol have no trade within an hour, and, outside the regular session, at times of day at which
    fewer than half of the profile's sessions, or fewer than three, have any trade: nothing is usual there. With one or
    two sessions S comes from how much x changes from one five minutes to the next within an hour. Early in a session
    its level is mostly that of the session before. No dispersion (every day the same volume): S is 0.35.
    Exceedance: z / limit.

    Attributes:
        z: how many robust standard deviations are allowed.
        rvol: how many times the usual is allowed, however steady the symbol.
        turnover_floor: dollars that the five minutes must trade to matter.
    """

    name = "abnormal_volume"
    version = 1
    threshold = "z"
    prior = (6.5, 3.0)
    reported = ("rvol", "volume_z")
    memory: ClassVar[dict[str, str]] = {
        "volume_sum": "f8",
        "volume_weight": "f8",
        "volume_start": "f8",
        "volume_at": "i8",
        "volume_session": "i4",
    }

    z: float = 4.0
    rvol: float = 1.5
    turnover_floor: float = 10_000.0

    @property
    def context(self) -> int:
        return WINDOW_MS // MINUTE_MS

    def first_bar(self, scan: Scan, index: int) -> int:
        positions, segments = scan.positions, scan.segments
        start = segments.start[np.searchsorted(segments.end, index, side="right")]
        where = positions.session, positions.phase, positions.regular
        return int(first_recent(scan.bars.ts, *where, start, index))

    def measure(self, scan: Scan) -> None:
        positions, shares = scan.positions, scan.shares_of_profile()
        volume = scan.bars.volume if shares is None else scan.bars.volume * shares
        recent = scan.new_measure("recent_volume")
        where = positions.session, positions.phase, positions.regular, positions.slot
        bars = VolumeBars(scan.bars.ts, *where, volume, scan.profile)
        measure_volume(
            bars,
            scan.profiles.volume_level,
            scan.profiles.volume_scale,
            scan.profiles.new,
            scan.segments,
            scan.span,
            VolumeMemory(*scan.remembered(self.memory)),
            recent,
            scan.new_measure("rvol"),
            scan.new_measure("volume_z"),
        )
        if shares is not None:
            recent /= shares

    def score(self, scan: Scan, limits: Limits) -> np.ndarray:
        z, rvol, recent = (scan.measures[name] for name in ("volume_z", "rvol", "recent_volume"))
        counts = (rvol > limits("rvol")) & (recent * scan.bars.close > limits("turnover_floor"))
        return np.where(counts, z, np.where(np.isnan(z), np.nan, 0.0))

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        limit, least_rvol, score = limits("z"), limits("rvol"), self.score(scan, limits)
        index = np.flatnonzero(score > limit)
        z, limit = score[index], limit[index]
        rvol, recent = (scan.measures[name][index] for name in ("rvol", "recent_volume"))
        scale = np.maximum(scan.profiles.volume_scale[scan.profile[index], scan.positions.slot[index]], LEAST_SCALE)
        expected = log1p(recent) - z * scale
        threshold = np.maximum(expm1(expected + limit * scale), least_rvol[index] * (1.0 + recent) / rvol - 1.0)
        yield Fired(index, recent, threshold, expm1(expected), times_limit(z, limit), statistic=z)

    def sentence(self, firing: Firing) -> str:
        traded, expected, allowed = wording.numbers(firing.value, firing.baseline, firing.threshold)
        times = f"{wording.numbers(firing.value / firing.baseline)[0]} times " if firing.baseline > 0 else "against "
        start_ms = int(firing.scan.bars.ts[self.first_bar(firing.scan, firing.index)])
        during = wording.during(firing.timespan, firing.ts_ms, firing.session_date)
        if start_ms < firing.ts_ms:
            during = wording.between(start_ms, firing.ts_ms + SPAN_MS[firing.timespan])
        return (
            f"{firing.symbol} traded {traded} shares {during}, {times}what is usual at this time on a day like "
            f"this ({expected}); up to {allowed} are allowed."
        )


@njit(cache=True)
def first_recent(ts, session, phase, regular, start, i):
    """Return the first bar of bar i's part of the day that starts in (ts - 5 minutes, ts]; the bars from it to ``i``.

    The parts are the pre-market, the regular session with its opening auction, the closing auction, the post-market.
    """
    j = i - 1
    while j >= start and session[j] == session[i] and ts[j] > ts[i] - WINDOW_MS:
        if phase[j] != phase[i] and not (regular[j] and regular[i]):
            break
        j -= 1
    return j + 1


@njit(cache=True)
def recent_volume(ts, session, phase, regular, volume, start, i):
    """Add up the shares of these bars, the latest first."""
    total = 0.0
    for j in range(i, first_recent(ts, session, phase, regular, start, i) - 1, -1):
        total += volume[j]
    return total


@njit(cache=True)
def fade_level(total, weight, start, last_ts, day, ts, session, span, usual_fade):
    """Return the day's level (sum, weight and the level that it started with) as it counts at the next bar."""
    if session != day:
        # Zeros, before the first session: no level, long ago.
        before = (total + PRIOR_MS * start) / (weight + PRIOR_MS)
        return 0.0, 0.0, CARRY * before if abs(session - day) <= CARRY_DAYS else 0.0
    since = ts - last_ts
    fade = usual_fade if since == span else 0.5 ** (since / HALF_LIFE_MS)
    return total * fade, weight * fade, start


@njit(cache=True)
def measure_residuals(ts, session, above, span, out):
    """Write how far each bar of the regular session is above the usual and above its day's level.

    Args:
        ts, session: of one series' bars, sorted by time.
        above: x less the usual x of each.
        span: of the bars, in ms.
        out: written, one per bar.
    """
    usual_fade = 0.5 ** (span / HALF_LIFE_MS)
    total, weight, start, last_ts, day = 0.0, 0.0, 0.0, ts[0], np.int32(0)
    for i in range(len(ts)):
        total, weight, start = fade_level(total, weight, start, last_ts, day, ts[i], session[i], span, usual_fade)
        today = (total + PRIOR_MS * start) / (weight + PRIOR_MS)
        last_ts, day = ts[i], session[i]
        out[i] = above[i] - today
        total += span * min(max(above[i], today - CLIP), today + CLIP)
        weight += span


@njit(cache=True)
def measure_volume(bars, level, scale, new, segments, span, memory, recent, rvol, z):
    """Measure recent shares, RVOL and z of the bars that are evaluated.

    Args:
        bars: VolumeBars, sorted by series and time.
        level, scale: usual x and S, [profile, slot].
        new: whose series is new, [profile].
        segments, span: ``Segments`` of the bars, and the length of each one's bars in ms.
        memory: VolumeMemory as of ``evaluate_from``; afterwards as of ``revisable_from``.
        recent, rvol, z: written per bar that is evaluated; NaN where not applicable.
    """
    ts, session, phase, regular = bars.ts, bars.session, bars.phase, bars.regular
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        usual_fade = 0.5 ** (span[s] / HALF_LIFE_MS)
        total, weight, start = memory.total[row], memory.weight[row], memory.start[row]
        last_ts, day = memory.last_ts[row], memory.session[row]
        for i in range(first, end):
            if i == revisable:
                memory.total[row], memory.weight[row], memory.start[row] = total, weight, start
                memory.last_ts[row], memory.session[row] = last_ts, day
            recent[i], rvol[i], z[i] = nan, nan, nan
            p, slot = bars.profile[i], bars.slot[i]
            if p < 0 or slot < 0 or level[p, slot] != level[p, slot]:
                continue
            if not regular[i]:
                recent[i] = recent_volume(ts, session, phase, regular, bars.volume, segments.start[s], i)
                above = np.log1p(recent[i]) - level[p, slot]
                rvol[i], z[i] = np.exp(above), above / max(scale[p, slot], LEAST_SCALE)
                continue
            shares = recent_volume(ts, session, phase, regular, bars.volume, segments.start[s], i)
            above = np.log1p(shares) - level[p, slot]
            # What a profile of few sessions makes of a day says nothing of the next day to one of more.
            own = -session[i] if new[p] else session[i]
            total, weight, start = fade_level(
                total, weight, start, last_ts, day, ts[i], own, span[s], usual_fade
            )  # fmt: skip
            today = (total + PRIOR_MS * start) / (weight + PRIOR_MS)
            last_ts, day = ts[i], own
            recent[i] = shares
            rvol[i] = np.exp(above)
            z[i] = (above - today) / max(scale[p, slot], LEAST_SCALE)
            total += span[s] * min(max(above, today - CLIP), today + CLIP)
            weight += span[s]
        if revisable >= end:
            memory.total[row], memory.weight[row], memory.start[row] = total, weight, start
            memory.last_ts[row], memory.session[row] = last_ts, day
