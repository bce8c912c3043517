"""Calibration, comparison and backtest from a real log: what the form asks for, as one folder that the page serves."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
import yaml

from include.orchestration import studies
from include.surveillance import broker
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar

DAY = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
MINUTE_MS = 60_000
FORM = {"from": "2024-03-04", "to": "2024-03-04", "symbols": ["CALIB"], "timespan": "minute"}
RUN = "manual__2024-03-05T08:00:00+00:00"


@pytest.fixture(scope="module")
def log(topics):
    """A morning of one symbol, with a burst every 40 minutes; another symbol that nobody asks for."""
    start = round(DAY.timestamp() * 1_000)
    bars = [
        Bar(
            symbol=symbol, timespan="minute", ts_ms=start + k * MINUTE_MS, open=100, high=101, low=99,
            close=100 + (k % 7) / 10, volume=Decimal(1_000 + 10 * (k % 5) + 9_000 * (k % 40 == 39)), source="backfill",
        )
        for symbol in ("CALIB", "OTHER")
        for k in range(200)
    ]  # fmt: skip
    broker.publish(topics, bars)
    return topics


@pytest.fixture
def destination(log, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": log}))
    monkeypatch.setenv("REPORTS_FOLDER", str(tmp_path / "reports"))
    return tmp_path / "reports"


def context(dag_id, **form):
    run = SimpleNamespace(
        dag_id=dag_id, run_id=RUN, run_after=datetime(2024, 3, 5, 8, tzinfo=UTC), triggering_user_name="ada"
    )
    return {"params": FORM | form, "dag_run": run}


def test_calibration_writes_a_report_with_its_curves_and_a_proposal(destination):
    operator = studies.CalibrateOperator(task_id="calibrate")
    made = operator.execute(context("calibrate_rules", rules="literal", budget=2))
    assert made == str(destination / studies.report_path("calibrate_rules", RUN))
    assert {path.name for path in (destination / studies.report_path("calibrate_rules", RUN)).iterdir()} == {
        "report.md", "curves.png", "parameters.yaml", "made.yaml",
    }  # fmt: skip
    text = (destination / studies.report_path("calibrate_rules", RUN) / "report.md").read_text()
    assert "200 bars of 1 symbols" in text


def test_comparison_tells_what_only_one_raises(destination):
    operator = studies.CompareOperator(task_id="compare")
    strict = "base:\n  rules: literal\n  abnormal_volume: {multiple: 30.0}\n"
    operator.execute(context("compare_parameters", a="base: {rules: literal}\n", b=strict))
    made = destination / studies.report_path("compare_parameters", RUN)
    assert (made / "b.yaml").read_text().strip() == strict.strip()
    assert "A is `a.yaml`, B is `b.yaml`." in (made / "whatif.md").read_text()
    row = next(line for line in (made / "whatif.md").read_text().splitlines() if line.startswith("| abnormal_volume"))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert (cells[2], cells[3], cells[6]) == ("5", "0", "5")


def test_a_report_says_who_made_it_when_and_with_which_form(destination):
    studies.CompareOperator(task_id="compare").execute(context("compare_parameters", a="", b="base: {rules: literal}"))
    made = yaml.safe_load((destination / studies.report_path("compare_parameters", RUN) / "made.yaml").read_text())
    form = FORM | {"a": "", "b": "base: {rules: literal}"}
    assert made == {
        "study": "compare_parameters", "run": RUN, "started_by": "ada", "started_at": "2024-03-05T08:00:00Z",
        "form": form,
    }  # fmt: skip


def test_bars_that_a_replay_has_moved_are_judged_at_the_times_they_were_recorded(destination, monkeypatch):
    monkeypatch.setenv("MARKET_SHIFT_MS", str(7 * 24 * 60 * MINUTE_MS))
    studies.CompareOperator(task_id="compare").execute(context("compare_parameters", a="", b=""))
    text = (destination / studies.report_path("compare_parameters", RUN) / "whatif.md").read_text()
    assert "200 bars, 2024-02-26 to 2024-02-26." in text


def test_empty_parameters_are_those_in_force(destination):
    from include.surveillance.settings import Settings

    studies.CompareOperator(task_id="compare").execute(context("compare_parameters", a=" ", b="base: {rules: literal}"))
    made = destination / studies.report_path("compare_parameters", RUN)
    assert (made / "a.yaml").read_text() == Settings().parameters_file.read_text()


def test_a_backtest_is_one_page_with_the_parameters_beside_it(destination):
    form = {"a": "base: {rules: literal}\n", "b": "", "matches": 3}
    studies.BacktestOperator(task_id="backtest").execute(context("backtest_rules", **form))
    made = destination / studies.report_path("backtest_rules", RUN)
    assert {path.name for path in made.iterdir()} == {
        "backtest.html", "outcomes.parquet", "matched.parquet", "a.yaml", "made.yaml",
    }  # fmt: skip
    assert "A is a.yaml, literal" in (made / "backtest.html").read_text()
    studies.BacktestOperator(task_id="backtest").execute(context("backtest_rules", **form | {"b": form["a"]}))
    assert "B is b.yaml, literal" in (made / "backtest.html").read_text()


def test_a_wrong_entry_fails_with_its_reason_and_leaves_no_report(destination):
    with pytest.raises(ConfigurationError, match="cooldown_barz"):
        studies.CompareOperator(task_id="compare").execute(
            context("compare_parameters", a="base: {cooldown_barz: 1}", b="")
        )
    assert not destination.exists()


def test_bars_that_are_not_there_are_said(destination):
    with pytest.raises(
        ConfigurationError, match="no minute bar from 2024-03-04T05:00:00Z to 2024-03-05T05:00:00Z of NOBODY"
    ):
        studies.CalibrateOperator(task_id="calibrate").execute(
            context("calibrate_rules", rules="literal", budget=1, symbols=["NOBODY"])
        )


@pytest.mark.parametrize("run_id", ["..", "../../etc", "a/b", "%2e%2e", "manual__2024-03-05T08:00:00+00:00"])
def test_no_run_leaves_the_folder_of_reports(run_id):
    dag, run = studies.report_path("calibrate_rules", run_id).split("/")
    assert dag == "calibrate_rules"
    assert "." not in run


def test_no_two_runs_share_a_folder_and_no_name_is_too_long_for_one():
    runs = ["a:b", "a-b", "a/b", "a b", "a.b", "a", "A:B", "x" * 250, "x" * 249, ""]
    folders = {studies.report_path("calibrate_rules", run) for run in runs}
    assert len({folder.casefold() for folder in folders}) == len(runs)
    assert max(len(folder.split("/")[1]) for folder in folders) < 255
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,300}", folder.split("/")[1]) for folder in folders)


def test_link_is_the_page_of_the_report(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example:8080/")
    key = SimpleNamespace(dag_id="calibrate_rules", run_id=RUN)
    link = studies.ReportLink().get_link(None, ti_key=key)
    assert link == f"http://airflow.example:8080/surveillance/reports/{studies.report_path('calibrate_rules', RUN)}/"
