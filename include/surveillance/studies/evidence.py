"""Recomputes an alert's value, threshold and rarity from what the alert cites, and from nothing else.

That is: the records of its ``event_ids``, its profile, its parameters, and the splits and dividends between the cited
bars. Two rules go by far more bars than an alert can cite: the level of the day (robust ``abnormal_volume``, and so
``news_impact``) and the percentile of all earlier values (literal ``volatility_spike``). Both are on the alert, as its
``baseline``.

These are the formulas of the rules, written down once more in plain Python, for one alert, without the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, expm1, floor, fsum, isclose, isnan, log, log1p, log2
from statistics import stdev

import numpy as np

from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.news_relevance import measure_relevance
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.positions import TradingCalendar, iso_date
from include.surveillance.detection.rules.bar_rule import RobustRule
from include.surveillance.detection.rules.robust.abnormal_volume import LEAST_SCALE
from include.surveillance.errors import SurveillanceError
from include.surveillance.records import Alert, Bar, NewsItem, Profile, Record, Watermark
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

ROUNDING = 1e-9
"""How far two ways of reckoning may lie apart, relatively."""
RARITY_ROUNDING = 1e-6
"""The same of rarities: where return levels lie close together, a score's last digit counts a thousandfold."""
LEAST_RANGE = 1e-4  # of the price, below which an average range counts as that much


class EvidenceError(SurveillanceError):
    """An alert cannot be recomputed from what it cites, or comes out differently; the message says how."""


@dataclass(frozen=True)
class Cited:
    """What one alert rests on.

    Attributes:
        alert: the alert.
        bars: the cited bars, the latest first.
        article: the cited article, if any.
        watermark: the cited watermark, if any.
        profile: the cited profile, if any.
        parameters: those in force at the bar.
        actions: splits and dividends.
        calendar: where bars lie in the trading day.
    """

    alert: Alert
    bars: Sequence[Bar]
    article: NewsItem | None
    watermark: Watermark | None
    profile: Profile | None
    parameters: Parameters
    actions: CorporateActions
    calendar: TradingCalendar

    @property
    def bar(self) -> Bar:
        """Return the latest cited bar."""
        return self.bars[0]

    @property
    def holder(self) -> str:
        """Return the instrument that held the alert's ticker."""
        return self.actions.tickers.holder(self.alert.symbol, iso_date(self.day(self.bar)))

    def usual(self) -> Profile:
        """Return the profile.

        Raises:
            EvidenceError: the alert's is not at hand.
        """
        if self.profile is None:
            raise EvidenceError(f"the profile {self.alert.profile_version} is not among the inputs")
        return self.profile

    def levels(self, rule: RobustRule) -> list[float]:
        """Return the scores that the profile exceeds once in 4, 8, ... 4,096 sessions; none where it knows no tails."""
        profile = self.usual()
        if not profile.carried:
            return []
        part = "regular" if self.alert.session_phase in ("regular", "opening_auction") else "around"
        rare = rule.prior[int(profile.timespan == "day")]  # once in 32 sessions
        unknown = [rare * (sessions / 32) ** 0.2 for sessions in (2**power for power in range(2, 13))]
        return next((it.levels for it in profile.tails if it.rule == rule.name and it.part == part), unknown)

    def limit(self, rule: RobustRule) -> float:
        """Return the threshold of a robust rule, in its own unit, that its profile and the budget give."""
        value, default = (float(getattr(one, rule.threshold)) for one in (rule, type(rule)()))
        levels, period = self.levels(rule), self.parameters.budget.period(rule.name)
        if not levels or isnan(period):
            return value
        steps = log2(period) - 2
        k = min(max(floor(steps), 0), len(levels) - 2)
        level = levels[k] * (levels[k + 1] / levels[k]) ** (steps - k) if period > 1 else 0.0
        return level if value == default else max(level, value)

    def slots(self) -> list[int]:
        """Return each bar's slot in the profile."""
        ts = np.array([bar.ts_ms for bar in reversed(self.bars)])
        end = np.array([len(ts)])
        located = self.calendar.locate_bars(ts, np.array([0]), end, [self.bar.timespan])
        return located.slot.tolist()[::-1]

    def day(self, bar: Bar) -> int:
        """Return the day by which splits and dividends count for a bar, in days from 1970-01-01."""
        return self.calendar.locate(bar.ts_ms, bar.timespan).date

    def factors(self) -> list[float]:
        """Return for each bar how many shares of the latest bar's day one of its own has become."""
        days = np.array([self.day(bar) for bar in self.bars], dtype=np.int32)
        factors = self.actions.share_factor(self.holder, days)
        return [float(factors[0] / factor) for factor in factors]

    def volumes(self) -> list[float]:
        return [float(bar.volume) * factor for bar, factor in zip(self.bars, self.factors(), strict=True)]

    def prices(self, name: str) -> list[float]:
        return [getattr(bar, name) / factor for bar, factor in zip(self.bars, self.factors(), strict=True)]


def check_evidence(cited: Cited) -> None:
    """Check that value, threshold and rarity follow from what the alert cites.

    Raises:
        EvidenceError: they do not.
    """
    alert = cited.alert
    value, threshold = recompute(cited)
    # 0 is none: nothing is as frequent.
    rarities = recompute_rarity(cited) or 0.0, alert.rarity_sessions or 0.0
    for name, found, stated, rounding in (
        ("value", value, alert.value, ROUNDING),
        ("threshold", threshold, alert.threshold, ROUNDING),
        ("rarity", *rarities, RARITY_ROUNDING),
    ):
        if not isclose(found, stated, rel_tol=rounding, abs_tol=1e-12):
            raise EvidenceError(
                f"{alert.event_id}: the {name} is {stated!r}, and what it cites gives {found!r}; the alert was made "
                "by another version, or its inputs are not those that it was made from"
            )
    times = [bar.ts_ms for bar in cited.bars]
    if cited.article:
        times.append(cited.article.published_ms)
    first_ms = min(times, default=alert.window_start_ms)
    if first_ms != alert.window_start_ms:
        raise EvidenceError(f"{alert.event_id}: its window starts at {alert.window_start_ms}, what it cites {first_ms}")


def select_cited(
    alert: Alert, inputs: Mapping[str, Record], profiles: Mapping[str, Profile], parameters: Parameters,
    actions: CorporateActions, calendar: TradingCalendar,
) -> Cited:  # fmt: skip
    """Select what an alert cites from all that is at hand.

    Args:
        inputs: bars, news and watermarks by event id.
        profiles: of the alert's series, by version.

    Raises:
        EvidenceError: an input is missing.
    """
    if missing := [event_id for event_id in alert.event_ids if event_id not in inputs]:
        raise EvidenceError(f"{alert.event_id} cites {missing[0]}, which is not among the inputs")
    cited = [inputs[event_id] for event_id in alert.event_ids]
    return Cited(
        alert=alert,
        bars=[record for record in cited if isinstance(record, Bar)],
        article=next((record for record in cited if isinstance(record, NewsItem)), None),
        watermark=next((record for record in cited if isinstance(record, Watermark)), None),
        profile=profiles.get(alert.profile_version or ""),
        parameters=parameters,
        actions=actions,
        calendar=calendar,
    )


def recompute(cited: Cited) -> tuple[float, float]:
    """Return value and threshold.

    Raises:
        EvidenceError: the rule is not known here, or its profile is missing.
    """
    alert = cited.alert
    try:
        return _FORMULAS[alert.rule, alert.form](cited)
    except (ArithmeticError, LookupError, ValueError) as error:
        raise EvidenceError(
            f"{alert.event_id} cannot be recomputed from the {len(alert.event_ids)} records that it cites: {error!r}"
        ) from error


def recompute_rarity(cited: Cited) -> float | None:
    """Return once in how many sessions the symbol goes as far as the alert; None where nothing says so.

    Raises:
        EvidenceError: the profile is missing.
    """
    score = _SCORES.get(cited.alert.rule) if cited.alert.form == "robust" else None
    if score is None or not (levels := cited.levels(getattr(cited.parameters.robust, cited.alert.rule))):
        return None
    reached = score(cited)
    if reached <= 0:
        return 1.0
    for k, (low, high) in enumerate(pairwise(levels)):
        if reached <= high:
            return max(1.0, 4.0 * 2 ** (k + (log(reached / low) / log(high / low) if high > low else 0)))
    return 4096.0


def _literal_volume(cited: Cited) -> tuple[float, float]:
    now, *before = cited.volumes()
    return now, cited.parameters.abnormal_volume.multiple * fsum(before) / len(before)


def _robust_volume(cited: Cited) -> tuple[float, float]:
    rule, profile, slot = cited.parameters.robust.abnormal_volume, cited.usual(), cited.slots()[0]
    recent, scale = fsum(cited.volumes()), max(_in_slot(profile.volume_scale, slot), LEAST_SCALE)
    allowed = expm1(log1p(cited.alert.baseline or 0.0) + cited.limit(rule) * scale)
    return recent, max(allowed, rule.rvol * (1.0 + recent) / _rvol(cited, recent) - 1.0)


def _in_slot(values: Sequence[float | None], slot: int) -> float:
    value = values[slot]
    if value is None:
        raise LookupError(f"nothing is usual in slot {slot} of the profile")
    return value


def _rvol(cited: Cited, recent: float) -> float:
    """Return how many times the usual volume the shares are, counted in the profile's shares."""
    then = cited.calendar.locate(cited.usual().effective_ms).date
    days = np.array([then, cited.day(cited.bar)], dtype=np.int32)
    of_profile, of_bar = cited.actions.share_factor(cited.holder, days).tolist()
    return exp(log1p(recent * of_profile / of_bar) - _in_slot(cited.usual().volume_level, cited.slots()[0]))


def _literal_volatility(cited: Cited) -> tuple[float, float]:
    returns = _log_returns(cited.prices("close"))
    return stdev(returns), cited.parameters.volatility_spike.multiple * (cited.alert.baseline or 0.0)


def _robust_volatility(cited: Cited) -> tuple[float, float]:
    profile, slots = cited.usual(), cited.slots()
    scaled = [
        one / _in_slot(profile.return_factor, slot)
        for one, slot in zip(_log_returns(cited.prices("close")), slots, strict=False)
    ]
    return stdev(scaled), cited.limit(cited.parameters.robust.volatility_spike) * profile.volatility_fire


def _log_returns(closes: Sequence[float]) -> list[float]:
    """Return ln(close / the close before), the latest first."""
    return [log(now / before) for now, before in pairwise(closes)]


def _literal_breakout(cited: Cited) -> tuple[float, float]:
    close, level, sign, width = _range(cited)
    return close, level + sign * cited.parameters.price_breakout.buffer * width


def _robust_breakout(cited: Cited) -> tuple[float, float]:
    rule, (close, level, sign, _) = cited.parameters.robust.price_breakout, _range(cited)
    return close, level + sign * cited.limit(rule) * _average_range(cited)


def _average_range(cited: Cited) -> float:
    """Return the average true range of the bars before."""
    highs, lows, closes = (cited.prices(name) for name in ("high", "low", "close"))
    window = cited.parameters.robust.price_breakout.window
    ranges = [max(highs[back], closes[back + 1]) - min(lows[back], closes[back + 1]) for back in range(1, window + 1)]
    return max(fsum(ranges) / window, LEAST_RANGE * closes[0])


def _range(cited: Cited) -> tuple[float, float, float, float]:
    """Return close, level that was broken, sign of the direction, and width of the range of the bars before."""
    back = cited.parameters.price_breakout.window
    highest, lowest = max(cited.prices("high")[1 : back + 1]), min(cited.prices("low")[1 : back + 1])
    level, sign = (highest, 1.0) if cited.alert.direction == "up" else (lowest, -1.0)
    return cited.bar.close, level, sign, highest - lowest


def _literal_gap(cited: Cited) -> tuple[float, float]:
    _, before = cited.prices("close")
    return abs(cited.bar.open / before - 1.0), cited.parameters.price_gap.limit


def _pump_and_dump(cited: Cited) -> tuple[float, float]:
    """Return the rise over the lowest close; of a fall the share of the rise that is gone since the peak."""
    rule, (close, *before) = cited.parameters.pump_and_dump, cited.prices("close")
    if cited.alert.direction == "up":
        return close / min(before[: rule.lookback]) - 1.0, rule.rise
    peak, low = before[0], before[-1]
    return (peak - close) / (peak - low), rule.give_back


def _robust_gap(cited: Cited) -> tuple[float, float]:
    opening, previous = cited.bars
    sessions = (cited.calendar.locate(bar.ts_ms, bar.timespan).session for bar in (previous, opening))
    before = cited.prices("close")[1] - cited.actions.dividend_between(cited.holder, *sessions)
    return abs(log(opening.open / before)) / cited.usual().range_percent, cited.limit(cited.parameters.robust.price_gap)


def _robust_news(cited: Cited) -> tuple[float, float]:
    article, rule = cited.article, cited.parameters.robust.news_impact
    if article is None:
        raise EvidenceError(f"{cited.alert.event_id} cites no article")
    apart = abs(cited.bar.ts_ms - article.published_ms) / MINUTE_MS
    near = exp(-apart / rule.decay_minutes) if rule.decay_minutes else float(apart == 0)
    allowed = cited.limit(cited.parameters.robust.abnormal_volume)
    return near * measure_relevance(article) * min(_volume_score(cited) / allowed, 5.0), rule.minimum


def _volume_score(cited: Cited) -> float:
    scale = max(_in_slot(cited.usual().volume_scale, cited.slots()[0]), LEAST_SCALE)
    return (log1p(fsum(cited.volumes())) - log1p(cited.alert.baseline or 0.0)) / scale


def _breakout_score(cited: Cited) -> float:
    close, level, _, _ = _range(cited)
    return abs(close - level) / _average_range(cited)


def _freshness(cited: Cited) -> tuple[float, float]:
    rule, watermark = cited.parameters.feed_freshness, _watermark(cited)
    allowed = rule.allowed_minutes[watermark.timespan]
    if cited.alert.form == "robust":
        allowed = rule.explained_minutes(
            cited.calendar.regular_presence(cited.usual()), SPAN_MS[watermark.timespan] / MINUTE_MS
        )
    return cited.calendar.sessions.minutes_between(cited.bar.close_ms, watermark.as_of_ms), allowed


def _quality(cited: Cited) -> tuple[float, float]:
    return float(_watermark(cited).rejected), float(cited.parameters.data_quality.allowed)


def _watermark(cited: Cited) -> Watermark:
    if cited.watermark is None:
        raise EvidenceError(f"{cited.alert.event_id} cites no watermark")
    return cited.watermark


_FORMULAS: dict[tuple[str, str], Callable[[Cited], tuple[float, float]]] = {
    ("abnormal_volume", "literal"): _literal_volume,
    ("abnormal_volume", "robust"): _robust_volume,
    ("volatility_spike", "literal"): _literal_volatility,
    ("volatility_spike", "robust"): _robust_volatility,
    ("price_breakout", "literal"): _literal_breakout,
    ("price_breakout", "robust"): _robust_breakout,
    ("price_gap", "literal"): _literal_gap,
    ("price_gap", "robust"): _robust_gap,
    ("news_impact", "literal"): _literal_volume,
    ("news_impact", "robust"): _robust_news,
    ("pump_and_dump", "literal"): _pump_and_dump,
    ("feed_freshness", "literal"): _freshness,
    ("feed_freshness", "robust"): _freshness,
    ("data_quality", "literal"): _quality,
}
_SCORES: dict[str, Callable[[Cited], float]] = {
    "abnormal_volume": _volume_score,
    "volatility_spike": lambda cited: _robust_volatility(cited)[0] / cited.usual().volatility_fire,
    "price_breakout": _breakout_score,
    "price_gap": lambda cited: _robust_gap(cited)[0],
}
"""What each robust rule holds against its threshold, by which its tails count."""
