"""``make demo``: the whole platform on one machine, watched until it is stopped, then summed up.

The demo only asks and looks: every bar, alert and row is made by the Airflow DAGs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from include.local_stack.clients import Clients
from include.local_stack.patience import Patience
from include.local_stack.stack import Stack
from include.local_stack.summary import CoveredTime, Summary, summarise
from include.surveillance import broker, wire
from include.surveillance.alerts.transcript import Transcript
from include.surveillance.errors import SurveillanceError
from include.surveillance.places import Place
from include.surveillance.records import Alert
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, new_york_day_start, now_ms, to_ms, write_utc

# A profile of three full sessions has its own idea of each time of day, against which live minutes are held.
SESSIONS_TO_BACKFILL = 3
ALWAYS_ON = ("detect_anomalies", "notify_alerts")
SCHEDULED = (
    "land_raw", "prepare_symbols", "ingest_market_data", "check_quality", "maintain_platform",
    "gather_landings", "build_marts", "repoll_session", "record_desk", "serve_features",
)  # fmt: skip
# Started here, before what comes after them.
FIRST = ("bootstrap_platform", "ingest_reference", "backfill_market_data")
BASELINES, HISTORY = "build_baselines", "judge_history"
DRAIN_SECONDS = 300

console = Console(highlight=False, soft_wrap=True)


def run(stack: Stack, duration: float | None) -> int:
    """Run the demo on a started stack; returns the exit code, 0 only when every stage produced something.

    Args:
        duration: seconds of live minutes before the summary; None keeps running until Ctrl-C, without one.
    """
    demo = Demo(stack)
    demo.prepare()
    stack.show_addresses()
    demo.watch(duration)
    if duration is None:
        return 0
    summary = demo.finish()
    failures = summary.failures()
    console.print(summary.table(), crop=False)
    (stack.state / "summary.json").write_text(json.dumps({**asdict(summary), "failures": failures}, indent=2))
    for failure in failures:
        console.print(f"[bold red]failed:[/] {escape(failure)}")
    return 1 if failures else 0


def choose_start(sessions: Sessions, at_ms: int) -> int:
    """Choose when the history of a demo that begins at ``at_ms`` starts, UTC epoch ms.

    It is a midnight in New York, as what ``repoll_session`` asks for starts with one.
    """
    first, *_ = sessions.recent(SESSIONS_TO_BACKFILL + 1, at_ms)
    return new_york_day_start(first.open_ms)


class Demo(Clients):
    """One demo run; its steps are called in the order in which they stand here."""

    def __init__(self, stack: Stack):
        super().__init__(stack)
        self._history_from_ms = self._live_from_ms = 0

    def prepare(self) -> None:
        """Bring the platform to the live minute: tables, splits, history, detection caught up, its alerts, profiles."""
        self.airflow.wait_for_dags({*FIRST, BASELINES, HISTORY, *ALWAYS_ON, *SCHEDULED})
        for dag_id in FIRST:
            self.airflow.unpause(dag_id)
        self._run("bootstrap_platform", 180)
        # Only now: they begin at once, and need the topics.
        for dag_id in ALWAYS_ON:
            self.airflow.unpause(dag_id)
        # Before any bar: a split that is known later would change alerts on earlier bars.
        self._run("ingest_reference", 180)
        self._backfill_once()
        self._drain("detector", broker.BARS, "detection caught up")
        self.airflow.unpause(HISTORY)
        self._run(HISTORY, 300)
        self._baselines_once()
        for dag_id in SCHEDULED:
            self.airflow.unpause(dag_id)
        self._live_from_ms = now_ms()

    def _backfill_once(self) -> None:
        """Fetch history on the first start; later starts go on where ingestion stopped."""
        runs = self.airflow.runs("backfill_market_data", state="success")
        if done := [run for run in runs if (run["conf"] or {}).get("from")]:
            self._history_from_ms = to_ms(datetime.fromisoformat(done[-1]["conf"]["from"]))
            _step("history is there; ingestion goes on where it stopped")
            return
        self._history_from_ms = choose_start(self.sessions, now_ms())
        span = {"from": write_utc(self._history_from_ms), "to": write_utc(now_ms() // MINUTE_MS * MINUTE_MS)}
        self._run("backfill_market_data", 600, {"timespan": "minute", "news": True, **span})

    def _baselines_once(self) -> None:
        """Build profiles that hold from now on; what has been detected before stays as it is."""
        runs = self.airflow.runs(BASELINES, state="success")
        # Switched on only now: its first run by schedule starts at once, and needs the whole history.
        self.airflow.unpause(BASELINES)
        if not any((run["conf"] or {}).get("effective") == "now" for run in runs):
            self._run(BASELINES, 300, {"effective": "now"})

    def _run(self, dag_id: str, timeout: float, conf: dict[str, Any] | None = None) -> None:
        started = time.monotonic()
        self.airflow.run(dag_id, timeout, conf)
        _step(f"{dag_id} done", time.monotonic() - started)

    def _drain(self, group: str, topic: str, done: str) -> None:
        started, patience = time.monotonic(), Patience(DRAIN_SECONDS)
        with broker.LagProbe(self.kafka, group, self.positions(topic)) as probe:
            while lag := probe.lag():
                if patience.is_over():
                    raise SurveillanceError(
                        f"group {group} still lags {lag} messages on {topic} after {patience.describe()}; "
                        "look at the DAG that consumes it in Airflow"
                    )
                time.sleep(0.5)
        _step(done, time.monotonic() - started)

    def watch(self, duration: float | None) -> None:
        """Print what people are notified of, a line each, until ``duration`` seconds have passed or a signal comes."""
        stop = time.monotonic() + duration if duration else float("inf")
        places, earlier = self._read_alerts(dict.fromkeys(self.positions(broker.ALERTS)))
        live = {alert.event_id for alert in earlier if alert.source == "live"}
        history = len({alert.event_id for alert in earlier} - live)
        _step(f"{history:,} alerts in history; from now on live ones as they fire, Ctrl-C stops")
        transcript = Transcript()
        transcript.tell(earlier)
        while time.monotonic() < stop:
            places, alerts = self._read_alerts(places)
            for line in transcript.tell(alerts):
                console.print(line, markup=False)
            time.sleep(0.5)

    def _read_alerts(
        self, places: Mapping[broker.Position, Place | None]
    ) -> tuple[Mapping[broker.Position, Place | None], list[Alert]]:
        batch = broker.read(self.kafka, places, limit=10_000_000)
        records = (wire.decode(message.value) for message in batch.messages)
        return batch.places, [record for record in records if isinstance(record, Alert)]

    def finish(self) -> Summary:
        """Stop polling, let every later stage catch up, and sum up."""
        self.airflow.pause("ingest_market_data")
        covered = CoveredTime(self._history_from_ms, self._live_from_ms, (now_ms() // MINUTE_MS - 1) * MINUTE_MS)
        self._drain("detector", broker.BARS, "detection caught up")
        self._run(HISTORY, 300)
        self._drain("notifier", broker.ALERTS, "notification caught up")
        self._run("land_raw", 180)
        self._run("build_marts", 300)
        return summarise(self, covered)


def _step(text: str, seconds: float | None = None) -> None:
    console.print(f"[green]✓[/] {text}" + (f" [dim]({seconds:.1f} s)[/]" if seconds is not None else ""))
