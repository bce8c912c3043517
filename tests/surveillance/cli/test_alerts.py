"""The command ``alerts`` on the alerts of a small recording."""

from __future__ import annotations

import io
import json

import pandas as pd

from tests.surveillance.cli.recordings import OPEN, run


def test_the_highest_scores_come_first_with_new_yorks_time_and_the_id(replayed):
    listed = pd.read_csv(io.StringIO(run("alerts", "--as", "csv", alerts=replayed).stdout))
    rows = pd.read_parquet(replayed)
    assert sorted(listed["event_id"]) == sorted(rows["event_id"].unique())
    assert listed["score"].tolist() == sorted(rows.groupby("event_id")["score"].max(), reverse=True)
    started = pd.to_datetime(listed["ts_ms"], unit="ms", utc=True).dt.tz_convert("America/New_York")
    assert listed["new_york"].tolist() == started.dt.strftime("%Y-%m-%d %H:%M").tolist()

    table = run("alerts", alerts=replayed.parent, top=1).stdout
    first = listed.iloc[0]
    assert f"{first['new_york']} NY" in table
    assert all(first[name] in table for name in ("severity", "symbol", "rule", "event_id", "explanation"))
    assert f"1 of {len(listed):,} alerts." in table


def test_filters_choose_by_symbol_rule_severity_and_time(replayed):
    def listed(*more, **options):
        lines = run("alerts", "--as", "json", *more, alerts=replayed, **options).stdout.splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])

    every = listed(sort="time")
    assert every["ts_ms"].is_monotonic_increasing
    chosen = listed(symbol="nvda", rule="abnormal_volume", severity="high")
    expected = every[(every["symbol"] == "NVDA") & (every["rule"] == "abnormal_volume")]
    expected = expected[expected["severity"].isin(["high", "critical"])]
    assert len(chosen)
    assert sorted(chosen["event_id"]) == sorted(expected["event_id"])
    day = listed(since="2019-02-14", until="2019-02-14")
    assert set(day["event_id"]) == set(every.loc[every["new_york"].str.startswith("2019-02-14"), "event_id"])
    # An alert counts that lasts into the time that is asked for, and a bar that does.
    since, until = OPEN + 200 * 60_000 + 30_000, OPEN + 205 * 60_000
    spans = pd.read_parquet(replayed).groupby("event_id")["ts_ms"].agg(["min", "max"])
    lasting = spans[(spans["max"] + 60_000 > since) & (spans["min"] <= until)]
    minute = listed(since="2019-02-14 12:50:30", until="2019-02-14T17:55:00+00:00")
    assert set(minute["event_id"]) == {*lasting.index}
    assert 0 < len(minute) < len(every)
    assert listed(kind="operations").empty


def test_what_cannot_be_meant_is_said(replayed, tmp_path):
    no_rule = run("alerts", alerts=replayed, rule="volume")
    assert (no_rule.exit_code, "volume is no rule; rules are abnormal_volume" in no_rule.output) == (1, True)
    no_time = run("alerts", alerts=replayed, since="yesterday")
    assert (no_time.exit_code, "--since 'yesterday' is no time" in no_time.output) == (1, True)
    backwards = run("alerts", alerts=replayed, since="2019-02-15", until="2019-02-14")
    assert (backwards.exit_code, "lies before" in backwards.output) == (1, True)
    pd.DataFrame({"symbol": ["KO"]}).to_parquet(tmp_path / "alerts.parquet")
    lacking = run("alerts", alerts=tmp_path)
    assert (lacking.exit_code, "lacks column event_id" in lacking.output) == (1, True)
    nothing = run("alerts")
    assert (nothing.exit_code, "either --alerts FILE or --kafka" in nothing.output) == (1, True)
