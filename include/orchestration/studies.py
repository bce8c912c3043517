"""The reports of studies by hand: made from bars of the log, linked from the run."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from airflow.sdk import BaseOperator, BaseOperatorLink

from include.orchestration import connections, forms
from include.orchestration.addresses import page_address
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.timespans import write_utc

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.surveillance.studies.recorded import RecordedFiles

# With the digest, the name of a folder has to stay below 255 characters.
LONGEST_WORD = 200
MADE = "made.yaml"
"""The file of each report that says how it was made."""
BARS_OF_THE_LOG = forms.bars_params(no_symbols="all of the log")
"""The part of a run's form that says which bars the report is made from."""


def report_path(dag_id: str, run_id: str) -> str:
    """Return the path of a run's report below the folder, and below the address, of all reports; safe in both.

    Words cannot tell ``a:b`` from ``a-b``: the digest does, so that no run replaces the report of another.
    """
    dag, run = (re.sub(r"[^A-Za-z0-9_-]+", "-", part)[:LONGEST_WORD] for part in (dag_id, run_id))
    return f"{dag}/{run}-{sha256(json.dumps([dag_id, run_id]).encode()).hexdigest()[:32]}"


def describe_run(run: Any, params: dict[str, Any]) -> str:
    """Describe as YAML how a report was made: which run, who started it, when, with which form."""
    made = {
        "study": run.dag_id,
        "run": run.run_id,
        "started_by": run.triggering_user_name or "nobody by name",
        "started_at": f"{run.run_after.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "form": params,
    }
    text: str = yaml.safe_dump(made, sort_keys=False, allow_unicode=True)
    return text


class ReportLink(BaseOperatorLink):
    """The button *Report* of a task."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return page_address(f"reports/{report_path(ti_key.dag_id, ti_key.run_id)}/")


class ReportOperator(BaseOperator):
    """Exports the bars that the run's form asks for from the log into files, and makes a report of them.

    A report appears as a whole or not at all; a retry replaces it.
    """

    operator_extra_links = (ReportLink(),)

    def write_report(self, files: RecordedFiles, params: dict[str, Any], settings: Settings, out: Path) -> None:
        """Write the report, one Markdown or HTML file and its companions, into ``out``."""
        raise NotImplementedError

    def execute(self, context: Context) -> str:
        """Make the report and return its folder."""
        settings, run = Settings.from_env(), context["dag_run"]
        folder = settings.reports_folder / report_path(run.dag_id, run.run_id)
        with TemporaryDirectory(prefix="report-") as name:
            params = dict(context["params"])
            files = _export_bars(Path(name), params, settings, run.run_after)
            out = Path(name) / "out"
            self.write_report(files, params, settings, out)
            (out / MADE).write_text(describe_run(run, params))
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(out, folder)
        return str(folder)


class CalibrateOperator(ReportOperator):
    """Proposes thresholds that keep within the budget."""

    def write_report(self, files: RecordedFiles, params: dict[str, Any], settings: Settings, out: Path) -> None:
        from include.surveillance.studies.calibration import calibrate_bars

        calibrate_bars(
            files,
            out,
            budget=params["budget"],
            form=params["rules"],
            parameters=settings.parameters_file,
            calendar=settings.market_calendar,
        )


class CompareOperator(ReportOperator):
    """Compares what two sets of parameters raise."""

    def write_report(self, files: RecordedFiles, params: dict[str, Any], settings: Settings, out: Path) -> None:
        from include.surveillance.detection.parameters.book import ParameterBook
        from include.surveillance.studies.comparison import compare_books

        a, b = (_write_parameters(params[name], out / f"{name}.yaml", settings) for name in "ab")
        books = (ParameterBook.load(a), ParameterBook.load(b))
        compare_books(files, books, out, names=(a.name, b.name), calendar=settings.market_calendar)


class BacktestOperator(ReportOperator):
    """Measures what came after the alerts of one or two sets of parameters."""

    def write_report(self, files: RecordedFiles, params: dict[str, Any], settings: Settings, out: Path) -> None:
        from include.surveillance.detection.parameters.book import ParameterBook
        from include.surveillance.sessions import Sessions
        from include.surveillance.studies.backtest import backtest_books

        given = ["a", "b"] if (params["b"] or "").strip() else ["a"]
        paths = [_write_parameters(params[name], out / f"{name}.yaml", settings) for name in given]
        books = [(path.name, ParameterBook.load(path)) for path in paths]
        sessions = Sessions(settings.market_calendar)
        backtest_books(files, books, out, sessions=sessions, matches=params["matches"])


def _write_parameters(text: str | None, path: Path, settings: Settings) -> Path:
    """Write the parameters of a form into the report's folder, those in force where it has none."""
    path.parent.mkdir(exist_ok=True)
    path.write_text((text or "").strip() or settings.parameters_file.read_text())
    return path


def _export_bars(folder: Path, params: dict[str, Any], settings: Settings, now: datetime) -> RecordedFiles:
    """Write the bars of the form; those that a replay has moved to now, with the times at which they were recorded."""
    from include.surveillance.studies.export import export_log, select_bars

    (start, end), symbols = forms.read_range(params, now), forms.read_symbols(params)
    files, bars = export_log(
        connections.kafka(),
        folder,
        keep=select_bars(symbols, params["timespan"], start, end),
        shift_ms=settings.market_shift_ms,
    )
    if not bars:
        raise ConfigurationError(
            f"the log has no {params['timespan']} bar from {write_utc(start)} to {write_utc(end)} of "
            f"{', '.join(symbols) or 'any symbol'}; it keeps 35 days, backfill_market_data brings older ones"
        )
    # The log's profiles belong to bars as they were moved; a study builds its own.
    return replace(files, news=None, profiles=None)
