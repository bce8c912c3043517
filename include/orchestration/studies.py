"""Reports of calibrate_rules and compare_parameters: made from the log as on the command line, linked from the run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from include.orchestration import connections, forms

if TYPE_CHECKING:
    from include.surveillance.live.export import Export

PAGE = "/surveillance/reports"
BARS_OF_THE_LOG = forms.bars_params(no_symbols="all of the log")
"""The part of a run's form that says which bars the report is made from."""


def place(dag_id: str, run_id: str) -> str:
    """Folder and address of a run's report below those of all reports; safe in both."""
    return "/".join(re.sub(r"[^A-Za-z0-9_-]+", "-", part) for part in (dag_id, run_id))


class ReportLink(BaseOperatorLink):
    """The button *Report* of a task."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        from airflow.sdk.configuration import conf

        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{base}{PAGE}/{place(ti_key.dag_id, ti_key.run_id)}/"


class ReportOperator(BaseOperator):
    """Brings the bars that the run's form asks for from the log into files and has a report made of them.

    A report appears as a whole or not at all; a retry replaces it.
    """

    operator_extra_links = (ReportLink(),)

    def make(self, files: Export, params: dict[str, Any], calendar: str, out: Path) -> None:
        """Write the report, one Markdown file and what belongs to it, into ``out``."""
        raise NotImplementedError

    def execute(self, context: dict[str, Any]) -> str:
        """Returns the folder of the report."""
        from include.surveillance.settings import Settings

        settings, run = Settings.from_env(), context["dag_run"]
        folder = settings.reports_folder / place(run.dag_id, run.run_id)
        with TemporaryDirectory(prefix="report-") as name:
            files = _record(Path(name), context["params"], run.run_after)
            out = Path(name) / "out"
            with _our_errors():
                self.make(files, context["params"], settings.market_calendar, out)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(out, folder)
        return str(folder)


class CalibrateOperator(ReportOperator):
    """Thresholds that keep within the budget."""

    def make(self, files: Export, params: dict[str, Any], calendar: str, out: Path) -> None:
        from include.surveillance.cli.calibrate import calibrate_command
        from include.surveillance.cli.options import Rules
        from include.surveillance.settings import Settings

        calibrate_command(
            files.bars,
            budget=params["budget"],
            out=out,
            rules=Rules(params["rules"]),
            params=Settings.from_env().parameters_file,
            splits=files.splits,
            dividends=files.dividends,
            ticker_changes=files.ticker_changes,
            calendar=calendar,
        )


class CompareOperator(ReportOperator):
    """What two sets of parameters would raise."""

    def make(self, files: Export, params: dict[str, Any], calendar: str, out: Path) -> None:
        from include.surveillance.cli.whatif import whatif
        from include.surveillance.settings import Settings

        out.mkdir()
        in_force = Settings.from_env().parameters_file.read_text()
        paths = []
        for name in ("a", "b"):
            paths.append(out / f"{name}.yaml")
            paths[-1].write_text(params[name].strip() or in_force)
        whatif(
            files.bars,
            params=paths,
            out=out,
            splits=files.splits,
            dividends=files.dividends,
            ticker_changes=files.ticker_changes,
            calendar=calendar,
        )
        # The files lie beside the report, wherever that goes.
        report = out / "whatif.md"
        report.write_text(report.read_text().replace(f"{out}/", ""))


def _record(folder: Path, params: dict[str, Any], now: datetime) -> Export:
    """The bars of the form; what a replay has moved to now, with the times at which it was recorded."""
    from include.surveillance.errors import ConfigurationError
    from include.surveillance.live import export
    from include.surveillance.settings import Settings

    settings = Settings.from_env()
    start, end = forms.read_range(params, now)
    files = export.export_log(
        connections.kafka(),
        settings.kafka_partitions,
        folder,
        keep=export.select_bars(params["symbols"], params["timespan"], start, end),
        shift_ms=settings.market_shift_ms,
    )
    if not files.bar_count:
        raise ConfigurationError(
            f"the log has no {params['timespan']} bar from {params['from']} to {params['to']} of "
            f"{', '.join(params['symbols']) or 'any symbol'}; it keeps 35 days, backfill_market_data brings older ones"
        )
    return files


@contextmanager
def _our_errors() -> Iterator[None]:
    """The commands turn an error into an exit code; a task wants the error."""
    import typer

    try:
        yield
    except typer.Exit as exit_:
        raise (exit_.__cause__ or exit_) from None
