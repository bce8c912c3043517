"""Backtest: what would have been raised, session by session, and what came after each alert.

An alert is judged as it was first published: entry, tag and rarity are what was known then. That it was retracted later
is a column of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.profiles.build import Progress
from include.surveillance.files.results import make_folder
from include.surveillance.records import Alert
from include.surveillance.sessions import Sessions
from include.surveillance.studies.backtest_report import write_report
from include.surveillance.studies.backtest_summary import Backtest, Tried, group_alerts, summarise
from include.surveillance.studies.forms import explain_unjudged
from include.surveillance.studies.matching import draw_matched
from include.surveillance.studies.outcomes import MISSING, Market, list_horizons, measure_outcomes, name_benchmark
from include.surveillance.studies.recorded import RecordedFiles, Tell, log_line, read_usable
from include.surveillance.studies.replay import Run, run_rules

OF_ALERT = (
    "event_id", "rule", "form", "symbol", "timespan", "direction", "ts_ms", "session_date", "tag", "rarity_sessions",
    "score", "severity",
)  # fmt: skip
MATCHES, SEED = 5, 20_100_506


def backtest_books(
    files: RecordedFiles,
    books: Sequence[tuple[str, ParameterBook]],
    out: Path,
    *,
    sessions: Sessions,
    matches: int = MATCHES,
    seed: int = SEED,
    tell: Tell = log_line,
    progress: Progress = lambda stage, done, total: None,
) -> Backtest:
    """Run sets of parameters over recorded bars and measure what came after each alert.

    Profiles before each session come from the sessions before it. Writes backtest.html, outcomes.parquet and
    matched.parquet into ``out``.

    Args:
        books: one or two, each with its name in the report, which calls them A and B.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column, or there is no usable bar.
    """
    robust = any(book.base.uses_profiles for _, book in books)
    recording = read_usable(files, sessions, with_profiles=robust, tell=tell, progress=progress)
    make_folder(out)
    tried = []
    for number, (name, book) in enumerate(books):
        progress("detect", number, len(books))
        run = run_rules(recording, book)
        for line in explain_unjudged(run.engine, run.evaluation):
            tell(f"{name}: {line}")
        market = Market.from_evaluation(run.evaluation, sessions)
        progress("measure", number, len(books))
        tried.append(_try(name, book, run, market, matches, seed))
    timespans, counts = np.unique([market.keys[code][1] for code in market.code], return_counts=True)
    bars = dict(zip(timespans.tolist(), counts.tolist(), strict=True))
    session = run.evaluation.scan.positions.session
    backtest = Backtest(
        tried,
        sorted({symbol for symbol, _ in recording.bars.keys}),
        (iso_date(int(session.min())), iso_date(int(session.max()))),
        bars,
        {timespan: name_benchmark(market, timespan) for timespan in bars},
        matches,
        seed,
    )
    for stem in ("outcomes", "matched"):
        tables = [getattr(one, stem).assign(parameters=letter) for letter, one in zip("AB", tried, strict=False)]
        pd.concat(tables, ignore_index=True).to_parquet(out / f"{stem}.parquet", index=False)
    write_report(out / "backtest.html", backtest)
    return backtest


def list_alerts(raised: Iterable[Alert]) -> pd.DataFrame:
    """Return one row per alert of the market as it was first published, and whether it was retracted.

    Args:
        raised: all messages, those of one alert in their order.
    """
    first: dict[str, Alert] = {}
    retracted = set()
    for alert in raised:
        first.setdefault(alert.event_id, alert)
        if alert.status == "retracted":
            retracted.add(alert.event_id)
    columns = [*OF_ALERT, "bar_close_ms", "window_end_ms"]
    rows = [[getattr(alert, name) for name in columns] for alert in first.values()]
    alerts = pd.DataFrame(rows, columns=columns)
    return alerts.assign(
        rarity_sessions=alerts["rarity_sessions"].astype(float), retracted=alerts["event_id"].isin(retracted)
    )


def measure_moments(market: Market, code: np.ndarray, known_ms: np.ndarray) -> pd.DataFrame:
    """Return the outcomes of moments, one row per moment and horizon of its timespan.

    Returns:
        ``moment`` (its position), ``timespan``, ``horizon`` and the fields of ``outcomes.Outcomes``.
    """
    timespans = np.array([market.keys[one][1] for one in code], dtype=object)
    tables = []
    for timespan in dict.fromkeys(timespans):
        own = np.flatnonzero(timespans == timespan)
        for horizon in list_horizons(timespan):
            outcomes = measure_outcomes(market, code[own], known_ms[own], horizon)._asdict()
            outcomes["missing"] = np.array(MISSING, dtype=object)[outcomes["missing"]]
            tables.append(pd.DataFrame({"moment": own, "timespan": timespan, "horizon": horizon.name} | outcomes))
    if not tables:
        return pd.DataFrame(columns=["moment", "timespan", "horizon", "until_ms", "entry", "exit", "log_return",
                                     "benchmark", "abnormal", "volume", "missing"])  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _try(name: str, book: ParameterBook, run: Run, market: Market, matches: int, seed: int) -> Tried:
    every = list_alerts(run.alerts())
    alerts, bar = _locate(every, run)
    code = market.code[bar]
    # News that comes after its bar's close makes the alert known no earlier.
    late = alerts["window_end_ms"].to_numpy() > alerts["bar_close_ms"].to_numpy()
    known_ms = np.where(late, alerts["window_end_ms"].to_numpy(), market.ends[bar]).astype(np.int64)
    alerts = alerts.assign(known_ms=known_ms).drop(columns=["bar_close_ms", "window_end_ms"])
    ids = alerts["event_id"].tolist()
    drawn = draw_matched(market, ids, code, known_ms, matches=matches, seed=seed)
    outcomes = measure_moments(market, code, known_ms)
    followed = alerts.drop(columns="timespan").iloc[outcomes["moment"].to_numpy(dtype=int)].reset_index(drop=True)
    outcomes = pd.concat([followed, outcomes.drop(columns="moment")], axis=1)
    sign = outcomes["direction"].map({"up": 1.0, "down": -1.0}).astype(float)
    outcomes["signed"] = sign * outcomes["abnormal"].astype(float)
    matched = measure_moments(market, market.code[drawn.bar], market.ends[drawn.bar])
    moment = matched["moment"].to_numpy(dtype=int)
    of, bars = drawn.alert[moment], drawn.bar[moment]
    scan, dates = run.evaluation.scan, run.evaluation.scan.positions.session
    matched.insert(0, "event_id", np.array(ids, dtype=object)[of])
    matched.insert(1, "symbol", [scan.bars.key(one)[0] for one in bars.tolist()])
    matched.insert(2, "session_date", [iso_date(day) for day in dates[bars].tolist()])
    matched.insert(3, "ts_ms", scan.bars.ts[bars])
    matched = matched.drop(columns="moment")
    summaries = [
        summarise(outcomes, matched, groups, seed).assign(by=by) for by, groups in group_alerts(alerts) if len(alerts)
    ]
    versions = tuple(dict.fromkeys(book.version(iso_date(int(day))) for day in np.unique(dates)))
    summary = pd.concat(summaries, ignore_index=True) if summaries else pd.DataFrame()
    return Tried(name, book, versions, alerts, len(every) - len(alerts), outcomes, matched, summary)


def _locate(alerts: pd.DataFrame, run: Run) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the alerts of the market that rest on a bar, and the index of each one's bar in the scan."""
    bars = run.evaluation.scan.bars
    codes = {key: code for code, key in enumerate(bars.keys)}
    code = np.array([codes.get(key, -1) for key in zip(alerts["symbol"], alerts["timespan"], strict=True)], np.int64)
    order = np.lexsort((bars.ts, bars.code))
    sorted_keys = (bars.code[order].astype(np.int64) << 43) | bars.ts[order]
    wanted = (code << 43) | alerts["ts_ms"].to_numpy(dtype=np.int64)
    place = np.minimum(np.searchsorted(sorted_keys, wanted), len(order) - 1)
    operations = np.array([kind_of(rule) == "operations" for rule in alerts["rule"]], dtype=bool)
    chosen = (sorted_keys[place] == wanted) & ~operations & (alerts["symbol"] != MARKET).to_numpy()
    return alerts[chosen].reset_index(drop=True), order[place[chosen]]
