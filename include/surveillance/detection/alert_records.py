"""Arrays -> alerts with their explanation, and what a revision changes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from msgspec.structs import replace

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import SeriesKey, write_event_id
from include.surveillance.detection.episodes import OPENS
from include.surveillance.detection.holes import Hole, Outage, find_hole
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.record_state import Episode, VolumeBar
from include.surveillance.detection.rules.bar_rule import FORMS, Firing
from include.surveillance.detection.rules.record_rule import Finding
from include.surveillance.detection.rules.registry import KINDS, VOLUME
from include.surveillance.detection.scan import Scan
from include.surveillance.records import Alert, Profile
from include.surveillance.sessions import PHASES
from include.surveillance.severities import SEVERITIES
from include.surveillance.timespans import SPAN_MS

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine
    from include.surveillance.detection.findings import Evaluation, Firings

_ALIKE = [name for name in Finding.__struct_fields__ if name in Alert.__struct_fields__]


def build_alert(
    engine: Engine, evaluation: Evaluation, firings: Firings, f: int, outage: Outage | None = None
) -> Alert:
    """Build the alert of the firing at index ``f``; ``outage`` is the latest of our own."""
    scan, bars, index = evaluation.scan, evaluation.scan.bars, int(firings.index[f])
    (symbol, timespan), (rule_name, direction) = bars.key(index), KINDS[firings.kind[f]]
    form, rule = FORMS[firings.form[f]], engine.rules[FORMS[firings.form[f]]][rule_name]
    ts, polled = int(bars.ts[index]), int(bars.polled[index])
    close_ms = ts + SPAN_MS[timespan]
    first, earlier = rule.first_bar(scan, index), rule.earlier_bars(scan, index)
    hole = find_firing_hole(engine, scan, index, outage)
    return Alert(
        rule=rule_name,
        rule_version=rule.version,
        parameters_version=engine.parameters.version(int(scan.positions.date[index])),
        form=form,
        profile_version=evaluation.profile_version(int(scan.profile[index])) if form == "robust" else None,
        status="fired" if firings.effect[f] == OPENS else "refired",
        firings=int(firings.count[f]),
        symbol=symbol,
        timespan=timespan,
        ts_ms=ts,
        bar_close_ms=close_ms,
        direction=direction,
        value=float(firings.value[f]),
        threshold=float(firings.threshold[f]),
        baseline=float(firings.baseline[f]),
        window_start_ms=earlier[-1][0] if earlier else int(bars.ts[first]),
        window_end_ms=close_ms,
        score=float(firings.score[f]),
        severity=SEVERITIES[firings.severity[f]],
        rarity_sessions=None if firings.rarity[f] != firings.rarity[f] else float(firings.rarity[f]),
        episode_start_ms=int(firings.start[f]),
        session_phase=scan.phase(index),
        session_date=scan.session_date(index),
        # Recorded bars carry no time of poll.
        data_age_ms=polled - close_ms if polled else 0,
        event_ids=(
            *reversed(bars.event_ids(slice(first, index + 1))),
            *(
                write_event_id(engine.succession.name(bars.keys[scan.segment(index)], stamp[0]), stamp)
                for stamp in earlier
            ),
        ),
        inhibited_by=hole.describe() if hole and hole.cause == "our outage" else None,
        hole_cause=hole.cause if hole else None,
        hole_start_ms=hole.start_ms if hole else None,
        hole_end_ms=hole.end_ms if hole else None,
        explanation=explain_firing(engine, evaluation, firings, f, hole),
        source="live" if bars.live[index] else "backfill",
    )


def find_firing_hole(engine: Engine, scan: Scan, index: int, outage: Outage | None = None) -> Hole | None:
    """Find the hole that whatever fired at a bar must name."""
    profile = int(scan.profile[index])
    presence = engine.profiles[profile].presence if profile >= 0 else None
    return find_hole(scan, engine.calendar, index, presence, outage)


def explain_firing(engine: Engine, evaluation: Evaluation, firings: Firings, f: int, hole: Hole | None) -> str:
    """Say one firing in plain English, with the hole before it."""
    scan, index, (name, direction) = evaluation.scan, int(firings.index[f]), KINDS[firings.kind[f]]
    value, threshold, baseline = float(firings.value[f]), float(firings.threshold[f]), float(firings.baseline[f])
    rule = engine.rules[FORMS[firings.form[f]]][name]
    limits = engine.parameters.limits_at(rule, scan, index)
    firing = Firing(*scan.bars.key(index), direction, index, value, threshold, baseline, scan, limits)
    sentence = rule.sentence(firing)
    if firings.rarity[f] == firings.rarity[f]:
        sentence = f"{sentence.removesuffix('.')}; {wording.rarity(float(firings.rarity[f]))} for this symbol."
    return f"{sentence.removesuffix('.')}; {hole.describe()}." if hole else sentence


def build_revisions(
    engine: Engine, before: Evaluation, after: Evaluation, s: int, outage: Outage | None = None
) -> list[Alert]:
    """Build an alert for each change that a revision of series ``s`` makes to what began among its revisable bars.

    An episode that begins now is fired, one with other values or another direction is confirmed, one that no longer
    begins is retracted.
    """
    was, now = _openings(before, s), _openings(after, s)
    alerts = []
    for start, f in now.items():
        then = was.get(start)
        if then is not None and _judgement(before.firings, then) == _judgement(after.firings, f):
            continue
        alert = replace(build_alert(engine, after, after.firings, f, outage), firings=_count_firings(after, s, f))
        alerts.append(alert if then is None else _correct(alert, "confirmed", before.firings, then))
    for start, f in was.items():
        if start not in now:
            alert = build_alert(engine, before, before.firings, f, outage)
            alerts.append(_correct(alert, "retracted", before.firings, f))
    return alerts


def build_volume_bars(engine: Engine, evaluation: Evaluation, s: int) -> list[VolumeBar]:
    """Build those of one series' evaluated bars that fired abnormal_volume."""
    own, firings = _series_firings(evaluation, s), evaluation.firings
    return [build_volume_bar(engine, evaluation, firings, f) for f in own[firings.kind[own] == VOLUME].tolist()]


def build_volume_bar(engine: Engine, evaluation: Evaluation, firings: Firings, f: int) -> VolumeBar:
    """Build what an article has to know of a bar of abnormal volume."""
    scan, bars, index = evaluation.scan, evaluation.scan.bars, int(firings.index[f])
    rule = engine.rules[FORMS[firings.form[f]]][KINDS[VOLUME][0]]
    window = slice(rule.first_bar(scan, index), index + 1)
    return VolumeBar(
        ts_ms=int(bars.ts[index]),
        rests_on=tuple(zip(bars.ts[window].tolist()[::-1], bars.revision[window].tolist()[::-1], strict=True)),
        form=FORMS[firings.form[f]],
        value=float(firings.value[f]),
        threshold=float(firings.threshold[f]),
        baseline=float(firings.baseline[f]),
        exceedance=float(firings.exceedance[f]),
        polled_ms=int(bars.polled[index]),
        source="live" if bars.live[index] else "backfill",
    )


def build_record_alert(
    engine: Engine, key: SeriesKey, finding: Finding, episode: Episode, score: float, severity: int,
    profile: Profile | None,
) -> Alert:  # fmt: skip
    """Build the alert of a finding at a single record; ``severity`` is an index into ``SEVERITIES``."""
    position = engine.calendar.locate(finding.ts_ms, key[1])
    return Alert(
        **read_finding(finding),
        parameters_version=engine.parameters.version(position.date),
        profile_version=profile.version if profile is not None and finding.form == "robust" else None,
        status="fired" if episode.firings == 1 else "refired",
        firings=episode.firings,
        symbol=key[0],
        timespan=key[1],
        score=score,
        severity=SEVERITIES[severity],
        episode_start_ms=episode.start_ms,
        session_phase=PHASES[position.phase],
        session_date=iso_date(position.session),
    )


def read_finding(finding: Finding) -> dict[str, Any]:
    """Return the fields of an alert that its finding has."""
    age_ms = finding.polled_ms - finding.bar_close_ms if finding.polled_ms else 0
    return {name: getattr(finding, name) for name in _ALIKE} | {"data_age_ms": age_ms}


def _judgement(firings: Firings, f: int) -> tuple[int, float, float]:
    """What a revision can change about a firing: its direction, value and threshold."""
    return int(firings.kind[f]), float(firings.value[f]), float(firings.threshold[f])


def _correct(alert: Alert, status: Literal["confirmed", "retracted"], before: Firings, f: int) -> Alert:
    _, value, threshold = _judgement(before, f)
    return replace(alert, status=status, before_value=value, before_threshold=threshold)


def _openings(evaluation: Evaluation, s: int) -> dict[tuple[str, int], int]:
    """(rule, start) of each episode that began in the series' evaluated bars -> the firing that opened it."""
    firings = evaluation.firings
    return {
        (KINDS[firings.kind[f]][0], int(firings.start[f])): f
        for f in _series_firings(evaluation, s).tolist()
        if firings.count[f] == 1
    }


def _count_firings(evaluation: Evaluation, s: int, opening: int) -> int:
    """Count the firings so far of the episode that ``opening`` opened."""
    firings, own = evaluation.firings, _series_firings(evaluation, s)
    same = (firings.kind[own] == firings.kind[opening]) & (firings.start[own] == firings.start[opening])
    return int(firings.count[own[same]].max())


def _series_firings(evaluation: Evaluation, s: int) -> np.ndarray:
    segments = evaluation.scan.segments
    return np.arange(*np.searchsorted(evaluation.firings.index, (segments.evaluate_from[s], segments.end[s])))
