"""What the product raises on recorded bars, alert by alert, as people are told of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.records import Alert
from include.surveillance.studies.replay import Run
from tests.benchmarks.scorecard.recorded_days import MARKET_CODE, AlertDays, RecordedDays

SINGLE, EVENT, MEMBER, INHIBITED = "single", "event", "member", "inhibited"
COLUMNS = ("event_id", "rule", "form", "symbol", "timespan", "direction", "session_date", "episode_start_ms", "tag",
           "rarity_sessions", "score", "explanation")  # fmt: skip


def list_raised(messages: Iterable[Alert]) -> pd.DataFrame:
    """Return one row per alert about the market that stands, as it was first published.

    Args:
        messages: all that were published, those of one alert in their order.

    Returns:
        ``COLUMNS``, an event's date that of its first member; ``told``: on its own (single), as the event of a
        market-wide move, as a member of one, or not at all (inhibited); ``because``: the event's id, or what inhibits
        it.
    """
    first: dict[str, Alert] = {}
    newest: dict[str, Alert] = {}
    for alert in messages:
        if kind_of(alert.rule) == "market":
            first.setdefault(alert.event_id, alert)
            newest[alert.event_id] = alert
    standing = [alert for name, alert in first.items() if newest[name].status != "retracted"]
    event_of = {
        member: alert.event_id
        for alert in newest.values()
        if alert.symbol == MARKET and alert.status != "retracted"
        for member in alert.event_ids
    }
    begun: dict[str, str] = {}
    for alert in standing:
        if event := event_of.get(alert.event_id):
            # An event is described by its members' newest messages, which may be of later sessions.
            begun[event] = min(alert.session_date, begun.get(event, alert.session_date))
    rows = []
    for alert in standing:
        told, because = SINGLE, ""
        if alert.symbol == MARKET:
            told = EVENT
        elif alert.event_id in event_of:
            told, because = MEMBER, event_of[alert.event_id]
        elif inhibited_by := newest[alert.event_id].inhibited_by:
            told, because = INHIBITED, inhibited_by
        rows.append([*(getattr(alert, name) for name in COLUMNS), told, because])
    raised = pd.DataFrame(rows, columns=[*COLUMNS, "told", "because"])
    dates = raised["event_id"].map(begun).fillna(raised["session_date"])
    return raised.assign(session_date=dates, rarity_sessions=raised["rarity_sessions"].astype(float))


def place_alerts(raised: pd.DataFrame, days: RecordedDays) -> tuple[AlertDays, AlertDays]:
    """Return the alerts that people are told of: all of them, and those on judged days.

    An event of the market counts once, and as on a judged day when one of its members is on one.
    """
    own = raised["told"].isin([SINGLE, MEMBER, EVENT]).to_numpy()
    raised = raised[own]
    key = days.find(raised["symbol"], raised["session_date"])
    told = raised["told"].to_numpy()
    judged = days.are_judged(key)
    widely = set(raised["because"][(told == MEMBER) & judged])
    event = told == EVENT
    number = days.find(list(days.symbols)[:1] * len(raised), raised["session_date"]) & 0xFFFF_FFFF
    key = np.where(event, np.int64(MARKET_CODE) << 32 | number, key)
    judged = np.where(event, raised["event_id"].isin(widely).to_numpy(), judged)
    alone = told != MEMBER
    return AlertDays(key[alone]), AlertDays(key[alone & judged])


def place_by_rule(raised: pd.DataFrame, days: RecordedDays) -> dict[str, AlertDays]:
    """Return the alerts on judged days that are told on their own, by rule."""
    alone = raised[raised["told"] == SINGLE]
    placed = {}
    for rule, of_rule in alone.groupby("rule"):
        key = days.find(of_rule["symbol"], of_rule["session_date"])
        placed[rule] = AlertDays(key[days.are_judged(key)])
    return placed


def mark_firings(run: Run, raised: pd.DataFrame, told: Iterable[str]) -> np.ndarray:
    """Say of each bar of the scan whether an alert that is told in one of these ways fired at it."""
    chosen = raised[raised["told"].isin(list(told))]
    alerts = set(zip(chosen["rule"], chosen["symbol"], chosen["timespan"], chosen["episode_start_ms"], strict=True))
    firings, scan = run.evaluation.fresh_firings, run.evaluation.scan
    fires = np.zeros(len(scan), dtype=bool)
    for kind, index, start_ms in zip(
        firings.kind.tolist(), firings.index.tolist(), firings.start.tolist(), strict=True
    ):
        if (KINDS[kind][0], *scan.bars.key(index), start_ms) in alerts:
            fires[index] = True
    return fires
