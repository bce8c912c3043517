"""The command ``baselines`` on a small recording."""

from __future__ import annotations

import pandas as pd

from tests.surveillance.cli.recordings import DAY, recording, run


def test_a_replay_with_the_baselines_of_its_own_bars_raises_what_it_raises_without(bars, tmp_path):
    profiles = tmp_path / "deep" / "profiles.jsonl"
    result = run("baselines", bars=bars, out=profiles)
    assert (result.exit_code, "2 of 2 series" in result.output) == (0, True), result.output
    assert run("replay", bars=bars, profiles=profiles, out=tmp_path / "given").exit_code == 0
    assert run("replay", bars=bars, out=tmp_path / "built").exit_code == 0
    given, built = (pd.read_parquet(tmp_path / name / "alerts.parquet") for name in ("given", "built"))
    pd.testing.assert_frame_equal(given, built)
    assert (given["form"] == "robust").any()


def test_baselines_lie_beside_what_a_replay_has_written(bars, tmp_path):
    assert run("replay", bars=bars, out=tmp_path / "out").exit_code == 0
    result = run("baselines", bars=bars, out=tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "profiles.jsonl").read_text().count("\n") >= 4


def test_too_few_sessions_are_said(tmp_path):
    one = tmp_path / "one.parquet"
    half_day = recording(1)
    half_day["ts_ms"] -= 83 * DAY  # 2018-11-23
    half_day.to_parquet(one)
    few = run("baselines", bars=one, out=tmp_path / "profiles.jsonl")
    assert (few.exit_code, "too few sessions" in few.output) == (1, True)
    silent = run("replay", bars=one, out=tmp_path)
    assert "780 of 780 bars are not judged by robust rules" in silent.output
    assert "have no profile, which takes one full session before" in silent.output
    assert not len(pd.read_parquet(tmp_path / "alerts.parquet"))
