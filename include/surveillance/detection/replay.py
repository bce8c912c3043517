"""Files through the same engine as the live path: no Airflow, no Kafka, no warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..models import Alert, Bar, Metric, NewsItem
from ..sessions import Sessions
from . import tables
from .engine import Engine
from .history import Form
from .parameters import Parameters
from .state import State

CHUNK = 20_000


@dataclass(frozen=True)
class Replay:
    """What a replay found. ``counts`` as in Detection; ``firings`` and ``episodes`` per rule."""

    counts: Counter[str]
    firings: Counter[str]
    episodes: Counter[str]
    rejected: Counter[str]


def replay(
    bars: Path,
    out: Path,
    *,
    sessions: Sessions,
    parameters: Parameters,
    history: Form = "exact",
    news: Path | None = None,
    splits: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Replay:
    """Run the engine over files and write alerts, metrics and rejected rows as Parquet into ``out``.

    ``alerts.parquet`` has one row per firing bar and rule; rows of one episode share ``event_id``. Bars are taken in
    order of their close and news in order of publication, whatever the order of the files.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column.
    """
    bar_records, errors = tables.read_bars(bars)
    news_records, news_errors = tables.read_news(news) if news else ([], [])
    split_records, split_errors = tables.read_splits(splits) if splits else ([], [])
    errors += news_errors + split_errors
    records = sorted([*bar_records, *news_records], key=_known_ms)
    engine, state = Engine(parameters, sessions, split_records), State(history=history)
    metrics: list[Metric] = []
    firings: list[Alert] = []
    counts: Counter[str] = Counter()
    episodes: Counter[str] = Counter()
    for start in range(0, len(records), CHUNK):
        detection = engine.run(state, records[start : start + CHUNK])
        state = detection.state
        metrics += detection.metrics
        firings += detection.firings
        counts += detection.counts
        episodes.update(alert.rule for alert in detection.alerts)
        progress(min(start + CHUNK, len(records)), len(records))
    out.mkdir(parents=True, exist_ok=True)
    tables.write_records(out / "alerts.parquet", Alert, firings)
    tables.write_records(out / "metrics.parquet", Metric, metrics)
    tables.write_errors(out / "rejected.parquet", errors)
    fired = Counter(alert.rule for alert in firings)
    return Replay(counts, fired, episodes, Counter(error.reason for error in errors))


def _known_ms(record: Bar | NewsItem) -> int:
    return record.close_ms if isinstance(record, Bar) else record.published_ms
