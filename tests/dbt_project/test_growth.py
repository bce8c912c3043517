"""What a build reads, but for looks at LANDED_AT, does not grow with the sessions that have landed before.

Counted are the builds of the second session and of the last one: the first makes the tables. A look at LANDED_AT alone,
for the newest, reads that column of the whole table here and grows with it; it is counted apart and has no limit, and
with it the whole grows. Snowflake keeps the greatest of a column, but that was not measured there.

``make growth`` does the same with as many symbols as the market has, and writes docs/measured/growth.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from include.surveillance.sessions import Session, Sessions
from include.surveillance.warehouse.schema import migrate_raw
from tests.benchmarks import machine
from tests.dbt_project.conftest import Market
from tests.embedded_warehouse.launcher import Launcher
from tests.paths import ROOT

SYMBOLS, MINUTES, SESSIONS = int(os.environ.get("GROWTH_SYMBOLS", "40")), 15, 30
NAMES = ("first", "last")
USES = ("rows", "newest")
Counted = Counter[tuple[str, str, str]]
"""(node, table, use) -> rows."""
PAGE = ROOT / "docs" / "measured" / "growth" / "README.md"
# What reads of all sessions, and why that is so.
ALERTS = "made of all alerts, of which a session has few"
READS_ALL = {
    "dim_instruments": "made of all polls, so that a late one makes the version that it would have made in time",
    "fact_alert_events": "looks up messages by their id alone, and a session has few",
    "fact_alerts": ALERTS,
    "rpt_alert_latency": ALERTS,
    "rpt_alerts_by_rule_and_day": ALERTS,
    "rpt_peer_comparison": "compares with forty days of `rpt_symbol_day`, and with no more",
    "data tests": "keys of small tables are unique in all of them; where a view, `fact_bars_adjusted`, is recent takes "
    "all of it to say",
    "fact_polled_minutes": "looks up its own newest session, and what was asked for in the week before",
}
pytestmark = [pytest.mark.timeout(1800)]


class CountingLauncher(Launcher):
    def command(self) -> list[str]:
        command = super().command()
        return [*command[:2], "tests.dbt_project.counting_warehouse", *command[3:]]


MADE = """
    insert into raw.{table}
        (event_id, payload, headers, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, landed_at)
    select
        symbol.value::varchar || '|' || {told},
        parse_json({payload}), null, 'topic', 0, 1000 * symbol.index + minute.index,
        '{landed_at}'::timestamp_ntz, '{landed_at}'::timestamp_ntz
    from
        table(flatten(input => parse_json('{symbols}'))) as symbol,
        table(flatten(input => parse_json('{minutes}'))) as minute
"""


def land_session(market: Market, session: Session) -> None:
    """Bars and metrics of each symbol and minute, a watermark of each symbol, an alert of every tenth."""
    date, landed_at = session.date, f"{session.date} 22:00:00"
    symbols = [f"S{number:05d}" for number in range(SYMBOLS)]
    minutes = [session.open_ms + number * 60_000 for number in range(MINUTES)]
    end = minutes[-1] + 60_000

    def make(table: str, of: list[str], at: list[int], told: str = "minute.value::varchar", **values: object) -> None:
        fields = json.dumps({"timespan": "minute", "source": "live", "polled_ms": end + 2_000, **values})
        payload = (
            '\'{"symbol": "\' || symbol.value::varchar || \'", "ts_ms": \' || minute.value::varchar || \', '
            + fields[1:].replace("@", "' || symbol.value::varchar || '|' || minute.value::varchar || '")
            + "'"
        )
        series = {"symbols": json.dumps(of), "minutes": json.dumps(at)}
        market.query(MADE.format(table=table, payload=payload, landed_at=landed_at, told=told, **series))

    prices = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": "100", "trades": 5}
    make("raw_bars", symbols, minutes, **prices)
    make("raw_metrics", symbols, minutes, bar_event_id="@", session_date=date, session_phase="regular", rvol=1.0)
    make("raw_watermarks", symbols, [end], from_ms=session.open_ms, as_of_ms=end, bars=MINUTES, rejected=0, status="OK")
    # Every poll says the same of a symbol.
    make("raw_instruments", symbols, [end], "'1'", name="Company", market="stocks", active=True)
    alert = {
        "rule": "price_gap", "status": "fired", "form": "robust", "severity": "low", "score": 10.0, "firings": 1,
        "bar_close_ms": minutes[0] + 60_000, "session_date": date, "data_age_ms": 1_000, "rule_version": 1,
        "event_ids": ["@"], "direction": "up", "parameters_version": "p",
    }  # fmt: skip
    make("raw_alerts", symbols[::10], minutes[:1], **alert)


@pytest.fixture(scope="module")
def counted(profile, dbt, tmp_path_factory) -> dict[str, Counted]:
    """What the build after one session and the one after all others read; those between have one build."""
    folder: Path = tmp_path_factory.mktemp("warehouse")
    database = f"GROWTH_{os.getpid()}"
    sessions = Sessions("XNYS").between("2024-01-01", "2024-02-14")
    assert len(sessions) == SESSIONS
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROWS_READ", str(folder / "rows"))
        launcher = CountingLauncher(folder).start()
    profile.setenv("SNOWFLAKE_HOST", "127.0.0.1")
    profile.setenv("SNOWFLAKE_PORT", str(launcher.port))
    profile.setenv("SNOWFLAKE_DATABASE", database)
    profile.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
    found = {}
    try:
        with launcher.connect(database=database) as connection:
            migrate_raw(connection)
            market = Market(connection)
            for name, since, until in (("made", 0, 1), ("first", 1, 2), ("others", 2, -1), ("last", -1, SESSIONS)):
                for session in sessions[since:until]:
                    land_session(market, session)
                profile.setenv("MARKET_SESSIONS", json.dumps([asdict(session) for session in sessions[:until]]))
                (folder / "rows").write_text("")
                result = dbt(*(["build", "--exclude-resource-type", "unit_test"] if name in NAMES else ["run"]))
                assert result.success, [
                    (r.node.name, r.message) for r in result.result or [] if r.status not in ("success", "pass")
                ]
                found[name] = count_rows(folder / "rows")
            ((bars,),) = market.query("select count(*) from analytics.fact_intraday_metrics where is_measured")
            assert bars == SYMBOLS * MINUTES * SESSIONS
    finally:
        launcher.stop()
    return found


def count_rows(file: Path) -> Counted:
    rows: Counted = Counter()
    for line in file.read_text().splitlines():
        scan = json.loads(line)
        newest = str(scan["columns"]).lower() == "landed_at"
        use = "newest" if newest else "rows"
        kind, _, name = scan["node"].split(".")[:3]
        node = name if kind == "model" else "data tests"
        rows[node, scan["table"].rpartition(".")[2].lower(), use] += scan["rows"]
    return rows


def rows_of(counted: Counted, prefix: str = "", use: str = "rows") -> int:
    return sum(rows for (_, table, used), rows in counted.items() if table.startswith(prefix) and used == use)


def by_node(counted: Counted) -> Counter[str]:
    rows: Counter[str] = Counter()
    for (node, _, use), read in counted.items():
        rows[node] += read if use == "rows" else 0
    return rows


def write_page(counted: dict[str, Counted]) -> None:
    about = machine.facts()
    first, last = (counted[name] for name in NAMES)
    told = {"rows": "read, by MERGE too", "newest": "LANDED_AT alone, for how far a table is"}
    whole = [sum(counts.values()) for counts in (first, last)]
    opening = (
        f"{str(about['date'])[:10]}, {about['cores']} cores. `make growth GROWTH_SYMBOLS={SYMBOLS}`: {SESSIONS} "
        f"sessions of {SYMBOLS:,} symbols, {MINUTES} minute bars each, made rows, in the embedded warehouse. Counted "
        "is what scans hand on, of models and data tests together, in the build of the second session and in that of "
        "the last."
    )
    lines = [
        "# What a build reads after many sessions",
        "",
        opening,
        "",
        "| rows | second session | last session |",
        "|---|---:|---:|",
        *(f"| {told[use]} | {rows_of(first, use=use):,} | {rows_of(last, use=use):,} |" for use in USES),
        f"| together | {whole[0]:,} | {whole[1]:,} |",
        "",
        "The limit, twice as much, is of the first line: together it does not hold.",
        "",
        "But for LANDED_AT these read more than twice as much in the last build as in the second:",
        "",
        "| read by | second session | last session | why |",
        "|---|---:|---:|---|",
        *(
            f"| `{node}` | {before:,} | {after:,} | {READS_ALL.get(node, '')} |"
            for node, (before, after) in sorted(growing(counted).items())
        ),
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n".join(lines) + "\n")


def growing(counted: dict[str, Counted]) -> dict[str, tuple[int, int]]:
    """Nodes that read more than twice as much in the last build as in the first, and how much."""
    first, last = (by_node(counted[name]) for name in NAMES)
    return {node: (first[node], rows) for node, rows in last.items() if rows > 2 * first[node]}


def test_but_for_looks_at_landed_at_a_build_after_thirty_sessions_reads_at_most_twice_as_much(counted):
    if "GROWTH_SYMBOLS" in os.environ:
        write_page(counted)
    first, last = (counted[name] for name in NAMES)
    assert rows_of(first, "raw_") >= SYMBOLS * MINUTES * 2
    most = {key: (first[key], rows) for key, rows in (last - first).most_common(30) if key[2] == "rows"}
    assert rows_of(last, "raw_") <= 2 * rows_of(first, "raw_"), most
    assert rows_of(last) <= 2 * rows_of(first), most


def test_what_reads_more_than_that_has_its_reason(counted):
    assert set(growing(counted)) == set(READS_ALL), growing(counted)
