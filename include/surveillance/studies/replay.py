"""Recorded files through the same engine as the live path: no Airflow, no Kafka, no warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from include.surveillance.alerts import market_events
from include.surveillance.detection import alert_records, metric_records
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.news_matcher import NewsMatcher
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.profiles.build import Progress
from include.surveillance.detection.record_episodes import RaisedAlert, RecordEpisodes
from include.surveillance.detection.rules.bar_rule import FORMS
from include.surveillance.detection.rules.registry import KINDS, VOLUME
from include.surveillance.detection.state import State
from include.surveillance.files import results
from include.surveillance.records import Alert, NewsItem
from include.surveillance.sessions import PHASES, Sessions
from include.surveillance.severities import SEVERITIES
from include.surveillance.studies.forms import Judged, count_forms, explain_unjudged
from include.surveillance.studies.recorded import (
    RecordedFiles,
    Recording,
    Tell,
    check_usable,
    log_line,
    read_recording,
    remembered_by,
)
from include.surveillance.timespans import SPAN_MS

LITERAL_COLUMNS = (
    "symbol", "timespan", "ts_ms", "rule", "rule_version", "form", "direction", "value", "threshold", "baseline",
    "score", "severity", "episode_start_ms", "firings", "session_phase", "session_date", "parameters_version",
    "hole_cause", "hole_start_ms", "hole_end_ms", "explanation", "event_id",
)  # fmt: skip
"""The columns of a literal replay's alerts. Ids of the bars are left out: the window says which bars these are."""


@dataclass(frozen=True)
class Replay:
    """How much a replay read and raised.

    Attributes:
        counts: rows, bars, news, duplicate, corrected.
        firings, episodes: per rule.
        rejected: rows per reason.
        events: market-wide ones.
        judged: which form of each rule judged how many bars, and what it raised.
        unjudged: why robust rules did not judge all bars, a sentence each.
    """

    counts: Counter[str]
    firings: Counter[str]
    episodes: Counter[str]
    rejected: Counter[str]
    events: int
    judged: list[Judged]
    unjudged: list[str]


class Run(NamedTuple):
    """What the rules of a book raise over a recording.

    Attributes:
        on_bars: of each bar that matched an article its newest alert.
        published: where a rule alerts in its robust form, or where it is wanted, all that would have been published
            live, events of the market included.
    """

    engine: Engine
    evaluation: Evaluation
    on_bars: list[Alert]
    published: list[Alert]

    def alerts(self) -> Iterable[Alert]:
        """Return the alerts as whole records in either form: what was published, or one for each firing."""
        if self.engine.book.base.uses_profiles:
            return self.published
        fired = self.evaluation.fresh_firings
        build = partial(alert_records.build_alert, self.engine, self.evaluation, fired)
        return chain(map(build, range(len(fired))), self.on_bars)


def replay_files(
    files: RecordedFiles,
    out: Path,
    *,
    sessions: Sessions,
    book: ParameterBook,
    percentiles: Percentiles | None = None,
    as_published: bool = False,
    progress: Progress = lambda stage, done, total: None,
    tell: Tell = log_line,
) -> Replay:
    """Run the engine over files and write alerts, metrics and rejected rows as Parquet into ``out``.

    The book decides: where all rules are literal there is one row per firing bar and rule; else, and in any case
    ``as_published``, what would have been published live, alerts that grew and market-wide events included. Rows of
    one episode share ``event_id``.
    ``percentiles`` are exact in a literal replay and as live in a robust one, unless they are given.
    Bars are read in order of their start and news in order of publication, whatever the order of the files.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column, no row is a bar, or ``out`` cannot be a folder.
    """
    results.make_folder(out)
    as_published |= book.base.uses_profiles
    recording = read_recording(files, sessions, with_profiles=as_published, progress=progress)
    for note in recording.notes:
        tell(note)
    rejects = [unusable for _, unusable in recording.rejects]
    results.write_rejects(out / "rejected.parquet", rejects)
    check_usable(files, recording)
    progress("detect", 0, 1)
    engine, evaluation, on_bars, published = run_rules(recording, book, percentiles, as_published=as_published)
    progress("write", 0, 3)
    events = 0
    if as_published:
        events = sum(alert.symbol == market_events.MARKET for alert in published)
        results.write_alerts(out / "alerts.parquet", [*recording.contradictions, *published])
    else:
        rows = _literal_rows(engine, evaluation)
        results.write_rows(out / "alerts.parquet", rows, [*on_bars, *recording.contradictions])
    progress("write", 1, 3)
    fresh, positions = evaluation.fresh, evaluation.scan.positions
    results.write_metrics(
        out / "metrics.parquet",
        evaluation.bars,
        metric_records.report_measures(evaluation, fresh),
        phase=positions.phase[fresh],
        session=positions.session[fresh],
        profile=evaluation.scan.profile[fresh],
        profile_versions=tuple(profile.version for profile in engine.profiles),
        progress=lambda done, total: progress("write", 1 + done, 1 + total),
    )
    firings, episodes = _count(evaluation, [*on_bars, *recording.contradictions])
    rejected = Counter(reason for table in rejects for reason in table["reason"].to_pylist())
    counts = recording.counts | Counter(bars=len(recording.bars), news=len(recording.news))
    judged, unjudged = count_forms(engine, evaluation), explain_unjudged(engine, evaluation)
    return Replay(counts, firings, episodes, rejected, events, judged, unjudged)


def replay_alert(
    recording: Recording, alert_id: str, *, book: ParameterBook, percentiles: Percentiles | None = None
) -> list[Alert]:
    """Return what ``replay_files`` has of one alert, as whole alerts in either form, oldest first."""
    return [alert for alert in run_rules(recording, book, percentiles).alerts() if alert.event_id == alert_id]


def run_rules(
    recording: Recording, book: ParameterBook, percentiles: Percentiles | None = None, *, as_published: bool = False
) -> Run:
    """Run the rules of a book over a recording in one pass; ``as_published`` as ``replay_files`` takes it."""
    engine, state = recording.engine(book), State(percentiles or remembered_by(book))
    bars = recording.series(engine)
    evaluation = engine.evaluate(state, bars, state.rows_for(bars.keys))
    publishes = as_published or book.base.uses_profiles
    on_bars, published = _match_news(engine, state, evaluation, recording.news, publishes=publishes)
    return Run(engine, evaluation, on_bars, _add_market_events(engine, evaluation, published))


def firing_columns(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Return the columns of ``Alert`` that arrays hold, one element per firing of a new bar; text as objects."""
    firings, scan = evaluation.fresh_firings, evaluation.scan
    code = scan.bars.code[firings.index]
    symbols, timespans = ([key[part] for key in scan.bars.keys] for part in (0, 1))
    rules, directions = zip(*KINDS, strict=True)
    return {
        "symbol": _named(symbols, code),
        "timespan": _named(timespans, code),
        "ts_ms": scan.bars.ts[firings.index],
        "rule": _named(rules, firings.kind),
        "form": _named(FORMS, firings.form),
        "direction": _named(directions, firings.kind),
        "value": firings.value,
        "threshold": firings.threshold,
        "baseline": firings.baseline,
        "score": firings.score,
        "severity": _named(SEVERITIES, firings.severity),
        "episode_start_ms": firings.start,
        "firings": firings.count,
        "session_phase": _named(PHASES, scan.positions.phase[firings.index]),
    }


def _add_market_events(engine: Engine, evaluation: Evaluation, alerts: list[Alert]) -> list[Alert]:
    """Return what would have been published live with the events of the market, in order of time."""
    base = engine.book.base
    watched = len({symbol for symbol, _ in evaluation.scan.bars.keys[: len(evaluation.scan.segments.end)]})
    market = market_events.find_market_events(
        alerts, watched, breadth=base.market_breadth, minimum=base.market_minimum
    )  # fmt: skip
    return sorted([*alerts, *market], key=lambda it: (it.bar_close_ms, it.symbol, it.rule, it.firings))


def _match_news(
    engine: Engine, state: State, evaluation: Evaluation, news: tuple[NewsItem, ...], *, publishes: bool
) -> tuple[list[Alert], list[Alert]]:
    """Match bars with articles, and tag alerts by both.

    Returns:
        Of each bar that matched an article its newest alert, and where alerts are published, all that would have
        been but for events of the market, in its order.
    """
    raised: list[RaisedAlert] = []
    matcher = NewsMatcher(engine, state, RecordEpisodes(engine, state, raised))
    fresh = evaluation.fresh_firings
    bars = []
    for f in np.flatnonzero(fresh.kind == VOLUME).tolist() if news else ():
        key = evaluation.scan.bars.key(int(fresh.index[f]))
        bar = alert_records.build_volume_bar(engine, evaluation, fresh, f)
        bars.append(bar)
        # A bar is known at its close. Even numbers order articles of the same moment behind it.
        matcher.add_bar(2 * (bar.ts_ms + SPAN_MS[key[1]]), key, bar)
    for f in np.flatnonzero(fresh.effect).tolist() if publishes else ():
        alert = alert_records.build_alert(engine, evaluation, fresh, f)
        matcher.add_alert(2 * alert.bar_close_ms, int(fresh.kind[f]), alert)
    matcher.match([(2 * item.published_ms + 1, item) for item in news], [])
    on_bars = [bar.news_alert for bar in bars if bar.news_alert is not None]
    return on_bars, [alert for *_, alert in raised]


def _literal_rows(engine: Engine, evaluation: Evaluation) -> pa.Table:
    """Build one row per firing, with ``LITERAL_COLUMNS``."""
    fresh, positions = evaluation.fresh_firings, evaluation.scan.positions
    columns = firing_columns(evaluation)
    versions = [engine.rules["literal"][rule].version for rule, _ in KINDS]
    columns["rule_version"] = np.array(versions, dtype=np.int64)[fresh.kind]
    ids = zip(
        *(columns[name].tolist() for name in ("rule", "symbol", "timespan", "episode_start_ms", "rule_version")),
        strict=True,
    )
    holes = [alert_records.find_firing_hole(engine, evaluation.scan, index) for index in fresh.index.tolist()]
    explained = zip(range(len(fresh)), holes, strict=True)
    return pa.table(
        columns
        | {
            "session_date": [iso_date(day) for day in positions.session[fresh.index].tolist()],
            "parameters_version": [engine.parameters.version(day) for day in positions.date[fresh.index].tolist()],
            "hole_cause": pa.array([hole and hole.cause for hole in holes], pa.string()),
            "hole_start_ms": pa.array([hole and hole.start_ms for hole in holes], pa.int64()),
            "hole_end_ms": pa.array([hole and hole.end_ms for hole in holes], pa.int64()),
            "explanation": [alert_records.explain_firing(engine, evaluation, fresh, f, hole) for f, hole in explained],
            "event_id": [f"{rule}|{symbol}|{span}|{start}|v{version}" for rule, symbol, span, start, version in ids],
        }
    ).select(LITERAL_COLUMNS)


def _count(evaluation: Evaluation, on_bars: list[Alert]) -> tuple[Counter[str], Counter[str]]:
    """Count firings and episodes per rule."""
    fresh, rules = evaluation.fresh_firings, [rule for rule, _ in KINDS]
    firings = Counter([*_named(rules, fresh.kind), *(alert.rule for alert in on_bars)])
    opened = Counter([*_named(rules, fresh.kind[fresh.count == 1]), *(it.rule for it in on_bars if it.firings == 1)])
    return firings, opened


def _named(names: Sequence[str], index: np.ndarray) -> np.ndarray:
    return np.array(names, dtype=object)[index]
