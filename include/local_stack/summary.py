"""What a demo run did, counted from the outside: Airflow, the Kafka log, the warehouse, the simulator's labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx
from rich.table import Table

from include.local_stack.clients import Clients, Row
from include.surveillance import broker, normalise, wire
from include.surveillance.alerts.incidents import FEED
from include.surveillance.live.background import read_background
from include.surveillance.records import Alert, Bar
from include.surveillance.studies import agreement
from include.surveillance.timespans import MINUTE_MS

MINIMUM_SYMBOLS = 20
PROMPT_MS = MINUTE_MS
TABLE_WIDTH = 100  # wide enough for every row, whatever a pipe or a narrow window says
WATERMARK_RULES = {"feed_freshness", "data_quality"}
TABLES = (
    "RAW.RAW_BARS",
    "RAW.RAW_NEWS",
    "RAW.RAW_ALERTS",
    "RAW.RAW_METRICS",
    "ANALYTICS.FACT_INTRADAY_METRICS",
    "ANALYTICS.FACT_ALERTS",
)


@dataclass(frozen=True)
class CoveredTime:
    """The time that a demo covered, UTC epoch ms: history from its start, then live minutes up to its end."""

    start_ms: int
    live_from_ms: int
    end_ms: int


@dataclass
class Summary:
    """Counts of one demo run. Latencies are seconds from a live bar's close to its alert on the topic."""

    minutes_polled: int = 0
    symbols_polled_each_minute: int = 0
    profiles: int = 0
    alerts_by_rule: dict[str, int] = field(default_factory=dict)
    alerts_by_form: dict[str, dict[str, int]] = field(default_factory=dict)
    alerts_retracted: int = 0
    live_alerts: int = 0
    live_robust_alerts: int = 0
    labels_found: dict[str, int] = field(default_factory=dict)
    labels_missed: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    doubled_rows: int = 0
    bars_missing: int = 0
    dbt_tests_passed: int = 0
    dbt_tests_failed: int = 0
    alerts_notified: int = 0
    alerts_shown: int = 0
    alerts_replayed: int = 0
    replay_differences: list[str] = field(default_factory=list)
    docs_shown: bool = False
    latency_p50: float | None = None
    latency_p95: float | None = None

    def failures(self) -> list[str]:
        """Name each stage that produced nothing, or something it must not produce, in one line."""
        checks = {
            "poll: no live minute was polled": self.minutes_polled > 0,
            f"poll: fewer than {MINIMUM_SYMBOLS} symbols in a minute": self.symbols_polled_each_minute
            >= MINIMUM_SYMBOLS,
            "detect: no profile was built": self.profiles > 0,
            "detect: no alert": bool(self.alerts_by_rule),
            "detect: no alert in the live minutes": self.live_alerts > 0,
            "replay: no alert to compare": self.alerts_replayed > 0,
            f"replay: {len(self.replay_differences)} differences from what ran live, first "
            f"{self.replay_differences[:1]}": not self.replay_differences,
            f"land: {self.doubled_rows} rows are there twice": self.doubled_rows == 0,
            f"land: {self.bars_missing} minute bars of the vendor did not arrive": self.bars_missing == 0,
            "notify: no alert reached the application database": self.alerts_notified > 0,
            "show: Airflow's page shows no alert": self.alerts_shown > 0,
            "show: dbt's documentation is not there": self.docs_shown,
            "model: no dbt test passed": self.dbt_tests_passed > 0,
            f"model: {self.dbt_tests_failed} dbt tests failed": self.dbt_tests_failed == 0,
        }
        checks |= {f"land/model: {table} is empty": rows > 0 for table, rows in self.rows.items()}
        checks |= {
            f"detect: no labelled {kind} was found ({missed} missed)": self.labels_found.get(kind, 0) > 0
            for kind, missed in self.labels_missed.items()
        }
        return [text for text, holds in checks.items() if not holds]

    def table(self) -> Table:
        table = Table(title="Demo summary", title_justify="left", show_header=False, width=TABLE_WIDTH)
        table.add_row("minutes polled live", f"{self.minutes_polled}")
        table.add_row("symbols polled each minute", f"{self.symbols_polled_each_minute}")
        table.add_row("profiles", f"{self.profiles:,}")
        for name, rows in self.rows.items():
            table.add_row(name.lower(), f"{rows:,} rows")
        table.add_row("rows twice", f"{self.doubled_rows:,}")
        table.add_row("vendor's bars missing", f"{self.bars_missing:,}")
        for rule, count in sorted(self.alerts_by_rule.items()):
            hit, missed = self.labels_found.get(rule, 0), self.labels_missed.get(rule, 0)
            forms = ", ".join(f"{number:,} {form}" for form, number in sorted(self.alerts_by_form[rule].items()))
            table.add_row(rule, f"{count:,} alerts ({forms}); labelled: {hit} found, {missed} missed")
        table.add_row("alerts retracted", f"{self.alerts_retracted:,}")
        table.add_row("live alerts", f"{self.live_alerts:,}, {self.live_robust_alerts:,} of a robust form")
        table.add_row(
            "replayed from the log", f"{self.alerts_replayed:,} alerts, {len(self.replay_differences):,} differences"
        )
        table.add_row("alerts notified", f"{self.alerts_notified:,}")
        table.add_row("alerts on Airflow's page", f"{self.alerts_shown:,}")
        table.add_row("dbt tests", f"{self.dbt_tests_passed} passed, {self.dbt_tests_failed} failed")
        if self.latency_p50 is not None:
            table.add_row("bar close to alert", f"p50 {self.latency_p50:.1f} s, p95 {self.latency_p95:.1f} s")
        return table


def summarise(clients: Clients, covered: CoveredTime) -> Summary:
    """Ask every part of a stack, at rest, what it has done in the time that a demo covered."""
    batches = broker.read_all(clients.kafka, dict.fromkeys(clients.positions(broker.ALERTS)))
    decoded = ((it.timestamp_ms, wire.decode(it.value)) for batch in batches for it in batch.messages)
    alerts = [(stored_ms, record) for stored_ms, record in decoded if isinstance(record, Alert)]
    newest = {alert.event_id: alert for _, alert in alerts}.values()
    live = [alert for alert in newest if alert.source == "live"]
    forms: dict[str, Counter[str]] = {}
    for alert in newest:
        forms.setdefault(alert.rule, Counter())[alert.form] += 1
    replayed, differences = agreement.compare_log(clients.kafka, sessions=clients.sessions, book=clients.book)
    history, otherwise = agreement.compare_history(clients.kafka, sessions=clients.sessions, book=clients.book)
    summary = Summary(
        profiles=len(read_background(clients.kafka)[1]),
        alerts_by_rule=dict(Counter(alert.rule for alert in newest)),
        alerts_by_form={rule: dict(counts) for rule, counts in forms.items()},
        alerts_retracted=sum(alert.status == "retracted" for alert in newest),
        live_alerts=len(live),
        live_robust_alerts=sum(alert.form == "robust" for alert in live),
        alerts_replayed=replayed + history,
        replay_differences=differences + otherwise,
        alerts_notified=clients.database("select count(*) from alerts where symbol <> %s", [FEED])[0][0],
        alerts_shown=clients.airflow.shown_alerts(),
        docs_shown=httpx.get(clients.stack.addresses()["dbt-docs"]).text.lower().count("dbt docs") > 0,
        rows={table: clients.warehouse(f"select count(*) from {table}")[0][0] for table in TABLES},
        doubled_rows=sum(
            doubled
            for table in TABLES
            if table.startswith("RAW.")
            for (doubled,) in clients.warehouse(
                f"select count(*) - count(distinct hash(kafka_topic, kafka_partition, kafka_offset)) from {table}"
            )
        ),
        bars_missing=len(_vendor_minutes(clients, covered) - _landed_minutes(clients)),
    )
    summary.minutes_polled, summary.symbols_polled_each_minute = _polled(clients)
    summary.dbt_tests_passed, summary.dbt_tests_failed = _dbt_tests(clients)
    summary.labels_found, summary.labels_missed = _labels(clients, covered, [alert for _, alert in alerts])
    # Bars fetched late, after a pause of the demo, say nothing about the path's own latency; nor do corrections.
    waits = [
        (stored_ms - alert.bar_close_ms) / 1000
        for stored_ms, alert in alerts
        if alert.source == "live" and alert.data_age_ms <= PROMPT_MS and alert.status in ("fired", "refired")
    ]
    if len(waits) > 1:
        cuts = quantiles(waits, n=20, method="inclusive")
        summary.latency_p50, summary.latency_p95 = cuts[9], cuts[18]
    return summary


def _polled(clients: Clients) -> tuple[int, int]:
    """Count live minutes whose run succeeded, and the fewest symbols that one of them polled."""
    counts = []
    for run in clients.airflow.runs("ingest_market_data", state="success"):
        tasks = clients.airflow.tasks("ingest_market_data", run["dag_run_id"])
        counts.append(sum(task["task_id"] == "poll" and task["state"] == "success" for task in tasks))
    return len(counts), min(counts, default=0)


def _dbt_tests(clients: Clients) -> tuple[int, int]:
    """Count the data tests of the last build, passed and not passed, from dbt's own results."""
    results = json.loads(Path(clients.environment["DBT_DOCS_DIR"], "run_results.json").read_text())["results"]
    states = [result["status"] for result in results if result["unique_id"].startswith("test.")]
    return states.count("pass"), len(states) - states.count("pass")


def _landed_minutes(clients: Clients) -> set[Row]:
    """Return symbol and start of every minute bar in the warehouse."""
    return set(
        clients.warehouse(
            "select distinct payload:symbol::varchar, payload:ts_ms::int from raw.raw_bars "
            "where payload:timespan::varchar = 'minute'"
        )
    )


def _vendor_minutes(clients: Clients, covered: CoveredTime) -> set[Row]:
    """Ask the vendor anew for symbol and start of every usable minute bar of the covered time."""
    watchlist = clients.environment.get("AIRFLOW_VAR_WATCHLIST")
    symbols = watchlist.split(",") if watchlist else []
    payloads = (clients.polygon.bars(symbol, "minute", covered.start_ms, covered.end_ms) for symbol in symbols)
    records = (record for payload in payloads for record in normalise.bars(payload, source="backfill"))
    return {(record.symbol, record.ts_ms) for record in records if isinstance(record, Bar)}


def _labels(clients: Clients, covered: CoveredTime, alerts: Sequence[Alert]) -> tuple[dict[str, int], dict[str, int]]:
    """Count labels by kind: with an alert of that rule in the window, and without though all of it was judged."""
    if clients.stack.market.mode == "vendor":  # nobody labels the real market
        return {}, {}
    answer = httpx.get(
        f"{clients.environment['POLYGON_BASE_URL']}/simulator/labels",
        headers={"Authorization": f"Bearer {clients.environment['POLYGON_API_KEY']}"},
        timeout=30,
    ).raise_for_status()
    times: dict[tuple[str, str], list[int]] = {}
    for alert in alerts:
        times.setdefault((alert.rule, alert.symbol), []).append(alert.ts_ms)
    first = clients.sessions.following(covered.start_ms - 1)
    judged_from_ms = first.close_ms if first else covered.end_ms
    hit, missed = Counter[str](), Counter[str]()
    for label in answer.json()["labels"]:
        kind, start, end = label["kind"], label["start_ms"], label["end_ms"]
        # Silence and broken bars are seen by live polls only; the market is judged once a session makes a profile.
        seen_from_ms = covered.live_from_ms if kind in WATERMARK_RULES else judged_from_ms
        if any(start <= ts <= end for ts in times.get((kind, label["symbol"]), ())):
            hit[kind] += 1
        elif seen_from_ms <= start and end <= covered.end_ms:
            missed[kind] += 1
    kinds = {*hit, *missed}
    return {kind: hit[kind] for kind in kinds}, {kind: missed[kind] for kind in kinds}
