"""The command ``calibrate`` on a small recording."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.settings import Settings
from include.surveillance.studies.listing import list_alerts, read_alert_rows
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


@pytest.mark.parametrize("form", ["literal", "robust"])
def test_what_calibrate_promises_is_what_whatif_and_replay_raise(bars, tmp_path, form):
    proposed = tmp_path / "parameters.yaml"
    result = run("calibrate", bars=bars, budget=0.5, rules=form, out=tmp_path)
    promised = promises(tmp_path / "report.md")
    assert run("replay", bars=bars, params=proposed, rules=form, out=tmp_path / "replayed").exit_code == 0
    alerts = list_alerts(read_alert_rows(tmp_path / "replayed"))
    raised = alerts[alerts["form"] == form]["rule"].value_counts().to_dict()
    assert {rule: raised.get(rule, 0) for rule in promised} == promised, result.output
    options = {"bars": bars, "rules": form, "out": tmp_path}
    compared = run("whatif", "--params", Settings.parameters_file, "--params", proposed, **options)
    assert compared.exit_code == 0, compared.output
    table = [line.split("|") for line in (tmp_path / "whatif.md").read_text().splitlines() if f"| {form} |" in line]
    assert {cells[1].strip(): int(cells[4]) for cells in table} == {
        rule: count for rule, count in promised.items() if count or rule in {cells[1].strip() for cells in table}
    }


def promises(report: Path) -> dict[str, int]:
    """Return how many alerts of each rule the report promises: per symbol-day, times the symbol-days."""
    text = report.read_text()
    days = {
        (rule, bucket): int(n)
        for rule, bucket, n in re.findall(r"^### (\w+), (\w+) \((\d+) symbol-days\)", text, re.MULTILINE)
    }
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    promised: dict[str, int] = {}
    for row in rows:
        if tuple(row[:2]) in days:
            promised[row[0]] = promised.get(row[0], 0) + round(float(row[6]) * days[row[0], row[1]])
    return promised


@pytest.mark.parametrize(("per", "days"), [("day", 5), ("symbol", 10)])
def test_a_budget_of_all_rules_together_is_kept_by_what_a_replay_raises(bars, tmp_path, per, days):
    result = run("calibrate", bars=bars, budget=3, per=per, rules="literal", out=tmp_path)
    assert result.exit_code == 0, result.output
    options = {"params": tmp_path / "parameters.yaml", "rules": "literal", "out": tmp_path / "replayed"}
    assert run("replay", bars=bars, **options).exit_code == 0
    raised = len(list_alerts(read_alert_rows(tmp_path / "replayed")))
    assert 0 < raised <= 3 * days
    assert f"all rules together raise {raised} alerts on 5 days" in " ".join(result.output.split())


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
