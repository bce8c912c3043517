"""The desk with 100,000 alerts: ``python -m tests.benchmarks.desk`` (``make bench-desk``).

The alerts are stored in a PostgreSQL of its own by the code that stores them in the platform; Airflow's own API server
has the desk in it, and headless Chromium opens it. Measured is what somebody sees: from the start of a visit, or from
the click or key that changes a filter, until the rows are drawn.
"""

from __future__ import annotations

import json
import os
import random
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import psutil
import psycopg
import typer

from tests.airflow_home import migrate_metadata  # before anything that imports Airflow
from tests.benchmarks import machine
from tests.benchmarks.platform import report
from tests.benchmarks.platform.figures import Figure, Result, quantile, spread
from tests.conftest import address_database, postgres_cluster
from tests.desk import browser, create_app, listening, open_context, password_of, wait_until
from tests.paths import MEASURED

ALERTS, SYMBOLS, DAYS = 100_000, 5_000, 30
AT_ONCE, MINUTE_MS = 2_000, 60_000
DEEP = 50_000
VISITS = 10
PAINT_MS, FILTER_MS = 1_000, 300
RULES = {
    "abnormal_volume": 40, "volatility_spike": 20, "price_breakout": 20, "price_gap": 5, "news_impact": 11,
    "feed_freshness": 3, "data_quality": 1,
}  # fmt: skip
TAGS = {"unexplained": 40, "news": 20, "scheduled": 20, "market": 12, "halt": 4, "corporate action": 4}
# Of a hundred alerts; the others are open.
STATES = {"closed": 15, "in review": 3, "to sign": 1}
PEOPLE = ("analyst", "lead", "nina", "omar")
# When the browser has drawn the rows that are asked for: each look at the list that says "Loading" begins one wait.
WATCH = """
    const loading = () => [...document.querySelectorAll(".scroll .empty")].some((it) => it.textContent === "Loading …");
    const shown = () => document.querySelector(".scroll tr.row, .scroll .empty") && !loading();
    const drawn = (then) => requestAnimationFrame(() => setTimeout(() => then(performance.now())));
    window.bench = { begun: null, took: null, first: null, waits: false };
    for (const type of ["keydown", "click", "change"]) {
      addEventListener(type, () => { bench.begun = performance.now(); }, true);
    }
    new MutationObserver(() => {
      if (loading()) bench.waits = true;
      else if (bench.first === null && document.querySelector("tr.row")) {
        bench.first = 0;
        bench.waits = false;
        drawn((at) => { bench.first = at; });
      } else if (bench.waits && shown()) {
        bench.waits = false;
        const { begun } = bench;
        drawn((at) => { bench.took = at - begun; });
      }
    }).observe(document, { childList: true, subtree: true, characterData: true });
"""
# Goes on to the end of what is loaded until there are enough rows; says how long each frame took meanwhile.
SCROLL = """
    async (wanted) => {
      const box = document.querySelector(".scroll"), frames = [], begun = performance.now();
      let before = begun;
      while (performance.now() - begun < 300000) {
        box.scrollTop = box.scrollHeight;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - before);
        before = now;
        const rows = document.querySelectorAll("tr.row");
        if (rows[rows.length - 1].getAttribute("aria-rowindex") > wanted) break;
      }
      box.scrollTop = (wanted - 3) * 31;
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      const row = document.querySelector(`tr.row[aria-rowindex="${wanted + 1}"]`);
      return { seconds: (performance.now() - begun) / 1000, frames, alert: row?.dataset.alert };
    }
"""
# From a place in the list to another: until the frame is drawn that shows its rows.
JUMP = """
    async (index) => {
      const box = document.querySelector(".scroll"), begun = performance.now();
      box.scrollTop = index * 31;
      for (let n = 0; n < 600 && !document.querySelector(`tr.row[aria-rowindex="${index + 2}"]`); n++) {
        await new Promise(requestAnimationFrame);
      }
      return performance.now() - begun;
    }
"""


def main(
    alerts: Annotated[int, typer.Option(help="How many alerts are stored.")] = ALERTS,
    out: Annotated[Path | None, typer.Option(help="Folder for desk.md and desk.json.")] = None,
    explain: Annotated[bool, typer.Option(help="Print the plans of the queue's statements.")] = False,
) -> None:
    """The exit code is 1 when a target is missed. Without --out, only a run with 100,000 alerts is written."""
    about = machine.facts()
    with tempfile.TemporaryDirectory(prefix="desk-") as name:
        Path(name).chmod(0o755)  # PostgreSQL's user enters it
        result = measure(Path(name), alerts, explain=explain)
    text = (
        f"# The desk with {alerts:,} alerts\n\n`make bench-desk`, {about['date']}: {about['cpu']}, {about['cores']} "
        f"cores, {about['memory']}, load at the start {about['load_at_start']}.\n\n{report.section(result)}"
    )
    typer.echo(text)
    folder = out or (MEASURED / "benchmarks" if alerts == ALERTS else None)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "desk.md").write_text(text)
        figures = {"machine": about, "result": report.as_dict(result)}
        (folder / "desk.json").write_text(json.dumps(figures, indent=2) + "\n")
    raise typer.Exit(0 if result.held else 1)


def measure(folder: Path, alerts: int, *, explain: bool) -> Result:
    """Store the alerts, serve the desk and look at it."""
    from fastapi.testclient import TestClient

    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
    migrate_metadata()
    with postgres_cluster(folder) as cluster:
        address = address_database(cluster, "surveillance")
        for name, login in {"DB": "surveillance", "READER": "surveillance_reader", "DESK": "surveillance_desk"}.items():
            os.environ[f"AIRFLOW_CONN_SURVEILLANCE_{name}"] = address_database(cluster, login)
        begun = time.monotonic()
        store_all(alerts, address)
        typer.echo(f"{alerts:,} alerts stored in {time.monotonic() - begun:.0f} s", err=True)
        if explain:
            print_plans(address)
        with TestClient(create_app()) as client, listening(client.app) as server:
            login = {"username": "lead", "password": password_of("Lead")}
            token = client.post("/auth/token", json=login).json()["access_token"]
            with browser("--enable-precise-memory-info") as chromium:
                return look(chromium, server, token, address, alerts)


def store_all(count: int, address: str) -> None:
    """Store so many alerts of the last 30 days, and what people have done with some of them."""
    from include.orchestration import connections
    from include.orchestration.application.alerts import store_alerts
    from include.orchestration.application.database import migrate_database

    migrate_database()
    batch: list[Any] = []
    for it in make_alerts(count):
        batch.append(it)
        if len(batch) == AT_ONCE:
            with connections.application_database() as database, database.cursor() as cursor:
                store_alerts(cursor, batch)
            batch = []
    with connections.application_database() as database, database.cursor() as cursor:
        store_alerts(cursor, batch)
    chance = random.Random(2)
    with psycopg.connect(address, autocommit=True) as database, database.cursor() as cursor:
        cursor.execute("select alert_id from alerts order by alert_id")
        reviews = [
            (alert_id, state, chance.choice(PEOPLE), *(("usual", "omar") if state != "in review" else (None, None)))
            for (alert_id,) in cursor.fetchall()
            if (state := _choose(chance, STATES | {"open": 100 - sum(STATES.values())})) != "open"
        ]
        cursor.execute("create temporary table made (like reviews including defaults)")
        with cursor.copy("copy made (alert_id, state, owner, reason, closed_by) from stdin") as copy:
            for review in reviews:
                copy.write_row(review)
        cursor.execute("insert into reviews select * from made")
        # As an act does: what is closed is marked by a trigger.
        cursor.execute("update reviews set version = 1")
        # What autovacuum does within minutes.
        cursor.execute("vacuum analyze")


def make_alerts(count: int) -> Iterator[Any]:
    """Yield alerts spread over the last 30 days, as wide as real ones: each cites 21 bars."""
    from tests.orchestration.conftest import alert

    chance, now_ms = random.Random(1), int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    minutes = DAYS * 24 * 60 - 120
    for number in range(count):
        ts_ms = now_ms - (10 + number * minutes // count) * MINUTE_MS
        symbol, rule = f"S{chance.randrange(SYMBOLS):04}", _choose(chance, RULES)
        times, sessions = chance.randint(30, 200) / 10, chance.randint(1, 4_096)
        score = round(100 * chance.random() ** 0.5, 1)
        market = rule not in ("feed_freshness", "data_quality")
        said = "traded {} times its usual volume, once in {:,} sessions for this symbol, case {}"
        yield alert(
            symbol,
            rule=rule,
            severity="critical" if score >= 90 else "high" if score >= 75 else "medium" if score >= 60 else "low",
            score=score,
            tag=_choose(chance, TAGS) if market else None,
            direction=chance.choice(("up", "down")),
            explanation=f"{symbol} {said.format(times, sessions, number)}",
            ts_ms=ts_ms,
            bar_close_ms=ts_ms + MINUTE_MS,
            episode_start_ms=ts_ms,
            event_ids=tuple(f"bar|{symbol}|minute|{ts_ms - before * MINUTE_MS}" for before in range(21)),
        )


def _choose(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def look(chromium: Any, server: str, token: str, address: str, alerts: int) -> Result:
    """Open the desk as often as it takes, and return what was seen."""
    where = f"{server}/surveillance/"
    visits = [visit(chromium, where, server, token) for _ in range(VISITS + 1)]
    context = open_context(chromium, server, token)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(where)
    wait_until(page, "bench.first > 0")
    session = context.new_cdp_session(page)
    fresh = _measure_heap(session)
    taken, asked = filter_all(page)
    page.goto(where)
    page.wait_for_selector("tr.row")
    deep = min(DEEP, alerts // 2)
    scrolled = page.evaluate(SCROLL, deep)
    jumps = [page.evaluate(JUMP, index) for index in (0, deep // 2, deep - 40, 7, deep // 3) * 4]
    heap, resident = _measure_heap(session), _measure_tab()
    right = scrolled["alert"] == _find_alert(address, deep)
    context.close()
    every = [ms for kind, times in taken.items() if kind != "filters cleared" for ms in times]
    return Result(
        "the queue",
        f"{alerts:,} alerts of {DAYS} days and {SYMBOLS:,} symbols, of which 19 in 100 are reviewed; a fresh browser "
        f"for each of {VISITS} visits after one that warms the server; {len(every)} filters. API server and browser "
        "share the machine.",
        [
            *spread("start of a visit to rows drawn", [first for first, _ in visits[1:]], "ms", p95=PAINT_MS),
            *spread("start of a visit to first contentful paint", [fcp for _, fcp in visits[1:]], "ms"),
            Figure("the very first visit to rows drawn", visits[0][0], "ms"),
            *spread("filter: click or last key to rows drawn", every, "ms", p95=FILTER_MS),
            *spread("of it, a request for alerts", asked, "ms"),
            Figure(f"row {deep:,} is reached by holding on to the end, after", scrolled["seconds"], "s"),
            Figure(f"row {deep:,} is the one that the database has there", float(right), "", least=1),
            *spread("a frame while scrolling", scrolled["frames"], "ms"),
            *spread("a jump to another place of the loaded rows", jumps, "ms"),
            Figure("memory of scripts, fresh", fresh, "MB"),
            Figure(f"memory of scripts, {deep:,} rows loaded", heap, "MB"),
            Figure("memory of the tab's process then (PSS)", resident, "MB"),
        ],
        tables={
            "Filters, ms": [
                ("filter", "times", "p50", "p95", "longest"),
                *(
                    (kind, len(times), *(f"{quantile(times, share):.0f}" for share in (0.5, 0.95, 1)))
                    for kind, times in taken.items()
                ),
            ]
        },
    )


def visit(chromium: Any, where: str, server: str, token: str) -> tuple[float, float]:
    """Open the desk in a browser without anything kept; return ms to the rows drawn, and to the first paint."""
    context = open_context(chromium, server, token)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(where)
    wait_until(page, "bench.first > 0")
    first = page.evaluate("bench.first")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    context.close()
    return first, painted


def filter_all(page: Any) -> tuple[dict[str, list[float]], list[float]]:
    """Set filters one after the other; return by kind ms from event to rows, and ms of the requests."""
    taken: dict[str, list[float]] = defaultdict(list)
    chance = random.Random(3)

    def take(kind: str, act: Any) -> None:
        page.evaluate("bench.took = null")
        act()
        wait_until(page, "bench.took !== null || document.querySelector('.list .problem')")
        assert page.locator(".list .problem").count() == 0, page.locator(".list .problem").inner_text()
        taken[kind].append(page.evaluate("bench.took"))

    def choose(label: str, *values: str) -> None:
        for value in values:
            take(label.lower(), lambda value=value: _find_choice(page, label).select_option(value))
        clear()

    def write(label: str, *texts: str) -> None:
        for text in texts:
            page.get_by_label(label, exact=True).fill("")
            wait_until(page, "!new URLSearchParams(location.search).size")
            wait_until(page, "document.querySelector('.scroll').ariaBusy !== 'true'")
            take(
                label.lower(), lambda text=text: page.get_by_label(label, exact=True).press_sequentially(text, delay=30)
            )
        clear()

    def clear() -> None:
        take("filters cleared", lambda: page.get_by_role("button", name="Clear filters").click())

    choose("Rule", "abnormal_volume", "volatility_spike", "price_breakout", "price_gap", "news_impact", "market_event")
    choose("Tag", *TAGS)
    choose("Severity", "critical", "high", "medium")
    choose("Age", "0.25", "1", "8", "24", "168")
    choose("State", "open", "in review", "to sign", "closed", "all")
    write("Symbol", *(f"S{chance.randrange(SYMBOLS):04}" for _ in range(10)), "NONE")
    write("Owner", *PEOPLE, "nobody")
    write(
        "Text", "usual volume", "case 77", "once in 4,0", "200 sessions", "case 99999", "S0042", "nothing has it", "xyz"
    )
    for name in ("open", "in review", "to sign", "closed"):
        take("count", lambda name=name: page.get_by_role("button", name=name).first.click())
    clear()
    take("mine", lambda: page.get_by_role("button", name="Mine").click())
    clear()
    for name in ("Operations", "History", "Market"):
        take("tab", lambda name=name: page.get_by_role("link", name=name, exact=True).click())
    for rule, severity in (("price_gap", "critical"), ("news_impact", "high"), ("volatility_spike", "medium")):
        _find_choice(page, "Rule").select_option(rule)
        wait_until(page, "document.querySelector('.scroll').ariaBusy !== 'true'")
        take("two at once", lambda severity=severity: _find_choice(page, "Severity").select_option(severity))
        clear()
    requests = page.evaluate(
        "performance.getEntriesByType('resource').filter((it) => it.name.includes('/alerts?')).map((it) => it.duration)"
    )
    return taken, requests


def _find_choice(page: Any, label: str) -> Any:
    return page.locator(".filters label", has_text=re.compile(f"^{label}")).locator("select")


def _measure_heap(session: Any) -> float:
    """Megabytes of the page's script objects, after what is no more was collected."""
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {it["name"]: it["value"] for it in session.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"] / 1e6


def _measure_tab() -> float:
    """Megabytes of the largest renderer: the tab's process."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            if "--type=renderer" in process.cmdline():
                sizes.append(process.memory_full_info().pss / 1e6)
    return max(sizes)


def _find_alert(address: str, number: int) -> str:
    """The id of the alert at a place of the queue, counted from 1, by a statement of its own."""
    with psycopg.connect(address) as database:
        rows = database.execute(
            """
            select alerts.alert_id from alerts left join reviews using (alert_id)
            where kind = 'market' and source = 'live' and coalesce(reviews.state, 'open') <> 'closed'
            order by coalesce(tag, '') = 'unexplained' desc, score desc, bar_at desc, alert_id desc
            offset %s limit 1
            """,
            (number - 1,),
        )
        return rows.fetchone()[0]


def print_plans(address: str) -> None:
    """Print what PostgreSQL does for the statements that the queue asks."""
    from datetime import UTC, datetime, timedelta

    from include.orchestration.application.database import statement
    from include.orchestration.application.reviews import _NO_PLACE, NO_FILTER

    queue = {
        **NO_FILTER,
        "kind": "market",
        "source": "live",
        "closed": False,
        "untouched": True,
        "limit": 201,
        "order": "priority",
    }
    queue |= _NO_PLACE
    since = datetime.now(UTC) - timedelta(days=30)
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "first page": ("queue_alerts", queue),
        "newest": ("queue_alerts", queue | {"order": "newest"}),
        "rule": ("queue_alerts", queue | {"rule": "price_gap"}),
        "tag halt": ("queue_alerts", queue | {"tag": "halt"}),
        "symbol": ("queue_alerts", queue | {"symbol": "S0042"}),
        "owner": ("queue_alerts", queue | {"owner": "nina"}),
        "state": ("queue_alerts", queue | {"states": ["to sign"], "untouched": False}),
        "text, rare": ("queue_alerts", queue | {"text": "nothing has it"}),
        "text, some": ("queue_alerts", queue | {"text": "case 99999"}),
        "last 15 minutes": ("queue_alerts", queue | {"since": datetime.now(UTC) - timedelta(minutes=15)}),
        "counts": ("count_states", {"kind": "market", "since": since}),
        "pulse": ("read_pulse", {"now": datetime.now(UTC), "since": since, "channels": ["log"]}),
    }
    with psycopg.connect(address, cursor_factory=psycopg.ClientCursor) as database:
        for name, (sql, values) in asked.items():
            plan = database.execute("explain (analyze, buffers) " + statement(sql), values).fetchall()
            typer.echo(f"--- {name}\n" + "\n".join(line for (line,) in plan), err=True)


if __name__ == "__main__":
    typer.run(main)
