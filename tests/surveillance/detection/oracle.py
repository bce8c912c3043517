"""The literal rules once more, bar by bar and in plain Python: what the engine must find, row for row.

Nothing of the product is imported. Sums are ``math.fsum``, correctly rounded, so that equal windows in any order give
equal numbers and a comparison at an exact tie has one answer; windows that a split falls into are summed as fractions.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from datetime import date
from fractions import Fraction

import exchange_calendars
import pandas as pd

WINDOW = 20
RATIO = 3
HISTORY = 100
GAP = 0.02
NEAR_MS = 600_000
SPAN_MS = {"minute": 60_000, "5minute": 300_000, "15minute": 900_000, "hour": 3_600_000, "day": 86_400_000}
XNYS = exchange_calendars.get_calendar("XNYS", start="2000-01-03", end="2030-12-31").schedule
SESSIONS = {
    day.date(): (opens.hour * 60 + opens.minute, closes.hour * 60 + closes.minute)
    for day, opens, closes in zip(
        XNYS.index,
        XNYS["open"].dt.tz_convert("America/New_York"),
        XNYS["close"].dt.tz_convert("America/New_York"),
        strict=True,
    )
}
"""Date -> minutes of New York's day at which the session opens and closes; 13:00 on a half-day."""

KEYS = ["symbol", "timespan", "ts_ms", "rule", "direction"]
NUMBERS = ["value", "threshold", "baseline"]
MEASURES = ["volume_mean", "log_return", "return_std", "return_std_p95", "highest_high", "lowest_low", "gap"]


def detect(
    bars: pd.DataFrame,
    session_reset: bool = False,
    splits: pd.DataFrame | None = None,
    news: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every firing, and what was measured at every bar.

    Args:
        bars: columns symbol, timespan, ts_ms, open, high, low, close, volume; one row per key, any order.
        session_reset: windows restart each New York date.
        splits: columns ticker, execution_date, split_from, split_to.
        news: columns symbol, published_ms, sentiment.

    Returns:
        Firings with the columns KEYS and NUMBERS; measures with symbol, timespan, ts_ms and MEASURES, NaN where a bar
        has too little before it.
    """
    firings, measures = [], []
    for (symbol, timespan), series in bars.sort_values("ts_ms").groupby(["symbol", "timespan"]):
        factors = _share_factors(series["ts_ms"], symbol, splits)
        negative = _negative(symbol, news) if SPAN_MS[timespan] < NEAR_MS else []
        _series(symbol, timespan, series, factors, negative, session_reset, firings, measures)
    return (
        pd.DataFrame(firings, columns=[*KEYS, *NUMBERS]).astype({"ts_ms": int} | dict.fromkeys(NUMBERS, float)),
        pd.DataFrame(measures, columns=["symbol", "timespan", "ts_ms", *MEASURES]).astype(
            dict.fromkeys(MEASURES, float)
        ),
    )


def _series(symbol, timespan, series, factors, negative, session_reset, firings, measures) -> None:
    ts, opens, highs, lows, closes, volumes = (
        series[name].tolist() for name in ("ts_ms", "open", "high", "low", "close", "volume")
    )
    local = _new_york(series["ts_ms"])
    dates, minutes = local.dt.date.tolist(), (local.dt.hour * 60 + local.dt.minute).tolist()
    returns: list[float] = []  # returns[i] ends at bar i
    earlier: list[float] = []  # sorted
    first_of_date = 0
    regular = [_is_regular(timespan, *local) for local in zip(dates, minutes, strict=True)]
    gaps = _gaps(regular, dates, opens, closes, factors)

    for i, at in enumerate(ts):
        if i and dates[i] != dates[i - 1]:
            first_of_date = i
        before = _adjusted(closes[i - 1], factors[i - 1], factors[i]) if i else math.nan
        returns.append(math.log(closes[i] / before) if i else math.nan)
        mean = deviation = limit = highest = lowest = math.nan

        def fire(rule, direction, value, threshold, baseline, key=(symbol, timespan, at)):
            firings.append((*key, rule, direction, value, threshold, baseline))

        if i - (first_of_date if session_reset else 0) >= WINDOW:
            mean, highest, lowest = _window(i, highs, lows, volumes, factors)
            if volumes[i] > RATIO * mean:
                fire("abnormal_volume", "", volumes[i], RATIO * mean, mean)
                if bisect_left(negative, at + NEAR_MS) > bisect_right(negative, at - NEAR_MS):
                    fire("news_impact", "", volumes[i], RATIO * mean, mean)
            if closes[i] > highest:
                fire("price_breakout", "up", closes[i], highest, highest)
            if closes[i] < lowest:
                fire("price_breakout", "down", closes[i], lowest, lowest)

            deviation = _deviation(returns[i - WINDOW + 1 : i + 1])
            if len(earlier) >= HISTORY:
                limit = _percentile_95(earlier)
                if deviation > limit:
                    fire("volatility_spike", "", deviation, limit, limit)
            insort(earlier, deviation)

        gap, baseline = gaps[i]
        if abs(gap) > GAP:
            fire("price_gap", "up" if gap > 0 else "down", abs(gap), GAP, baseline)
        measures.append((symbol, timespan, at, mean, returns[i], deviation, limit, highest, lowest, gap))


def _window(i: int, highs, lows, volumes, factors) -> tuple[float, float, float]:
    """Mean volume, highest high and lowest low of the bars before bar i, per share of its day."""
    window, now = slice(i - WINDOW, i), factors[i]
    if factors[i - WINDOW] == now:
        return math.fsum(volumes[window]) / WINDOW, max(highs[window]), min(lows[window])
    past = range(i - WINDOW, i)
    mean = float(sum(_exact(volumes[j]) * now / factors[j] for j in past) / WINDOW)
    highest = max(_adjusted(highs[j], factors[j], now) for j in past)
    return mean, highest, min(_adjusted(lows[j], factors[j], now) for j in past)


def _gaps(regular, dates, opens, closes, factors) -> list[tuple[float, float]]:
    """(gap, close before it) at the first regular bar of each date but the first date; NaN elsewhere."""
    gaps = []
    latest: tuple[date, float, Fraction | int] | None = None  # date, close, factor of the latest regular bar
    for i, day in enumerate(dates):
        gap = baseline = math.nan
        if regular[i]:
            if latest is not None and latest[0] != day:
                baseline = _adjusted(latest[1], latest[2], factors[i])
                gap = opens[i] / baseline - 1
            latest = (day, closes[i], factors[i])
        gaps.append((gap, baseline))
    return gaps


def _deviation(values: list[float]) -> float:
    """With n - 1 in the denominator."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum([(value - mean) ** 2 for value in values]) / (len(values) - 1))


def _percentile_95(ordered: list[float]) -> float:
    """Linear interpolation between the two neighbours of rank 0.95 (n - 1)."""
    below, hundredths = divmod(95 * (len(ordered) - 1), 100)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return low + (high - low) * (hundredths / 100)


def _is_regular(timespan: str, day: date, minute: int) -> bool:
    """By the exchange's session, half-days included; a day bar always."""
    if timespan == "day":
        return True
    opens, closes = SESSIONS.get(day, (0, 0))
    return opens <= minute < closes or (timespan == "hour" and minute < opens < minute + 60)


def _new_york(ts_ms: pd.Series) -> pd.Series:
    return pd.to_datetime(ts_ms, unit="ms", utc=True).dt.tz_convert("America/New_York")


def _share_factors(ts_ms: pd.Series, symbol: str, splits: pd.DataFrame | None) -> list[Fraction | int]:
    """Shares at each bar that one share of long ago has become."""
    mine = [] if splits is None else splits[splits["ticker"] == symbol].to_dict("records")
    if not mine:
        return [1] * len(ts_ms)
    dates = _new_york(ts_ms).dt.strftime("%Y-%m-%d")
    becomes = {str(it["execution_date"])[:10]: _exact(it["split_to"]) / _exact(it["split_from"]) for it in mine}
    return [math.prod((ratio for day, ratio in becomes.items() if day <= today), start=Fraction(1)) for today in dates]


def _adjusted(price: float, then: Fraction | int, now: Fraction | int) -> float:
    """A price per share of then, per share of now."""
    return price if then == now else float(_exact(price) * then / now)


def _exact(number: float) -> Fraction:
    """The decimal that the vendor wrote, not the binary next to it."""
    return Fraction(repr(number) if isinstance(number, float) else number)


def _negative(symbol: str, news: pd.DataFrame | None) -> list[int]:
    if news is None:
        return []
    return sorted(news.loc[(news["symbol"] == symbol) & (news["sentiment"] == "negative"), "published_ms"].tolist())
