"""Tags alerts in the order of the log, and again where news that comes late explains them otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.market_events import is_explained
from include.surveillance.detection.columns import past_key
from include.surveillance.detection.context_tags import Context, Story, decide_tag
from include.surveillance.detection.scheduled_days import find_scheduled, name_days
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Watermark
from include.surveillance.timespans import DAY_MS, SPAN_MS

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine

REMEMBERED = 8
"""Alerts per series that an article which comes late can still explain."""


class Tagging:
    """Tags the alerts of one pass.

    Args:
        state: its articles are read; the alerts that it remembers are changed.
    """

    def __init__(self, engine: Engine, state: State):
        self.engine, self.remembered = engine, state.record_state

    def tag(self, alert: Alert) -> Alert:
        """Tag an alert by what is known at its place in the log, and remember it; one of operations stays as it is."""
        if kind_of(alert.rule) == "operations":
            return alert
        tag, evidence = decide_tag(alert, self._look_around(alert))
        tagged = replace(alert, tag=tag, tag_evidence=evidence)
        series = alert.symbol, alert.timespan
        names = ["|".join(series), "|".join(past_key(series))]
        name, other = names if alert.source == "live" else reversed(names)
        # A correction may have made a backfill's bar of a live one, or the reverse: an alert is remembered once.
        if any(it.event_id == alert.event_id for it in self.remembered.tagged.get(other, ())):
            left = [it for it in self.remembered.tagged.pop(other) if it.event_id != alert.event_id]
            self.remembered.tagged |= {other: left} if left else {}
        # What is two days older has had its news.
        others = [
            it
            for it in self.remembered.tagged.pop(name, ())
            if it.event_id != alert.event_id and it.bar_close_ms > alert.bar_close_ms - 2 * DAY_MS
        ]
        if kept := others if alert.status == "retracted" else [*others, tagged]:
            self.remembered.tagged[name] = kept[-REMEMBERED:]
        return tagged

    def forget(self, watermark: Watermark) -> None:
        """Forget alerts of the series whose bars came two days before what was asked for: they have had their news."""
        series = watermark.symbol, watermark.timespan
        for key in (series, past_key(series)) if watermark.source == "live" else ():
            if alerts := self.remembered.tagged.pop("|".join(key), None):
                since_ms = watermark.as_of_ms - 2 * DAY_MS
                if kept := [it for it in alerts if it.bar_close_ms + it.data_age_ms > since_ms]:
                    self.remembered.tagged["|".join(key)] = kept

    def retag(self, symbol: str) -> list[Alert]:
        """Return the alerts of a symbol that are explained otherwise, now that its articles have changed."""
        changed = []
        series = [(symbol, timespan) for timespan in SPAN_MS]
        for key in (*series, *map(past_key, series)):
            alerts = self.remembered.tagged.get("|".join(key), [])
            for at, alert in enumerate(alerts):
                tag, evidence = decide_tag(alert, self._look_around(alert))
                if tag != alert.tag:
                    # As it would have been published, had the news come before it.
                    alerts[at] = replace(alert, tag=tag, tag_evidence=evidence)
                    changed.append(replace(alerts[at], status="retagged"))
        return changed

    def _look_around(self, alert: Alert) -> Context:
        sessions, actions = self.engine.sessions, self.engine.actions
        day = sessions.on(alert.session_date)
        return Context(
            stories=(
                Story(it.article_id, it.published_ms, it.sentiment or "unknown", it.relevance)
                for it in self.remembered.articles.get(alert.symbol, ())
                if not it.withdrawn
            ),
            scheduled=find_scheduled(alert, actions, sessions),
            days=name_days(sessions, alert.session_date),
            open_ms=day.open_ms if day else 0,
            close_ms=day.close_ms if day else 0,
            market_event=alert.inhibited_by if is_explained(alert) else None,
            actions=actions.executed_on(alert.symbol, alert.session_date),
        )
