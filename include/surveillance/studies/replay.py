"""Files through the same engine as the live path: no Airflow, no Kafka, no warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from include.surveillance.alerts import market_events
from include.surveillance.detection import alert_records, metric_records
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.positions import PHASES, iso_date
from include.surveillance.detection.profiles.schedule import Progress, walk_forward
from include.surveillance.detection.record_rules import RecordRules
from include.surveillance.detection.rules.bar_rule import KINDS, VOLUME
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.files import results, side_files
from include.surveillance.files.bars import read_bars
from include.surveillance.records import Alert, NewsItem, Profile
from include.surveillance.sessions import Sessions


@dataclass(frozen=True)
class Replay:
    """What a replay found.

    Attributes:
        counts: rows, bars, news, duplicate, corrected.
        firings, episodes: per rule.
        rejected: rows per reason.
        profiles: that were built or read.
        events: market-wide ones.
    """

    counts: Counter[str]
    firings: Counter[str]
    episodes: Counter[str]
    rejected: Counter[str]
    profiles: int = 0
    events: int = 0


def replay(
    bars: Path,
    out: Path,
    *,
    sessions: Sessions,
    book: ParameterBook,
    history: Percentiles = "exact",
    news: Path | None = None,
    splits: Path | None = None,
    dividends: Path | None = None,
    ticker_changes: Path | None = None,
    profiles: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Replay:
    """Run the engine over files and write alerts, metrics and rejected rows as Parquet into ``out``.

    ``book.base.rules`` decides: ``literal`` writes one row per firing bar and rule; ``robust`` writes what would have
    been published live, alerts that grew and market-wide events included. Rows of one episode share ``event_id``. Bars
    are taken in order of their start and news in order of publication, whatever the order of the files.

    Args:
        profiles: as the command ``baselines`` writes them; without it, they are built before each session from the
            file's earlier bars, as the nightly DAG would.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column.
    """
    progress("read", 0, 1)
    read = read_bars(bars)
    tables = [read.rejects]

    def side(path: Path | None, reader: Callable[[Path], tuple[list, pa.Table]]) -> list:
        if path is None:
            return []
        records, rejects = reader(path)
        tables.append(rejects)
        return records

    items: list[NewsItem] = side(news, side_files.read_news)
    actions = CorporateActions(
        splits=tuple(side(splits, side_files.read_splits)),
        dividends=tuple(side(dividends, side_files.read_dividends)),
        ticker_changes=tuple(side(ticker_changes, side_files.read_ticker_changes)),
    )
    known: Sequence[Profile] = []
    if book.base.rules == "robust":
        known = read_profiles(profiles) if profiles else walk_forward(read.bars, sessions, actions.splits, progress)
    engine, state = Engine(book, sessions, actions, known), State(history)
    progress("detect", 0, 1)
    found = engine.evaluate(state, read.bars)
    out.mkdir(parents=True, exist_ok=True)
    progress("write", 0, 3)
    told, published = _news(engine, state, found, items)
    events = 0
    if book.base.rules == "robust":
        alerts = _published(engine, found) + published
        market = market_events.find_market_events(
            alerts, len({symbol for symbol, _ in read.bars.keys}),
            breadth=book.base.market_breadth, minimum=book.base.market_minimum,
        )  # fmt: skip
        events = len(market)
        alerts = sorted([*alerts, *market], key=lambda it: (it.bar_close_ms, it.symbol, it.rule, it.firings))
        results.write_alerts(out / "alerts.parquet", alerts)
    else:
        results.write_rows(out / "alerts.parquet", _rows(engine, found), [alert for alert, _ in told])
    progress("write", 1, 3)
    fresh, positions = found.fresh, found.scan.positions
    results.write_metrics(
        out / "metrics.parquet",
        found.bars,
        {name: values for name, values in found.measures.items() if name in metric_records.MEASURES},
        phase=positions.phase[fresh],
        phases=PHASES,
        session=positions.session[fresh],
        profile=found.scan.profile[fresh],
        profile_versions=tuple(profile.version for profile in engine.profiles),
        progress=lambda done, total: progress("write", 1 + done, 1 + total),
    )
    results.write_rejects(out / "rejected.parquet", tables)
    firings, episodes = _counts(found, told)
    rejected = Counter(reason for table in tables for reason in table["reason"].to_pylist())
    counts = read.counts | Counter(bars=len(read.bars), news=len(items))
    return Replay(counts, firings, episodes, rejected, len(engine.profiles), events)


def read_profiles(path: Path) -> list[Profile]:
    """As the command ``baselines`` wrote them: one JSON object a line.

    Raises:
        ConfigurationError: unreadable, or a line is no profile.
    """
    try:
        return [_profile_decoder.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"profiles {path} cannot be read: {error}; write them with `baselines`") from error


_profile_decoder = msgspec.json.Decoder(Profile)


def _published(engine: Engine, found: Evaluation) -> list[Alert]:
    """What would have been published of the new bars."""
    fresh = found.fresh_firings
    return [alert_records.alert(engine, found, fresh, f) for f in np.flatnonzero(fresh.does != 0).tolist()]


def _news(
    engine: Engine, state: State, found: Evaluation, items: list[NewsItem]
) -> tuple[list[tuple[Alert, bool]], list[Alert]]:
    """Alerts of news_impact: (one of each bar that met an article, whether it opened an episode), and the published."""
    published: list[Alert] = []
    joining = RecordRules(engine, state, lambda place, order, alert: published.append(alert))
    fresh = found.fresh_firings
    bars = []
    for f in np.flatnonzero(fresh.kind == VOLUME).tolist() if items else ():
        key, bar = found.scan.bars.key(int(fresh.index[f])), alert_records.volume_bar(found, fresh, f)
        bars.append(bar)
        # Known at its close; even places leave articles of the same moment behind it.
        joining.bar(2 * (bar.ts_ms + alert_records.SPAN_MS[key[1]]), key, bar)
    joining.news([(2 * item.published_ms + 1, item) for item in items])
    told = [bar.told for bar in bars if bar.told is not None]
    return [(alert, alert.firings == 1) for alert in told], published


def _rows(engine: Engine, found: Evaluation) -> pa.Table:
    """One row per firing, without the ids of what it rests on: the window says which bars these are."""
    fresh, scan = found.fresh_firings, found.scan
    bars, index = scan.bars, fresh.index
    symbols, timespans = ([key[part] for key in bars.keys] for part in (0, 1))
    code = bars.code[index]
    rules, directions = ([kind[part] for kind in KINDS] for part in (0, 1))
    versions = [engine.rules["literal"][rule].version for rule in rules]
    columns = {
        "symbol": pa.array(symbols, pa.string()).take(pa.array(code)),
        "timespan": pa.array(timespans, pa.string()).take(pa.array(code)),
        "ts_ms": bars.ts[index],
        "rule": pa.array(rules).take(pa.array(fresh.kind)),
        "rule_version": np.array(versions, dtype=np.int64)[fresh.kind],
        "form": pa.array(alert_records.FORMS).take(pa.array(fresh.form)),
        "direction": pa.array(directions).take(pa.array(fresh.kind)),
        "value": fresh.value,
        "threshold": fresh.threshold,
        "baseline": fresh.baseline,
        "score": fresh.score,
        "severity": pa.array(alert_records.SEVERITIES).take(pa.array(fresh.severity)),
        "episode_start_ms": fresh.start,
        "firings": fresh.count,
        "session_phase": pa.array(PHASES).take(pa.array(scan.positions.phase[index])),
        "session_date": [iso_date(day) for day in scan.positions.session[index].tolist()],
        "parameters_version": [engine.limits.version(day) for day in scan.positions.date[index].tolist()],
        "explanation": [alert_records.sentence(engine, found, fresh, f) for f in range(len(fresh))],
    }
    columns["event_id"] = [
        f"{rule}|{symbol}|{timespan}|{start}|v{version}"
        for rule, symbol, timespan, start, version in zip(
            *(columns[name].to_pylist() for name in ("rule", "symbol", "timespan")),
            fresh.start.tolist(), columns["rule_version"].tolist(), strict=True,
        )
    ]  # fmt: skip
    return pa.table(columns)


def _counts(found: Evaluation, told: list[tuple[Alert, bool]]) -> tuple[Counter[str], Counter[str]]:
    fresh = found.fresh_firings
    firings, episodes = Counter(), Counter()
    for kind, (rule, _) in enumerate(KINDS):
        firings[rule] += int(np.sum(fresh.kind == kind))
        episodes[rule] += int(np.sum((fresh.kind == kind) & (fresh.count == 1)))
    firings["news_impact"], episodes["news_impact"] = len(told), sum(opened for _, opened in told)
    return +firings, +episodes
