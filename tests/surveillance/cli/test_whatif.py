"""The command ``whatif`` on a small recording."""

from __future__ import annotations

import pandas as pd

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
