"""Every command line about recorded bars that a page shows is run as it stands, in its order."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from include.surveillance.studies.listing import list_alerts, read_alert_rows
from tests.paths import ROOT, SHARED_DATA
from tests.surveillance.cli.recordings import run

COMMANDS = ("replay", "alerts", "chart", "explain", "calibrate", "whatif", "backtest", "evaluate", "baselines")
# Asks a broker; test_export.py runs it.
ASKS_KAFKA = "make export"
RECORDED = SHARED_DATA / "minute_2023jan.parquet"


def command_lines(page: str) -> list[str]:
    """Return what a page tells to run on recorded bars: lines of its shell blocks without their comments, and the like
    within its text where it names files."""
    shown = re.findall(
        r"^```bash\n(.*?)^```|`(make \w+ [A-Z]+=[^`]+)`", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL
    )
    lines = [line for parts in shown for part in parts for line in part.splitlines()]
    return [line.split(" #")[0].strip() for line in lines if line.startswith(tuple(f"make {it} " for it in COMMANDS))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the files that the pages name, made of the recorded bars of one symbol, with a burst in them."""
    if not RECORDED.is_file():
        pytest.skip(f"no {RECORDED}; set SHARED_DATA to the folder of sample bars")
    folder = tmp_path_factory.mktemp("newcomer")
    bars = pq.read_table(RECORDED, filters=pc.field("symbol") == "NVDA").slice(0, 6 * 390)
    burst = pa.array([40 if 4 * 390 + 120 <= row < 4 * 390 + 130 else 1 for row in range(len(bars))])
    bars = bars.set_column(bars.column_names.index("volume"), "volume", pc.multiply(bars["volume"], burst))
    pq.write_table(bars, folder / "bars.parquet")
    label = {"symbol": "NVDA", "start": "2023-01-09", "end": "2023-01-09", "kind": "abnormal_volume"}
    pd.DataFrame([label]).to_csv(folder / "labels.csv", index=False)
    (folder / "include").symlink_to(ROOT / "include")
    return folder


def printed_by_make(line: str) -> list[str]:
    """Return the arguments of the command that a make line runs."""
    arguments = [*shlex.split(line), "--dry-run", "--silent", "--assume-old=.venv/.synced", f"--directory={ROOT}"]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
    python, dash_m, module, *rest = shlex.split(printed)
    assert (Path(python).name, dash_m, module) == ("python", "-m", "include.surveillance")
    return rest


@pytest.mark.parametrize("page", ["README.md", "docs/start/recorded-bars.md", "docs/develop/add-a-rule.md"])
def test_a_newcomer_can_run_a_page_from_top_to_bottom(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = command_lines(page)
    assert len(lines) >= 2
    for line in lines:
        arguments = printed_by_make(line)
        if "<alert id>" in arguments:
            alerts = list_alerts(read_alert_rows(folder / "out"))
            arguments[arguments.index("<alert id>")] = alerts.sort_values("score")["event_id"].iloc[-1]
        result = run(*arguments)
        assert result.exit_code == 0, f"{line}: {result.output}"


def test_every_command_on_recorded_bars_is_on_a_page():
    shown = {line.split()[1] for line in command_lines("docs/start/recorded-bars.md")}
    assert shown == {*COMMANDS}
    assert ASKS_KAFKA in (ROOT / "docs/start/recorded-bars.md").read_text()
