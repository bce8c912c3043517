"""The command ``explain`` on the alerts of a small recording."""

from __future__ import annotations

from math import inf

import numpy as np
import pandas as pd
import pytest

from tests.surveillance.cli.recordings import run, stricter


def test_explain_reproduces_an_alert_or_says_what_differs(bars, replayed, tmp_path):
    alerts = pd.read_parquet(replayed)
    alert_id = alerts.loc[alerts["rule"] == "abnormal_volume", "event_id"].iloc[0]
    result = run("explain", alert_id, bars=bars, alerts=replayed)
    assert (result.exit_code, "Reproduced bit for bit" in result.output) == (0, True), result.output

    changed = alerts.copy()
    chosen = changed["event_id"] == alert_id
    changed.loc[chosen, "value"] = np.nextafter(changed.loc[chosen, "value"], inf)
    changed.to_parquet(tmp_path / "alerts.parquet")
    result = run("explain", alert_id, bars=bars, rules="literal", alerts=tmp_path / "alerts.parquet")
    assert (result.exit_code, "DIFFERS" in result.output, "value" in result.output) == (1, True, True)
    assert "score" not in result.output.split("DIFFERS")[1]

    nowhere = alert_id.replace("|minute|", "|day|")
    result = run("explain", nowhere, bars=bars, rules="literal", alerts=replayed)
    assert (result.exit_code, "is not raised by these inputs" in result.output) == (1, True)
    result = run("explain", alert_id, bars=bars, rules="literal", alerts=replayed, params=stricter(tmp_path))
    assert (result.exit_code, "NOT REPRODUCED" in result.output) == (1, True)


def test_explain_of_a_robust_alert(bars, tmp_path):
    assert run("replay", bars=bars, out=tmp_path).exit_code == 0
    alerts = pd.read_parquet(tmp_path / "alerts.parquet")
    robust = alerts[alerts["form"] == "robust"]
    assert len(robust)
    for alert_id in robust["event_id"].unique()[:2]:
        result = run("explain", alert_id, bars=bars, alerts=tmp_path / "alerts.parquet")
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("alert_id", ["nonsense", "a|b|c", "||||"])
def test_explain_of_what_is_no_id(alert_id, bars):
    result = run("explain", alert_id, bars=bars)
    assert (result.exit_code, "is no alert's id" in result.output) == (1, True)


def test_explain_of_an_unknown_symbol_and_of_nothing(bars):
    unknown = run("explain", "price_gap|MOON|minute|1|v1", bars=bars)
    assert (unknown.exit_code, "has no bar of MOON" in unknown.output) == (1, True)
    nothing = run("explain", "price_gap|KO|minute|1|v1")
    assert (nothing.exit_code, "either --alerts FOLDER, --bars FILE" in nothing.output) == (1, True)


def test_what_a_replay_ran_with_need_not_be_said_again(bars, tmp_path, monkeypatch):
    """Files, form, parameters, memory and windows, wherever the command is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news.csv").write_text("symbol,article_id,published_ms,title,sentiment\n")
    (tmp_path / "mine.yaml").write_text("base: {abnormal_volume: {multiple: 2.5}}")
    unlike = {"rules": "literal", "history": "sketch", "params": "mine.yaml", "news": "news.csv"}
    assert run("replay", "--session-reset", bars=bars, out="out", **unlike).exit_code == 0
    alerts = pd.read_parquet(tmp_path / "out" / "alerts.parquet")
    monkeypatch.chdir("/")
    for rule, rows in alerts.groupby("rule"):
        result = run("explain", rows["event_id"].iloc[-1], alerts=tmp_path / "out")
        assert (result.exit_code, "Reproduced bit for bit" in result.output) == (0, True), (rule, result.output)
    drawn = run("chart", alerts["event_id"].iloc[0], alerts=tmp_path / "out", out=tmp_path / "chart.png")
    assert drawn.exit_code == 0, drawn.output
    assert run("chart", of="KO", alerts=tmp_path / "out", out=tmp_path / "ko.png").exit_code == 0


def test_an_option_that_is_given_holds_instead_of_the_replays(bars, tmp_path):
    assert run("replay", bars=bars, out=tmp_path, rules="literal").exit_code == 0
    alerts = pd.read_parquet(tmp_path / "alerts.parquet")
    alert_id = alerts.loc[alerts["rule"] == "abnormal_volume", "event_id"].iloc[0]
    result = run("explain", alert_id, alerts=tmp_path, params=stricter(tmp_path))
    assert (result.exit_code, "NOT REPRODUCED" in result.output) == (1, True), result.output


def test_without_a_word_about_the_bars_it_says_so(replayed, tmp_path):
    alerts = tmp_path / "alerts.parquet"
    alerts.write_bytes(replayed.read_bytes())
    result = run("explain", "price_gap|KO|minute|1|v1", alerts=alerts)
    assert (result.exit_code, "give --bars: there is no replay.json" in result.output) == (1, True), result.output
    alerts.with_name("replay.json").write_text("{")
    result = run("explain", "price_gap|KO|minute|1|v1", alerts=alerts)
    assert (result.exit_code, "replay.json cannot be read" in result.output) == (1, True), result.output
