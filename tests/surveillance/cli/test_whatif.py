"""The command ``whatif`` on a small recording."""

from __future__ import annotations

import pandas as pd

from include.surveillance.settings import Settings
from tests.surveillance.cli.recordings import run


def test_whatif_tells_what_only_one_raises(bars, tmp_path):
    loose, strict = tmp_path / "loose.yaml", tmp_path / "strict.yaml"
    loose.write_text("base: {rules: literal}")
    strict.write_text("base: {rules: literal, abnormal_volume: {multiple: 8}}")
    result = run("whatif", "--params", loose, "--params", strict, bars=bars, out=tmp_path)
    assert result.exit_code == 0, result.output
    only_a, only_b = (pd.read_parquet(tmp_path / f"only_{name}.parquet") for name in "ab")
    assert (len(only_a) > 0, set(only_a["rule"]), len(only_b)) == (True, {"abnormal_volume"}, 0)
    assert "Only A raises" in (tmp_path / "whatif.md").read_text()


def test_overrides_that_hold_in_both_are_shown_and_those_shipped_are_not_lost(bars, tmp_path):
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    mine.write_text("base: {cooldown_bars: 20}")
    other.write_text("overrides: []")
    result = run("whatif", "--params", Settings.parameters_file, "--params", mine, bars=bars, out=tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{mine} has no overrides; in force are those shipped: override of robust abnormal_volume" in result.output
    assert (
        'both: override of robust abnormal_volume (liquidity thin, effective 2000-01-01) sets {"z":4.5}'
        in result.output
    )
    assert "| both | override of robust abnormal_volume" in (tmp_path / "whatif.md").read_text()
    result = run("whatif", "--params", mine, "--params", other, bars=bars, out=tmp_path)
    assert f"{other} has overrides of its own; not in force of those shipped: override of robust" in result.output
    assert "| A | override of robust abnormal_volume" in (tmp_path / "whatif.md").read_text()
