"""The command ``calibrate`` on a small recording."""

from __future__ import annotations

import json

import pandas as pd

from include.surveillance.detection.parameters.book import ParameterBook
from tests.surveillance.cli.recordings import recording, run


def test_calibrate_writes_a_report_a_picture_and_parameters_that_keep_the_budget(bars, tmp_path):
    result = run("calibrate", bars=bars, budget=0.5, rules="literal", out=tmp_path)
    assert result.exit_code == 0, result.output
    assert "abnormal_volume" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    book = ParameterBook.load(tmp_path / "parameters.yaml")
    assert book.resolve("2019-02-14").price_breakout.buffer > 0
    out = tmp_path / "again"
    params = tmp_path / "parameters.yaml"
    assert run("replay", bars=bars, params=params, rules="literal", out=out).exit_code == 0
    raised = pd.read_parquet(out / "alerts.parquet").groupby("rule")["event_id"].nunique()
    assert raised.max() <= 0.5 * 10


def test_calibrate_of_robust_rules_needs_profiles(bars, tmp_path):
    result = run("calibrate", bars=bars, budget=0.5, out=tmp_path / "out")
    assert result.exit_code == 0, result.output
    one = tmp_path / "one.parquet"
    recording(1).to_parquet(one)
    result = run("calibrate", bars=one, budget=0.5, out=tmp_path / "none")
    assert result.exit_code == 1
    assert "a symbol needs a profile" in result.output


def test_a_proposal_replaces_what_it_was_made_against(bars, tmp_path):
    current = tmp_path / "current.yaml"
    entry = {"rule": "abnormal_volume", "form": "literal", "effective": "2019-02-10", "rationale": "A test."}
    current.write_text(json.dumps({"overrides": [entry | {"set": {"multiple": 5.0}}]}))
    assert run("calibrate", bars=bars, budget=0.5, rules="literal", params=current, out=tmp_path).exit_code == 0
    book = ParameterBook.load(tmp_path / "parameters.yaml")
    chosen = book.resolve("2019-02-14").abnormal_volume.multiple
    assert chosen not in (3.0, 5.0)
    assert book.resolve("2019-02-11").abnormal_volume.multiple == chosen
