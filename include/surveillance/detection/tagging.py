"""Tags alerts in the order of the log, and again where news that comes late explains them otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.market_events import is_explained
from include.surveillance.detection.context_tags import Context, Story, decide_tag
from include.surveillance.detection.record_state import TaggedAlert
from include.surveillance.detection.scheduled_days import find_scheduled, name_days
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Watermark
from include.surveillance.timespans import DAY_MS, SPAN_MS

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine

REMEMBERED = 2
"""Bars per series, the newest that alerted, whose alerts an article which comes late can still explain."""
HAS_ITS_NEWS_MS = 2 * DAY_MS
"""How long after an alert's bar came an article may still come: up to the next evening, which polls news again."""


class Tagging:
    """Tags the alerts of one pass; what it is called with goes by in the order of the log.

    Args:
        state: its articles are read; the alerts that it remembers are changed.
    """

    def __init__(self, engine: Engine, state: State):
        self.engine, self.left = engine, state.record_state

    def tag(self, alert: Alert) -> Alert:
        """Tag an alert by what is known at its place in the log, and remember it; one of operations stays as it is."""
        if kind_of(alert.rule) == "operations":
            return alert
        tag, evidence = decide_tag(alert, self._look_around(alert))
        tagged = replace(alert, tag=tag, tag_evidence=evidence)
        name = f"{alert.symbol}|{alert.timespan}"
        kept = [it for it in self.left.tagged.pop(name, ()) if it.alert.event_id != alert.event_id]
        if alert.status != "retracted":
            kept.append(TaggedAlert.of(tagged))
        if kept:
            kept.sort(key=lambda it: (it.alert.bar_close_ms, it.alert.event_id))
            since_ms = sorted({it.alert.bar_close_ms for it in kept})[-REMEMBERED:][0]
            self.left.tagged[name] = [it for it in kept if it.alert.bar_close_ms >= since_ms]
        return tagged

    def forget(self, watermark: Watermark) -> None:
        """Forget the alerts of a series that have had their news by the time up to which a live poll asked for it."""
        name = f"{watermark.symbol}|{watermark.timespan}"
        since_ms = watermark.as_of_ms - HAS_ITS_NEWS_MS
        alerts = self.left.tagged.pop(name, ())
        if kept := [it for it in alerts if it.alert.bar_close_ms + it.alert.data_age_ms > since_ms]:
            self.left.tagged[name] = kept

    def retag(self, symbol: str) -> list[Alert]:
        """Return the alerts of a symbol that are explained otherwise, now that its articles have changed."""
        changed = []
        for timespan in SPAN_MS:
            alerts = self.left.tagged.get(f"{symbol}|{timespan}", [])
            for at, told in enumerate(alerts):
                tag, evidence = decide_tag(told.alert, self._look_around(told.alert))
                if tag != told.alert.tag:
                    # As it would have been published, had the news come before it.
                    alerts[at] = replace(told, alert=replace(told.alert, tag=tag, tag_evidence=evidence))
                    changed.append(replace(alerts[at].whole(), status="retagged"))
        return changed

    def _look_around(self, alert: Alert) -> Context:
        sessions, actions = self.engine.sessions, self.engine.actions
        day = sessions.on(alert.session_date)
        return Context(
            stories=(
                Story(it.article_id, it.published_ms, it.sentiment or "unknown", it.relevance)
                for it in self.left.articles.get(alert.symbol, ())
                if not it.withdrawn
            ),
            scheduled=find_scheduled(alert, actions, sessions),
            days=name_days(sessions, alert.session_date),
            open_ms=day.open_ms if day else 0,
            close_ms=day.close_ms if day else 0,
            market_event=alert.inhibited_by if is_explained(alert) else None,
            actions=actions.executed_on(alert.symbol, alert.session_date),
        )
