"""What a build reads of RAW does not grow with the sessions that have landed before."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from include.surveillance.sessions import Session, Sessions
from include.surveillance.warehouse.schema import migrate_raw
from tests.dbt_project.conftest import Market
from tests.embedded_warehouse.launcher import Launcher

SYMBOLS, MINUTES, SESSIONS = 200, 15, 30
pytestmark = [pytest.mark.timeout(1800)]


class CountingLauncher(Launcher):
    def command(self) -> list[str]:
        command = super().command()
        return [*command[:2], "tests.dbt_project.counting_warehouse", *command[3:]]


MADE = """
    insert into raw.{table}
        (event_id, payload, headers, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, landed_at)
    select
        symbol.value::varchar || '|' || minute.value::varchar,
        parse_json({payload}), null, 'topic', 0, 1000 * symbol.index + minute.index,
        '{landed_at}'::timestamp_ntz, '{landed_at}'::timestamp_ntz
    from
        table(flatten(input => parse_json('{symbols}'))) as symbol,
        table(flatten(input => parse_json('{minutes}'))) as minute
"""


def land_session(market: Market, session: Session) -> None:
    """Bars and metrics of each symbol and minute, a watermark of each symbol, an alert of every tenth."""
    date, landed_at = session.date, f"{session.date} 22:00:00"
    symbols = [f"S{number:03d}" for number in range(SYMBOLS)]
    minutes = [session.open_ms + number * 60_000 for number in range(MINUTES)]
    end = minutes[-1] + 60_000

    def make(table: str, of: list[str], at: list[int], **values: object) -> None:
        fields = json.dumps({"timespan": "minute", "source": "live", "polled_ms": end + 2_000, **values})
        payload = (
            '\'{"symbol": "\' || symbol.value::varchar || \'", "ts_ms": \' || minute.value::varchar || \', '
            + fields[1:].replace("@", "' || symbol.value::varchar || '|' || minute.value::varchar || '")
            + "'"
        )
        market.query(
            MADE.format(
                table=table, payload=payload, landed_at=landed_at, symbols=json.dumps(of), minutes=json.dumps(at)
            )
        )

    prices = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": "100", "trades": 5}
    make("raw_bars", symbols, minutes, **prices)
    make("raw_metrics", symbols, minutes, bar_event_id="@", session_date=date, session_phase="regular", rvol=1.0)
    make("raw_watermarks", symbols, [end], from_ms=session.open_ms, as_of_ms=end, bars=MINUTES, rejected=0, status="OK")
    make("raw_instruments", symbols, [end], name="Company", market="stocks", active=True)
    alert = {
        "rule": "price_gap", "status": "fired", "form": "robust", "severity": "low", "score": 10.0, "firings": 1,
        "bar_close_ms": minutes[0] + 60_000, "session_date": date, "data_age_ms": 1_000, "rule_version": 1,
        "event_ids": ["@"], "direction": "up", "parameters_version": "p",
    }  # fmt: skip
    make("raw_alerts", symbols[::10], minutes[:1], **alert)


@pytest.fixture(scope="module")
def counted(profile, dbt, tmp_path_factory) -> dict[str, Counter[tuple[str, str]]]:
    """(node, table) -> rows, of the build of the second and of the last session."""
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
            for name, since, until in (("first", 0, 1), ("second", 1, 2), ("others", 2, -1), ("last", -1, SESSIONS)):
                for session in sessions[since:until]:
                    land_session(market, session)
                profile.setenv("MARKET_SESSIONS", json.dumps([asdict(session) for session in sessions[:until]]))
                (folder / "rows").write_text("")
                result = dbt("build", "--exclude-resource-type", "unit_test")
                assert result.success, [
                    (r.node.name, r.message) for r in result.result or [] if r.status not in ("success", "pass")
                ]
                rows: Counter[tuple[str, str]] = Counter()
                for line in (folder / "rows").read_text().splitlines():
                    one = json.loads(line)
                    rows[one["node"].split(".")[2], one["table"].rpartition(".")[2].lower()] += one["rows"]
                found[name] = rows
            ((bars,),) = market.query("select count(*) from analytics.fact_intraday_metrics where is_measured")
            assert bars == SYMBOLS * MINUTES * SESSIONS
    finally:
        launcher.stop()
    return found


def test_a_build_after_thirty_sessions_reads_at_most_twice_what_it_reads_after_one(counted):
    of_raw = {
        name: sum(rows for (_, table), rows in counted[name].items() if table.startswith("raw_"))
        for name in ("second", "last")
    }
    assert of_raw["second"] >= SYMBOLS * MINUTES * 2
    assert of_raw["last"] <= 2 * of_raw["second"]
