"""A calibration of recorded bars: its report, its proposal, and what is refused before an hour is spent."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import pandas as pd
import pytest
import yaml

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.studies.calibration import calibrate_bars, markdown_table, write_proposal, write_report
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.studies.thresholds import Choice, Subject
from tests.surveillance.cli.recordings import hostile, recording

NOWHERE = RecordedFiles(Path("/nowhere/bars.parquet"))


def choice(rule: str, chosen: float, bucket: str = "all") -> Choice:
    curve = pd.DataFrame({"threshold": [1.0, 2.0], "alerts": [1.5, 0.25]})
    return Choice(Subject(rule, bucket, "multiple", (), 10, 3.0, 7), curve, chosen, 0.25)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """(folder, choices, lines told, stages) of bars with unusable rows among them."""
    folder = tmp_path_factory.mktemp("calibration")
    bars = pd.concat([recording(3), hostile().tail(len(hostile()) - 780)], ignore_index=True)
    bars.to_csv(folder / "bars.csv", index=False)
    lines, stages = [], []
    choices = calibrate_bars(
        RecordedFiles(folder / "bars.csv"),
        folder / "out",
        budget=0.5,
        form="literal",
        parameters=Settings.parameters_file,
        calendar="XNYS",
        tell=lines.append,
        progress=lambda stage, done, total: stages.append((stage, done)),
    )
    return folder / "out", choices, lines, stages


def test_three_files_are_written_and_unusable_rows_are_told(calibrated):
    out, choices, lines, stages = calibrated
    assert {path.name for path in out.iterdir()} == {"report.md", "curves.png", "parameters.yaml"}
    assert any("1 rows left out: unknown timespan" in line for line in lines)
    assert [choice.subject.rule for choice in choices] == [
        "abnormal_volume", "volatility_spike", "price_breakout", "price_gap",
    ]  # fmt: skip
    trials = [done for stage, done in stages if stage == "try thresholds"]
    assert trials == list(range(1, len(trials) + 1))


def test_the_report_shows_every_choice_and_the_curve_that_it_was_made_from(calibrated):
    out, choices, _, _ = calibrated
    report = (out / "report.md").read_text()
    assert "bars of 2 symbols, 2019-02-12 to 2019-02-14. Budget: 0.5 alerts" in report
    for made in choices:
        assert f"| {' | '.join(made.describe())} |" in report
        for row in made.curve.itertuples():
            assert f"| {row.threshold:.4g} | {row.alerts:.3g} |" in report


def test_the_proposal_holds_from_the_first_day_of_the_bars(calibrated):
    out, choices, _, _ = calibrated
    book = ParameterBook.load(out / "parameters.yaml")
    before, after = book.resolve("2019-02-11"), book.resolve("2019-02-12")
    for made in choices:
        if made.chosen == made.chosen:
            assert getattr(getattr(after, made.subject.rule), made.subject.field) == made.chosen
            assert getattr(getattr(before, made.subject.rule), made.subject.field) == made.subject.current


@pytest.mark.parametrize("budget", [0, -1, nan, inf])
def test_a_budget_that_cannot_be_kept_is_refused_before_a_file_is_read(budget, tmp_path):
    with pytest.raises(ConfigurationError, match="the budget is"):
        calibrate_bars(
            NOWHERE, tmp_path, budget=budget, form="literal", parameters=Settings.parameters_file, calendar="XNYS"
        )


def test_parameters_that_cannot_be_used_are_refused_before_a_file_is_read(tmp_path):
    (tmp_path / "bad.yaml").write_text("base: {no_such_rule: 1}")
    with pytest.raises(ConfigurationError, match="no_such_rule"):
        calibrate_bars(NOWHERE, tmp_path, budget=1, form="literal", parameters=tmp_path / "bad.yaml", calendar="XNYS")


def test_nothing_is_proposed_where_nothing_was_chosen(tmp_path):
    choices = [choice("price_gap", nan), choice("abnormal_volume", 2.0)]
    write_report(tmp_path, choices, form="literal", budget=0.5, budget_text="0.5", about="A test.", promise="")
    assert "| price_gap | all | multiple | 3 | 0.7 | nothing | 0.25 |" in (tmp_path / "report.md").read_text()
    (tmp_path / "current.yaml").write_text("{base: {cooldown_bars: 7}, overrides: []}")
    write_proposal(
        tmp_path / "new.yaml",
        tmp_path / "current.yaml",
        choices,
        form="literal",
        effective="2024-01-02",
        rationale="A.",
    )
    proposed = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert proposed["base"] == {"cooldown_bars": 7}
    (entry,) = proposed["overrides"]
    assert (entry["rule"], entry["set"], entry["effective"]) == ("abnormal_volume", {"multiple": 2.0}, "2024-01-02")
    assert entry["rationale"] == "A. 3 raised 0.7 per symbol and day."
    assert (tmp_path / "new.yaml").read_text().startswith("# Proposed by calibrate; nothing uses it before")


def test_a_markdown_table():
    assert markdown_table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
