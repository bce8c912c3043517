"""Arrays -> records: metrics, alerts with their explanation, and what a revision changes about them."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.positions import PHASES, iso_date
from include.surveillance.detection.record_state import Episode, VolumeBar
from include.surveillance.detection.rules.bar_rule import KINDS, VOLUME, Firing
from include.surveillance.detection.rules.record_rule import Finding
from include.surveillance.detection.scan import Scan
from include.surveillance.records import SEVERITIES, SPAN_MS, Alert, Profile

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine
    from include.surveillance.detection.findings import Evaluation, Firings

FORMS = ("literal", "robust")
STATUSES = {1: "fired", 2: "refired"}
HOLE_BARS, HOLE_CHANCE, HOLE_LEAST = 5, 1e-4, 5


def alert(engine: Engine, found: Evaluation, fired: Firings, f: int, **changes: object) -> Alert:
    """The alert of one firing; ``changes`` are fields that differ, e.g. a status."""
    scan, bars, index = found.scan, found.scan.bars, int(fired.index[f])
    (symbol, timespan), (rule_name, direction) = bars.key(index), KINDS[fired.kind[f]]
    form, numbers = FORMS[fired.form[f]], {name: float(getattr(fired, name)[f]) for name in _NUMBERS}
    rule = engine.rules[form][rule_name]
    ts, polled = int(bars.ts[index]), int(bars.polled[index])
    close_ms = ts + SPAN_MS[timespan]
    first = max(int(scan.segments.start[bars.code[index]]), index - rule.window)
    profile = int(scan.profile[index])
    fields: dict[str, object] = {
        "status": STATUSES[int(fired.does[f])] if fired.does[f] else "refired",
        "firings": int(fired.count[f]),
    }
    return Alert(
        rule=rule_name,
        rule_version=rule.version,
        parameters_version=engine.limits.version(int(scan.positions.date[index])),
        form=form,
        profile_version=found.profile_version(profile) if form == "robust" else None,
        symbol=symbol,
        timespan=timespan,
        ts_ms=ts,
        bar_close_ms=close_ms,
        direction=direction,
        **numbers,
        window_start_ms=window_start(scan, form, rule_name, index, first),
        window_end_ms=close_ms,
        score=float(fired.score[f]),
        severity=SEVERITIES[fired.severity[f]],
        episode_start_ms=int(fired.start[f]),
        session_phase=scan.phase(index),
        session_date=scan.session_date(index),
        # Recorded bars carry no time of poll.
        data_age_ms=polled - close_ms if polled else 0,
        event_ids=tuple(reversed(bars.event_ids(slice(first, index + 1)))),
        inhibited_by=_hole_before(engine, scan, index),
        explanation=sentence(engine, found, fired, f),
        source="live" if bars.live[index] else "backfill",
        **(fields | changes),
    )


def window_start(scan: Scan, form: str, rule: str, index: int, first: int) -> int:
    """Start of the earliest bar that a firing rests on: of a gap, the bar of the previous close."""
    if rule == "price_gap":
        return int(scan.measures["previous_ts" if form == "literal" else "session_ts"][index])
    return int(scan.bars.ts[first])


def sentence(engine: Engine, found: Evaluation, firings: Firings, f: int) -> str:
    """One firing in plain English."""
    scan, index, (rule, direction) = found.scan, int(firings.index[f]), KINDS[firings.kind[f]]
    numbers = {name: float(getattr(firings, name)[f]) for name in _NUMBERS}
    firing = Firing(*scan.bars.key(index), direction, index, **numbers, scan=scan)
    return engine.rules[FORMS[firings.form[f]]][rule].sentence(firing)


def revised(engine: Engine, before: Evaluation, after: Evaluation, s: int) -> list[Alert]:
    """What a revision of series ``s`` changes about the episodes that began among its revisable bars."""
    was, now = _openings(before, s), _openings(after, s)
    found = []
    for start, f in now.items():
        value, threshold = float(after.firings.value[f]), float(after.firings.threshold[f])
        total = _total(after, s, f)
        if start not in was:
            found.append(alert(engine, after, after.firings, f, status="fired", firings=total))
            continue
        old = before.firings
        then = float(old.value[was[start]]), float(old.threshold[was[start]])
        turned = old.kind[was[start]] != after.firings.kind[f]
        if turned or then != (value, threshold):
            changes = {"status": "confirmed", "before_value": then[0], "before_threshold": then[1], "firings": total}
            found.append(alert(engine, after, after.firings, f, **changes))
    for start, f in was.items():
        if start not in now:
            then = float(before.firings.value[f]), float(before.firings.threshold[f])
            changes = {"status": "retracted", "before_value": then[0], "before_threshold": then[1]}
            found.append(alert(engine, before, before.firings, f, **changes))
    return found


def volume_firings(found: Evaluation, s: int) -> list[int]:
    """The firings of abnormal_volume among the evaluated bars of one series."""
    own = _of_series(found, s)
    return own[found.firings.kind[own] == VOLUME].tolist()


def volume_bar(found: Evaluation, firings: Firings, f: int) -> VolumeBar:
    """What an article has to know of a bar of abnormal volume."""
    bars, index = found.scan.bars, int(firings.index[f])
    return VolumeBar(
        ts_ms=int(bars.ts[index]),
        event_id=bars.event_id(index),
        form=FORMS[firings.form[f]],
        volume=float(bars.volume[index]),
        value=float(firings.value[f]),
        threshold=float(firings.threshold[f]),
        baseline=float(firings.baseline[f]),
        exceedance=float(firings.exceedance[f]),
        polled_ms=int(bars.polled[index]),
        source="live" if bars.live[index] else "backfill",
    )


def alert_of(
    engine: Engine, key: SeriesKey, finding: Finding, episode: Episode, score: float, severity: int,
    profile: Profile | None,
) -> Alert:  # fmt: skip
    """The alert of a finding at a single record."""
    position = engine.calendar.locate(finding.ts_ms, key[1])
    return Alert(
        rule=finding.rule,
        rule_version=finding.version,
        parameters_version=engine.limits.version(position.date),
        form=finding.form,
        profile_version=profile.version if profile is not None and finding.form == "robust" else None,
        status="fired" if episode.firings == 1 else "refired",
        firings=episode.firings,
        symbol=key[0],
        timespan=key[1],
        ts_ms=finding.ts_ms,
        bar_close_ms=finding.close_ms,
        value=finding.value,
        threshold=finding.threshold,
        baseline=finding.baseline,
        window_start_ms=finding.window_start_ms,
        window_end_ms=finding.window_end_ms,
        score=score,
        severity=SEVERITIES[severity],
        episode_start_ms=episode.start_ms,
        session_phase=PHASES[position.phase],
        session_date=iso_date(position.session),
        data_age_ms=finding.polled_ms - finding.close_ms if finding.polled_ms else 0,
        event_ids=finding.event_ids,
        article_id=finding.article_id,
        explanation=finding.explanation,
        source=finding.source,
    )


_NUMBERS = ("value", "threshold", "baseline")


def _openings(found: Evaluation, s: int) -> dict[tuple[str, int], int]:
    """(rule, start) of each episode that began in the series' evaluated bars -> the firing that opened it."""
    firings = found.firings
    return {
        (KINDS[firings.kind[f]][0], int(firings.start[f])): f
        for f in _of_series(found, s).tolist()
        if firings.count[f] == 1
    }


def _total(found: Evaluation, s: int, opening: int) -> int:
    """Firings so far of the episode that ``opening`` opened."""
    firings, own = found.firings, _of_series(found, s)
    same = (firings.kind[own] == firings.kind[opening]) & (firings.start[own] == firings.start[opening])
    return int(firings.count[own[same]].max())


def _of_series(found: Evaluation, s: int) -> np.ndarray:
    segments = found.scan.segments
    return np.arange(*np.searchsorted(found.firings.index, (segments.evaluate_from[s], segments.end[s])))


def _hole_before(engine: Engine, scan: Scan, index: int) -> str | None:
    """Why an alert here need not be told: just before, bars are missing that this symbol usually has."""
    segment, profile = int(scan.bars.code[index]), int(scan.profile[index])
    if profile < 0 or scan.positions.slot[index] < 0:
        return None
    presence, span = engine.profiles[profile].presence, int(scan.span[segment])
    ts, session = scan.bars.ts, scan.positions.session
    for at in range(index, max(index - HOLE_BARS, int(scan.segments.start[segment])), -1):
        if session[at - 1] != session[at] or scan.positions.slot[at - 1] < 0:
            return None
        missing = int((ts[at] - ts[at - 1]) // span) - 1
        usual = min(presence[scan.positions.slot[at]], 0.99)
        if missing * span >= HOLE_LEAST * 60_000 and missing * log(1 - usual) < log(HOLE_CHANCE):
            return f"{missing} bars are missing before {wording.clock(int(ts[at]))}: a halt or a broken feed"
    return None
