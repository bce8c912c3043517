"""What is said of an hour without feeds, of a symbol that nobody polls and of a half-day: ``make coverage-trial``.

A seeded market is published on a Kafka broker of its own, detected on and landed in an embedded warehouse, and dbt
builds the marts twice. What was watched, and why not the rest, is counted here as well, minute by minute, from the
polls and bars that were published and the metrics that came of them: ``rpt_coverage`` must say the same of every
session, symbol, rule and form, and the statement of each session must be over these rows.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
import typer
from dbt.cli.main import dbtRunner
from snowflake.connector import SnowflakeConnection

from include.surveillance import broker
from include.surveillance.broker import Kafka
from include.surveillance.errors import SurveillanceError
from include.surveillance.live.build_profiles import build_partition
from include.surveillance.live.detector import Detector
from include.surveillance.records import Bar, Instrument, Metric, Record, Watermark
from include.surveillance.sessions import Session, Sessions
from include.surveillance.timespans import HOUR_MS, MINUTE_MS
from include.surveillance.warehouse.landing import land
from include.surveillance.warehouse.records import read_landed
from include.surveillance.warehouse.rows import KINDS
from include.surveillance.warehouse.schema import migrate_raw
from tests.benchmarks import machine
from tests.conftest import kafka_server
from tests.dbt_project.conftest import PROJECT, REQUIRED, own_warehouse
from tests.paths import MEASURED

OUTAGE, SHORT = "2024-11-27", "2024-11-29"
DATES = ("2024-11-25", "2024-11-26", OUTAGE, SHORT)
# The feeds are off from the second hour of the session to the third.
OFF_MS = (HOUR_MS, 2 * HOUR_MS)
CHUNK_MS = 30 * MINUTE_MS
BUSY, THIN, NEVER = ("BUSY0", "BUSY1", "BUSY2"), "THIN", "NEVER"
POLLED = (*BUSY, THIN)
THIN_EVERY = 3
GAP = "price_gap"
# Rule and form, and the field of a metric that is None where the form has too little to go on.
OF_BARS = {
    ("abnormal_volume", "literal"): "volume_mean", ("abnormal_volume", "robust"): "volume_z",
    ("volatility_spike", "literal"): "return_std_p95", ("volatility_spike", "robust"): "volatility_ratio",
    ("price_breakout", "literal"): "highest_high", ("price_breakout", "robust"): "breakout_atr",
    (GAP, "literal"): "gap", (GAP, "robust"): "gap_range",
}  # fmt: skip
OF_FEEDS = (("feed_freshness", "literal"), ("data_quality", "literal"))
COUNTS = ("expected", "watched", "late", "no_trade", "no_history", "rejected", "not_measured", "not_polled")
COLUMNS = ", ".join(f"{count}_minutes" for count in COUNTS)
SHOWN = 10


class Key(NamedTuple):
    """What ``rpt_coverage`` has a row for."""

    date: str
    symbol: str
    rule: str
    form: str


Coverage = dict[Key, tuple[int, ...]]
"""Minutes in the order of ``COUNTS``."""


@dataclass
class Published:
    """What was sent, by the start of each minute, UTC epoch ms."""

    asked: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    traded: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def main(
    seed: Annotated[int, typer.Option(help="Of the market.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for README.md.")] = MEASURED / "coverage",
) -> None:
    """The exit code is 1 when a row, a statement or what was done to the feeds is not found as it was."""
    about = machine.facts()
    calendar = Sessions()
    sessions = [session for date in DATES if (session := calendar.on(date))]
    with tempfile.TemporaryDirectory(prefix="coverage-") as name, pytest.MonkeyPatch.context() as patch:
        for variable in REQUIRED:
            patch.setenv(variable, "any")
        patch.setenv("MARKET_SESSIONS", json.dumps([asdict(session) for session in sessions]))
        with own_warehouse(patch, "COVERAGE", Path(name)) as connection:
            migrate_raw(connection)
            with kafka_server(Path(name) / "kafka") as kafka:
                published = run_market(connection, kafka, calendar, sessions, seed)
            build(Path(name))
            said, statements = read_report(connection)
            build(Path(name))
            again = read_report(connection)
            metrics = {
                (metric.symbol, metric.ts_ms): metric
                for batch in read_landed(connection, Metric, -inf, inf)
                for metric in batch
            }
    expected = count_minutes(sessions, published, metrics)
    found = compare(sessions, expected, said, statements, again=again == (said, statements))
    result = {"seed": seed, "found": found, "said": said, "statements": statements, "machine": about}
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(markdown(result))
    for check in found:
        typer.echo(f"{'as expected' if check['as_expected'] else 'DIFFERS'}: {check['what']}: {check['found']}")
    raise typer.Exit(0 if all(check["as_expected"] for check in found) else 1)


def run_market(
    connection: SnowflakeConnection, kafka: Kafka, calendar: Sessions, sessions: list[Session], seed: int
) -> Published:
    """Publish the sessions poll by poll, detect as they come, with profiles of those before, and land every topic."""
    published, chance = Published(), random.Random(seed)
    prices = dict.fromkeys(POLLED, 100.0)
    broker.ensure_topics(kafka, 1)
    for number, session in enumerate(sessions):
        asked_ms = session.first_ms
        broker.publish(
            kafka, [Instrument(symbol=symbol, name=symbol, polled_ms=asked_ms) for symbol in (*POLLED, NEVER)]
        )
        if number:
            build_partition(kafka, 0, sessions=calendar, effective_ms=session.open_ms)
        with Detector(kafka, 0, sessions=calendar) as detector:
            for records in list_polls(session, prices, chance):
                note(published, records)
                broker.publish(kafka, records)
                while detector.step()["records"]:
                    pass
        for topic in KINDS:
            land(connection, kafka, topic)
    return published


def list_polls(session: Session, prices: dict[str, float], chance: random.Random) -> Iterator[list[Record]]:
    """Yield the records of a session, half an hour by half an hour, none of those when the feeds are off."""
    for from_ms in range(session.open_ms, session.close_ms, CHUNK_MS):
        until_ms = min(from_ms + CHUNK_MS, session.close_ms)
        bars = [
            make_bar(symbol, ts_ms, until_ms, prices, chance)
            for ts_ms in range(from_ms, until_ms, MINUTE_MS)
            for symbol in POLLED
            if symbol != THIN or (ts_ms - session.open_ms) // MINUTE_MS % THIN_EVERY == 0
        ]
        if session.date == OUTAGE and OFF_MS[0] <= from_ms - session.open_ms < OFF_MS[1]:
            continue
        counts = {symbol: sum(bar.symbol == symbol for bar in bars) for symbol in POLLED}
        asked = {"timespan": "minute", "from_ms": from_ms, "as_of_ms": until_ms, "polled_ms": until_ms + 2_000}
        yield [*bars, *(Watermark(symbol=symbol, bars=count, **asked) for symbol, count in counts.items())]


def make_bar(symbol: str, ts_ms: int, until_ms: int, prices: dict[str, float], chance: random.Random) -> Bar:
    """Make the next bar of a symbol, whose price walks at random."""
    opened = prices[symbol]
    prices[symbol] = close = round(max(opened + chance.gauss(0, 0.05), 1.0), 2)
    return Bar(
        symbol=symbol,
        timespan="minute",
        ts_ms=ts_ms,
        open=opened,
        high=max(opened, close) + 0.01,
        low=min(opened, close) - 0.01,
        close=close,
        volume=Decimal(chance.randint(1_000, 2_000)),
        polled_ms=until_ms + 2_000,
    )


def note(published: Published, records: list[Record]) -> None:
    """Remember the minutes that were asked for, and those that have a bar."""
    for record in records:
        if isinstance(record, Bar):
            published.traded[record.symbol].add(record.ts_ms)
        elif isinstance(record, Watermark):
            published.asked[record.symbol] |= set(range(record.from_ms, record.as_of_ms, MINUTE_MS))


def build(folder: Path) -> None:
    """Build all marts with all data tests.

    Raises:
        SurveillanceError: a model or a data test failed.
    """
    places = ("--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", folder / "target")
    command = ["build", "--exclude-resource-type", "unit_test", "--quiet", "--log-path", folder / "logs", *places]
    result = dbtRunner().invoke([*map(str, command)])
    if not result.success:
        failed = [r.node.name for r in result.result or () if r.status not in ("success", "pass")]
        raise SurveillanceError(f"dbt failed: {', '.join(failed) or result.exception}")


def read_report(connection: SnowflakeConnection) -> tuple[Coverage, list[tuple[Any, ...]]]:
    """Return the rows of the report, and of each statement its session's date, digest, rows and when it was made."""
    with connection.cursor() as cursor:
        query = f"select session_date, symbol, rule, form, {COLUMNS} from analytics.rpt_coverage"
        rows = cursor.execute(query).fetchall()
        statements = cursor.execute(
            "select session_date, digest, coverage_rows, computed_at "
            "from analytics.rpt_coverage_sessions order by session_date, computed_at"
        ).fetchall()
    said = {Key(str(row[0]), *row[1:4]): tuple(map(int, row[4:])) for row in rows}
    return said, [(str(date), *rest) for date, *rest in statements]


def count_minutes(sessions: list[Session], published: Published, metrics: dict[tuple[str, int], Metric]) -> Coverage:
    """Count, minute by minute, what the report should say."""
    expected: Coverage = {}
    for session in sessions:
        minutes = set(range(session.open_ms, session.close_ms, MINUTE_MS))
        for symbol in (*POLLED, NEVER):
            asked, traded = published.asked[symbol] & minutes, published.traded[symbol] & minutes
            of_bars = [metrics.get((symbol, ts_ms)) for ts_ms in traded]
            for (rule, form), measure in OF_BARS.items():
                judged = [metric and getattr(metric, measure) is not None for metric in of_bars]
                watched, unmeasured = sum(map(bool, judged)), judged.count(None)
                counts = {
                    "watched": watched,
                    "no_trade": len(asked - traded),
                    "no_history": len(judged) - watched - unmeasured,
                    "not_measured": unmeasured,
                    "not_polled": len(minutes - asked),
                }
                if rule == GAP:
                    # One minute, which is what the day has come to.
                    order = ("watched", "not_measured", "no_history", "no_trade", "not_polled")
                    reason = next(name for name in order if counts[name])
                    counts = {reason: 1}
                expected[Key(session.date, symbol, rule, form)] = complete(counts)
            for rule, form in OF_FEEDS:
                counts = {"watched": len(asked), "not_polled": len(minutes - asked)}
                expected[Key(session.date, symbol, rule, form)] = complete(counts)
    return expected


def complete(counts: dict[str, int]) -> tuple[int, ...]:
    """Return all counts of a row: what is expected is the sum of its parts, and none of these was late."""
    return tuple({"expected": sum(counts.values()), **counts}.get(name, 0) for name in COUNTS)


def digest(date: str, said: Coverage) -> str:
    """Digest a session's rows as the documentation of ``rpt_coverage_sessions`` says."""
    rows = sorted((*key[1:], *counts) for key, counts in said.items() if key.date == date)
    symbols = [
        hashlib.sha256(";".join(",".join(map(str, row)) for row in own).encode()).hexdigest()
        for _, own in groupby(rows, key=lambda row: row[0])
    ]
    return hashlib.sha256(";".join(symbols).encode()).hexdigest()


def compare(
    sessions: list[Session], expected: Coverage, said: Coverage, statements: list[tuple[Any, ...]], *, again: bool
) -> list[dict[str, Any]]:
    """Hold what was found against what was done: of each what it is, what was expected and found, and whether it is."""
    checks: list[dict[str, Any]] = []

    def check(what: str, wanted: Any, found: Any) -> None:
        checks.append({"what": what, "expected": wanted, "found": found, "as_expected": wanted == found})

    def minutes(count: str, date: str, symbols: tuple[str, ...], *, of_gap: bool = False) -> list[int]:
        at = COUNTS.index(count)
        rows = {key: row[at] for key, row in said.items() if key.date == date and key.symbol in symbols}
        return sorted({count for key, count in rows.items() if (key.rule == GAP) == of_gap})

    differing = [f"{'|'.join(key)}: {expected.get(key)} is said to be {said.get(key)}"
                 for key in sorted(expected.keys() | said.keys()) if expected.get(key) != said.get(key)]  # fmt: skip
    check(f"rows of the report that differ from {len(expected):,} counted minute by minute", [], differing[:SHOWN])
    off = (OFF_MS[1] - OFF_MS[0]) // MINUTE_MS
    check(f"{OUTAGE}, feeds off for an hour: minutes that each rule could not fire in, of each polled symbol",
          [off], minutes("not_polled", OUTAGE, POLLED))  # fmt: skip
    check(f"{OUTAGE}: the same for a gap, which only the first bar can be", [0],
          minutes("not_polled", OUTAGE, POLLED, of_gap=True))  # fmt: skip
    for session in sessions:
        length = (session.close_ms - session.open_ms) // MINUTE_MS
        check(f"{session.date}: minutes by the calendar", [210 if session.date == SHORT else 390],
              minutes("expected", session.date, (*POLLED, NEVER)))  # fmt: skip
        check(f"{session.date}: minutes in which nobody asked for {NEVER}", [length],
              minutes("not_polled", session.date, (NEVER,)))  # fmt: skip
        if session.date != OUTAGE:
            check(f"{session.date}: minutes in which nobody asked for the others", [0],
                  minutes("not_polled", session.date, POLLED))  # fmt: skip
    check("rows whose parts do not sum to what was expected", 0,
          sum(row[0] != row[1] + sum(row[3:]) for row in said.values()))  # fmt: skip
    check("statements, one for each session, each over its rows",
          [(session.date, digest(session.date, said)) for session in sessions],
          [(date, signed) for date, signed, *_ in statements])  # fmt: skip
    check("a second build says the same", True, again)
    return checks


def markdown(result: dict[str, Any]) -> str:
    """Return the page of docs/measured."""
    about, said, found, statements = (result[name] for name in ("machine", "said", "found", "statements"))
    wrong = [check for check in found if not check["as_expected"]]
    return "\n".join(
        [
            "# What was watched while feeds were off",
            "",
            f"{about['date'][:10]}, {about['cores']} cores, load {about['load_at_start']} at the start.",
            (
                f"`make coverage-trial`: four sessions of {len(POLLED)} symbols, seed {result['seed']}, were detected "
                f"on and landed in the embedded warehouse. On {OUTAGE} the feeds were off for the second hour; {THIN} "
                f"trades every third minute; {NEVER} is on the watchlist and was never polled; {SHORT} is a half-day. "
                "What `rpt_coverage` says of it was counted again, minute by minute, from what was published and "
                "measured."
            ),
            "",
            f"**{len(found) - len(wrong)} of {len(found)} findings are as expected.**",
            "",
            "| what | expected | found |",
            "|---|---|---|",
            *(f"| {check['what']} | {tell(check['expected'])} | {tell(check['found'])} |" for check in found),
            "",
            "## What each rule could not see",
            "",
            f"Minutes of the {len(POLLED)} polled symbols on {OUTAGE}.",
            "",
            "| rule | form | expected | watched | no trade | no history | not measured | not polled |",
            "|---|---|---:|---:|---:|---:|---:|---:|",
            *(write_row(rule, form, said) for rule, form in (*OF_BARS, *OF_FEEDS)),
            "",
            "## Statements",
            "",
            "| session | rows | SHA-256 over them | made |",
            "|---|---:|---|---|",
            *(f"| {date} | {rows} | `{signed}` | {at:%Y-%m-%d %H:%M} |" for date, signed, rows, at in statements),
            "",
        ]
    )


def write_row(rule: str, form: str, said: Coverage) -> str:
    """Write one rule's line of the table: the sums over the polled symbols."""
    rows = [said[Key(OUTAGE, symbol, rule, form)] for symbol in POLLED if Key(OUTAGE, symbol, rule, form) in said]
    sums = dict(zip(COUNTS, map(sum, zip(*rows, strict=True)), strict=False))
    shown = ("expected", "watched", "no_trade", "no_history", "not_measured", "not_polled")
    return f"| {rule} | {form} | {' | '.join(f'{sums.get(name, 0):,}' for name in shown)} |"


def tell(value: Any) -> str:
    """Write a value for a cell: of many, how many they are."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return f"{len(value)}, {hashlib.sha256(repr(value).encode()).hexdigest()[:12]}"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    typer.run(main)
