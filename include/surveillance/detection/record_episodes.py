"""Findings at single records -> alerts: one alert for a run of them, as ``episodes`` makes one of firings at bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from include.surveillance.alerts import wording
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.severity import grade_scores, score_exceedance
from include.surveillance.detection import alert_records
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.episodes import cooldown_ms
from include.surveillance.detection.record_state import Episode
from include.surveillance.detection.rules.record_rule import Finding
from include.surveillance.detection.state import State
from include.surveillance.detection.tagging import Tagging
from include.surveillance.records import Alert, Profile, Source
from include.surveillance.severities import SEVERITIES
from include.surveillance.timespans import SPAN_MS

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine

RaisedAlert = tuple[int, int, Alert]
"""(log index of the record that raised it, order among what that record raised, alert)."""


class RecordEpisodes:
    """The episodes of findings at single records, in the order of the log.

    Args:
        state: its episodes are read and changed.
        raised: what is to be published is appended.
    """

    def __init__(self, engine: Engine, state: State, raised: list[RaisedAlert]):
        self.engine, self.state, self.raised = engine, state, raised
        self.tagging = Tagging(engine, state)
        self.open = {
            (episode.newest.symbol, episode.newest.timespan)
            for episode in state.record_state.episodes.values()
            if episode.newest is not None
        }
        """Series with an episode whose end is told, or with one that ended in this pass."""

    def publish(self, log_index: int, order: int, alert: Alert) -> None:
        """Publish an alert, tagged by what is known at its place in the log."""
        self.raised.append((log_index, order, self.tagging.tag(alert)))

    def add_finding(
        self, log_index: int, order: int, key: SeriesKey, finding: Finding, profile: Profile | None
    ) -> Alert:
        """Build the alert of a finding; publish it when its episode opens, has doubled or has become more severe."""
        score, peak = grade(finding.exceedance)
        episodes, name = self.state.record_state.episodes, _name(*key, finding.rule, finding.source)
        apart_ms = cooldown_ms(self.engine.book.base.cooldown_bars, SPAN_MS[key[1]])
        episode = episodes.get(name)
        if episode is None or finding.ts_ms - episode.last_ms > apart_ms:
            if episode is not None and episode.newest is not None:
                self._publish_end(log_index, order, episode.newest, finding.ts_ms)
            episode = episodes[name] = Episode(finding.ts_ms, finding.ts_ms, 1, peak)
            publish = True
        elif finding.ts_ms < episode.start_ms - apart_ms:
            # It comes late for a time before: an episode of its own.
            episode, publish = Episode(finding.ts_ms, finding.ts_ms, 1, peak), True
        else:
            episode.last_ms, episode.firings = max(episode.last_ms, finding.ts_ms), episode.firings + 1
            publish = peak > episode.peak or episode.firings & (episode.firings - 1) == 0
            episode.peak = max(episode.peak, peak)
        alert = alert_records.build_record_alert(self.engine, key, finding, episode, score, peak, profile)
        if finding.source == "live" and kind_of(finding.rule) == "operations":
            episode.newest = alert
            self.open.add(key)
        if publish:
            self.publish(log_index, order, alert)
        return alert

    def end_quiet(self, log_index: int, order: int, key: SeriesKey, rule: str, at_ms: int) -> None:
        """Publish the end of the live episode of a rule that has not fired at ``at_ms``, once its cooldown is over."""
        episodes, name = self.state.record_state.episodes, _name(*key, rule, "live")
        episode = episodes.get(name)
        if episode is None or episode.newest is None:
            return
        if at_ms - episode.last_ms > cooldown_ms(self.engine.book.base.cooldown_bars, SPAN_MS[key[1]]):
            del episodes[name]
            self._publish_end(log_index, order, episode.newest, at_ms)

    def _publish_end(self, log_index: int, order: int, newest: Alert, at_ms: int) -> None:
        explanation = f"{newest.explanation.removesuffix('.')}; not again up to {wording.clock(at_ms)}."
        self.raised.append((log_index, order, replace(newest, status="ended", explanation=explanation)))

    def confirm(self, log_index: int, order: int, alert: Alert, finding: Finding) -> Alert:
        """Give an alert the values that its finding has now; publish it where it opened its episode."""
        if (finding.value, finding.threshold, finding.event_ids) == (alert.value, alert.threshold, alert.event_ids):
            return alert
        score, severity = grade(finding.exceedance)
        confirmed = replace(
            alert, **alert_records.read_finding(finding), score=score, severity=SEVERITIES[severity],
            status="confirmed", before_value=alert.value, before_threshold=alert.threshold,
        )  # fmt: skip
        if alert.episode_start_ms == alert.ts_ms:
            self.publish(log_index, order, confirmed)
        return confirmed

    def retract(self, log_index: int, order: int, alert: Alert) -> bool:
        """End the episode that an alert opened and publish its retraction; False where it opened none."""
        if alert.episode_start_ms != alert.ts_ms:
            return False
        episodes, name = self.state.record_state.episodes, _name(alert.symbol, alert.timespan, alert.rule, alert.source)
        if (episode := episodes.get(name)) is not None and episode.start_ms == alert.ts_ms:
            del episodes[name]
        then = {"before_value": alert.value, "before_threshold": alert.threshold}
        self.publish(log_index, order, replace(alert, status="retracted", **then))
        return True


def _name(symbol: str, timespan: str, rule: str, source: Source) -> str:
    """Name an episode; what a backfill brings neither continues a live one nor counts in it."""
    return f"{symbol}|{timespan}|{rule}" if source == "live" else f"{symbol}|{timespan}|{rule}|{source}"


def grade(exceedance: float) -> tuple[float, int]:
    """Score of one exceedance, 0-100, and index of its severity in ``SEVERITIES``."""
    scores = score_exceedance(np.array([exceedance]))
    return float(scores[0]), int(grade_scores(scores)[0])
