"""The command ``baselines`` on a small recording."""

from __future__ import annotations

from tests.surveillance.cli.recordings import recording, run


def test_baselines_are_what_replay_takes(bars, tmp_path):
    profiles = tmp_path / "deep" / "profiles.jsonl"
    result = run("baselines", bars=bars, out=profiles)
    assert (result.exit_code, "2 of 2 series" in result.output) == (0, True), result.output
    assert run("replay", bars=bars, rules="robust", profiles=profiles, out=tmp_path).exit_code == 0
    one = tmp_path / "one.parquet"
    recording(1).to_parquet(one)
    few = run("baselines", bars=one, out=profiles)
    assert (few.exit_code, "too few sessions" in few.output) == (1, True)
