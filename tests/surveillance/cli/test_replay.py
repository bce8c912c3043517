"""The command ``replay``: what it writes, and what it sets aside."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from include.surveillance.cli import app
from include.surveillance.validity import TIME_OUT_OF_RANGE
from tests.surveillance.cli.recordings import OPEN, run

HEADER = "symbol,timespan,ts_ms,open,high,low,close,volume"


def row(minute: int, volume: object = 1000, symbol: str = "NVDA", close: object = 100) -> str:
    return f"{symbol},minute,{OPEN + minute * 60_000},100,101,99,{close},{volume}"


def replay(tmp_path: Path, *rows: str, header: str = HEADER, **options: str):
    (tmp_path / "bars.csv").write_text("\n".join([header, *rows]))
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    bars, out = str(tmp_path / "bars.csv"), str(tmp_path / "out")
    return CliRunner().invoke(app, ["replay", "--rules", "literal", "--bars", bars, "--out", out, *arguments])


def table(tmp_path: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(tmp_path / "out" / f"{name}.parquet")


def test_one_row_per_firing_bar_and_rule_and_the_episodes_share_an_id(tmp_path):
    rows = [row(minute) for minute in range(20)]
    result = replay(tmp_path, *reversed([*rows, row(20, 9000), row(21, 9000)]))
    assert result.exit_code == 0, result.output
    alerts = table(tmp_path, "alerts")
    assert alerts["ts_ms"].tolist() == [OPEN + 20 * 60_000, OPEN + 21 * 60_000]
    assert set(alerts["rule"]) == {"abnormal_volume"}
    assert len(set(alerts["event_id"])) == 1
    required = (
        "symbol timespan ts_ms rule direction value threshold baseline score severity episode_start_ms explanation"
    )
    assert set(required.split()) <= set(alerts.columns)
    assert len(table(tmp_path, "metrics")) == 22
    assert "abnormal_volume" in result.output


def test_bad_rows_are_set_aside_with_reasons(tmp_path):
    bad = [
        "NVDA,minute,x,1,1,1,1,1",
        row(1, "lots"),
        row(2, -1),
        row(3, close="nan"),
        row(4, close="inf"),
        row(5, symbol=""),
    ]
    high_below_low = f"NVDA,minute,{OPEN},100,90,99,95,1"
    result = replay(tmp_path, row(0), *bad, high_below_low, "NVDA,week,1,1,1,1,1,1")
    assert result.exit_code == 0, result.output
    rejected = table(tmp_path, "rejected")
    assert rejected["reason"].tolist() == [
        "ts_ms is no time",
        "volume is no number",
        "negative volume",
        "price not finite",
        "price not finite",
        "symbol is no text",
        "high below low",
        "unknown timespan",
    ]
    assert rejected["row"].tolist() == list(range(1, 9))
    assert len(table(tmp_path, "metrics")) == 1
    assert len(table(tmp_path, "alerts")) == 0


def test_news_and_splits_take_part(tmp_path):
    day = 24 * 60
    (tmp_path / "news.csv").write_text(
        f"symbol,article_id,published_ms,title,sentiment\nNVDA,a1,{OPEN + 18 * 60_000},Recall,negative\nNVDA,a2,x,t,\n"
    )
    (tmp_path / "splits.csv").write_text("ticker,execution_date,split_from,split_to\nNVDA,2019-02-15,1,2\n")
    rows = [*(row(minute) for minute in range(20)), row(20, 9000)]
    halved = f"NVDA,minute,{OPEN + day * 60_000},50,51,49,50,1000"
    options = {"news": str(tmp_path / "news.csv"), "splits": str(tmp_path / "splits.csv"), "history": "sketch"}
    result = replay(tmp_path, *rows, halved, **options)
    assert result.exit_code == 0, result.output
    rules = set(table(tmp_path, "alerts")["rule"])
    assert "news_impact" in rules
    assert "price_gap" not in rules
    assert table(tmp_path, "rejected")["file"].tolist() == ["news.csv"]


@pytest.mark.parametrize(
    ("header", "message"),
    [("symbol,ts_ms", "lacks column open (or o)"), ("", "is empty; a file of bars is Parquet or CSV")],
)
def test_an_unusable_file_is_one_clear_line(tmp_path, header, message):
    result = replay(tmp_path, header=header)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_missing_file_an_unknown_calendar_and_an_absent_broker_are_clear(tmp_path):
    runner = CliRunner()
    missing = runner.invoke(app, ["replay", "--bars", "/nowhere/bars.parquet", "--out", str(tmp_path)])
    assert (missing.exit_code, "/nowhere/bars.parquet cannot be read" in missing.output) == (1, True)
    unknown = replay(tmp_path, row(0), calendar="MOON")
    assert (unknown.exit_code, "unknown market calendar 'MOON'" in unknown.output) == (1, True)


def test_replay_says_what_became_of_every_row(hostile_bars, tmp_path):
    result = run("replay", bars=hostile_bars, out=tmp_path)
    assert result.exit_code == 0, result.output
    rejected = pd.read_parquet(tmp_path / "rejected.parquet")
    assert sorted(rejected["reason"]) == sorted(
        [
            "close is no number",  # a CSV holds no NaN
            "price not finite",
            "price not positive",
            "negative volume",
            "high below low",
            "high is no number",
            "volume is no number",
            "ts_ms is no time",
            TIME_OUT_OF_RANGE,
            "unknown timespan",
            "symbol is no text",
        ]
    )
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    assert len(metrics) == 780
    assert (metrics["volume"] == 1).sum() == 3
    rows = [line for line in result.output.splitlines() if "duplicate bars" in line or "corrected bars" in line]
    assert ["5" in rows[0], "3" in rows[1]] == [True, True]


def test_a_recording_without_a_bar_is_an_error_with_the_reason_and_its_rows_are_written(tmp_path):
    result = replay(tmp_path, row(0, 0), row(1, 0))
    assert result.exit_code == 1
    assert "holds no usable bar: no trade (2 rows); `replay` writes the reason of each row" in result.output
    assert table(tmp_path, "rejected")["reason"].tolist() == ["no trade"] * 2


def test_what_was_found_in_a_file_is_said_and_a_reason_is_explained(tmp_path):
    seconds = [f"{OPEN // 1_000 + 60 * minute},100,101,99,100,{5 * (minute != 1)}" for minute in range(3)]
    (tmp_path / "AAPL.csv").write_text("\n".join(["time,open,high,low,close,Volume", *seconds]))
    arguments = ["replay", "--bars", str(tmp_path / "AAPL.csv"), "--out", str(tmp_path), "--timespan", "minute"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "format tradingview; symbols by the names of the files; time in seconds" in result.output
    assert "no trade: a bar without volume is none" in result.output
    assert pd.read_parquet(tmp_path / "metrics.parquet")["symbol"].tolist() == ["AAPL"] * 2
