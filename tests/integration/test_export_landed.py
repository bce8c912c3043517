"""The command ``export`` on a real (embedded) warehouse: what has landed is what the other commands read."""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import UTC, datetime

import pandas as pd
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from include.surveillance import wire
from include.surveillance.broker import Received
from include.surveillance.records import Record
from include.surveillance.studies.listing import list_alerts, read_alert_rows
from include.surveillance.warehouse.landing import stage_rows
from include.surveillance.warehouse.rows import make_rows, make_table
from include.surveillance.warehouse.schema import migrate_raw
from include.surveillance.warehouse.statements import statement
from tests.surveillance.cli.recordings import run as run_command
from tests.surveillance.detection.market import OPEN, bar, calm, news, run

MINUTE = 60_000


@pytest.fixture
def landed(launcher, monkeypatch) -> list[Record]:
    """Bars, an article, and what detection made of them, in a warehouse that the environment names."""
    records = [
        *calm(40),
        bar(40, volume=9_000),
        news(39),
        *calm(5, 41),
        replace(bar(3, volume=2_000), revision="", event_id=""),
    ]
    found = run(records[:-1])
    database = f"EXPORT_{uuid.uuid4().hex[:8].upper()}"
    with closing(launcher.connect(database=database)) as connection:
        migrate_raw(connection)
        published = [*records, *found.metrics, *found.alerts]
        messages = [
            Received(it.topic, 0, offset, OPEN + offset, it.symbol, wire.encode(it))
            for offset, it in enumerate(published)
        ]
        rows = make_rows(messages)
        with connection.cursor() as cursor:
            stage_rows(cursor, make_table(rows, datetime(2026, 1, 1, tzinfo=UTC)))
            for table in rows:
                cursor.execute(statement("insert_rows", table=table), {"table": table})
    login = {"ACCOUNT": "local", "USER": "tester", "PASSWORD": "any", "HOST": "127.0.0.1", "PORT": launcher.port}
    for name, value in (login | {"DATABASE": database}).items():
        monkeypatch.setenv(f"SNOWFLAKE_{name}", str(value))
    return published


def test_what_has_landed_raises_offline_what_it_raised_live(landed, tmp_path):
    result = run_command("export", "--warehouse", out=tmp_path / "raw")
    assert (result.exit_code, "47 bars" in result.output) == (0, True), result.output
    starts = pq.read_table(tmp_path / "raw" / "bars.parquet")["ts_ms"].to_pylist()
    assert starts[-1] == OPEN + 3 * MINUTE, "what came later stands later: readers keep the last"
    metrics = pq.read_table(tmp_path / "raw" / "metrics.parquet").to_pylist()
    assert len(metrics) == 46
    files = {name: tmp_path / "raw" / f"{name}.parquet" for name in ("bars", "news")}
    assert run_command("replay", **files, rules="literal", out=tmp_path / "out").exit_code == 0
    then, now = (list_alerts(read_alert_rows(tmp_path / folder)) for folder in ("raw", "out"))
    assert {"abnormal_volume", "news_impact"} <= {*then["rule"]}
    assert [*then["event_id"]] == [*now["event_id"]]


def test_only_what_was_asked_for_is_read(landed, tmp_path):
    since = pd.Timestamp(OPEN + 30 * MINUTE, unit="ms", tz="UTC").isoformat()
    assert run_command("export", "--warehouse", out=tmp_path, since=since, symbol="nvda").exit_code == 0
    assert pq.read_table(tmp_path / "bars.parquet")["ts_ms"].to_pylist() == [OPEN + m * MINUTE for m in range(30, 46)]
    assert pq.read_table(tmp_path / "news.parquet").num_rows == 1
    nothing = run_command("export", "--warehouse", out=tmp_path / "none", symbol="MOON")
    assert (nothing.exit_code, "the warehouse has no bar of what is asked for" in nothing.output) == (1, True)


def test_without_a_login_it_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("SNOWFLAKE_ACCOUNT", raising=False)
    result = run_command("export", "--warehouse", out=tmp_path)
    assert (result.exit_code, "SNOWFLAKE_ACCOUNT" in result.output) == (1, True), result.output
