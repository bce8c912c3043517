"""Firings -> alerts: episodes with a cooldown, a score, a severity, and how an alert reads as one line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from .detection.rules.rule import Firing
from .detection.series import Episode
from .models import Alert

Severity = Literal["low", "medium", "high", "critical"]
_BANDS: tuple[tuple[float, Severity], ...] = ((90.0, "critical"), (75.0, "high"), (60.0, "medium"), (0.0, "low"))


def score(exceedance: float) -> float:
    """0-100 from the degree of exceedance: 100 x (1 - 2^-exceedance), to one decimal.

    50 at the limit, 75 at twice, 87.5 at three times the limit, towards 100.
    """
    return round(100 * (1 - 2**-exceedance), 1)


def severity(points: float) -> Severity:
    """low below 60, medium below 75, high below 90, else critical."""
    return next(name for floor, name in _BANDS if points >= floor)


def join_episode(episodes: dict[str, Episode], firing: Firing, cooldown_ms: int) -> tuple[int, bool]:
    """The start of the episode that a firing belongs to, and whether the firing opens it.

    At most ``cooldown_ms`` after the latest firing of the same rule and direction it continues that episode, which is
    counted in ``episodes``. A firing that comes late for a time before the episode is an episode of its own.
    """
    key = f"{firing.rule}|{firing.direction}"
    episode = episodes.get(key)
    if episode is None or firing.ts_ms - episode.last_ms > cooldown_ms:
        episodes[key] = Episode(firing.ts_ms, firing.ts_ms, 1)
        return firing.ts_ms, True
    if firing.ts_ms < episode.start_ms - cooldown_ms:
        return firing.ts_ms, True
    episode.last_ms = max(episode.last_ms, firing.ts_ms)
    episode.firings += 1
    return episode.start_ms, False


def alert(
    firing: Firing,
    *,
    symbol: str,
    timespan: str,
    episode_start_ms: int,
    phase: str,
    date: str,
    parameters_version: str,
) -> Alert:
    """The explained alert of one firing; all firings of an episode share its id."""
    points = score(firing.exceedance)
    return Alert(
        rule=firing.rule,
        rule_version=firing.version,
        parameters_version=parameters_version,
        symbol=symbol,
        timespan=timespan,
        ts_ms=firing.ts_ms,
        bar_close_ms=firing.close_ms,
        direction=firing.direction,
        value=firing.value,
        threshold=firing.threshold,
        baseline=firing.baseline,
        window_start_ms=firing.window_start_ms,
        window_end_ms=firing.window_end_ms,
        score=points,
        severity=severity(points),
        episode_start_ms=episode_start_ms,
        session_phase=phase,
        session_date=date,
        # Recorded bars carry no time of poll.
        data_age_ms=firing.polled_ms - firing.close_ms if firing.polled_ms else 0,
        event_ids=firing.event_ids,
        article_id=firing.article_id,
        explanation=firing.explanation,
        source=firing.source,
    )


def line(alert: Alert) -> str:
    """One readable line: time of the bar's close, severity, symbol, rule, explanation."""
    closed = datetime.fromtimestamp(alert.bar_close_ms / 1000, UTC)
    rule = f"{alert.rule} {alert.direction}".rstrip()
    return f"{closed:%Y-%m-%d %H:%M:%SZ} {alert.severity.upper():<8} {alert.symbol:<6} {rule}: {alert.explanation}"
