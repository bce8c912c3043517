"""The command ``backtest`` on a small recording."""

from __future__ import annotations

import pandas as pd

from tests.surveillance.cli.recordings import run


def test_backtest_writes_a_page_and_its_rows_for_two_sets_of_parameters(bars, tmp_path):
    loose, strict = tmp_path / "loose.yaml", tmp_path / "strict.yaml"
    loose.write_text("base: {rules: literal}")
    strict.write_text("base: {rules: literal, abnormal_volume: {multiple: 8}}")
    result = run("backtest", "--params", loose, "--params", strict, bars=bars, out=tmp_path, matches=2)
    assert result.exit_code == 0, result.output
    outcomes, matched = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("outcomes", "matched"))
    volume = outcomes[outcomes["rule"] == "abnormal_volume"].groupby("parameters")["event_id"].nunique()
    assert volume["A"] > volume["B"] > 0
    assert {*outcomes["horizon"]} == {"5 min", "30 min", "close", "next close"}
    assert {*matched["event_id"]} <= {*outcomes["event_id"]}
    assert "held against the median of the other symbol in the files" in " ".join(result.output.split())
    assert (tmp_path / "backtest.html").read_text().startswith("<!doctype html>")


def test_the_platforms_parameters_are_backtested_unless_others_are_given(bars, tmp_path):
    result = run("backtest", bars=bars, out=tmp_path)
    assert result.exit_code == 0, result.output
    assert {*pd.read_parquet(tmp_path / "outcomes.parquet")["parameters"]} == {"A"}


def test_three_sets_of_parameters_are_one_too_many(bars, tmp_path):
    given = [part for _ in range(3) for part in ("--params", tmp_path / "p.yaml")]
    result = run("backtest", *given, bars=bars, out=tmp_path)
    assert (result.exit_code, "--params is given 3 times" in result.output) == (1, True)
