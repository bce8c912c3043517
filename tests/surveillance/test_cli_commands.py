"""Every command on a small recording, and on what people hand it by mistake."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from include.surveillance.cli import app
from include.surveillance.detection.parameters.book import ParameterBook

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
DAY = 86_400_000
COLUMNS = ["symbol", "timespan", "ts_ms", "open", "high", "low", "close", "volume"]


def recording(sessions: int = 5) -> pd.DataFrame:
    """Two symbols, 60 minutes of each of the latest sessions before and on 2019-02-14; bursts in the last."""
    random = np.random.default_rng(3)
    parts = []
    for symbol, price in (("KO", 50.0), ("NVDA", 150.0)):
        for back in range(sessions - 1, -1, -1):
            # 2019-02-08 to 02-14 without the weekend.
            start = OPEN - {0: 0, 1: 1, 2: 2, 3: 3, 4: 6}[back] * DAY
            close = price * np.exp(np.cumsum(random.normal(0, 5e-4, 390)))
            opened = np.r_[close[0], close[:-1]]
            volume = random.lognormal(8, 0.3, 390).round()
            if back == 0:
                volume[200:205] *= 12
            high, low = np.maximum(opened, close) * 1.0001, np.minimum(opened, close) * 0.9999
            ts_ms = start + 60_000 * np.arange(390)
            parts.append(
                pd.DataFrame(
                    dict(zip(COLUMNS, (symbol, "minute", ts_ms, opened, high, low, close, volume), strict=True))
                )
            )
    return pd.concat(parts, ignore_index=True)


def hostile() -> pd.DataFrame:
    """Usable bars in no order, with rows of every bad kind among them."""
    good = recording(1).sample(frac=1, random_state=1).astype(object)
    bad = good.head(12).copy()
    bad["ts_ms"] += 7 * DAY
    changes = [
        ("close", nan),
        ("close", inf),
        ("open", -1),
        ("volume", -5),
        ("low", 1e9),
        ("high", "high"),
        ("volume", ""),
    ]
    changes += [("ts_ms", "x"), ("ts_ms", 10**30), ("timespan", "week"), ("symbol", "")]
    for row, (column, value) in enumerate(changes):
        bad.iloc[row, bad.columns.get_loc(column)] = value
    corrected = good.head(3).assign(volume=1)
    return pd.concat([good, bad.head(len(changes)), good.head(5), corrected], ignore_index=True)


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "bars.parquet"
    recording().to_parquet(path)
    return path


@pytest.fixture(scope="module")
def hostile_bars(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "bars.csv"
    hostile().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def replayed(bars, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("replayed")
    assert run("replay", bars=bars, out=out).exit_code == 0
    return out / "alerts.parquet"


def run(*arguments: object, **options: object):
    named = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    result = CliRunner().invoke(app, [*map(str, arguments), *named])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_replay_says_what_became_of_every_row(hostile_bars, tmp_path):
    result = run("replay", bars=hostile_bars, out=tmp_path)
    assert result.exit_code == 0, result.output
    rejected = pd.read_parquet(tmp_path / "rejected.parquet")
    assert sorted(rejected["reason"]) == sorted(
        [
            "close is no number",  # a CSV holds no NaN
            "price not positive",
            "price not positive",
            "volume not a number or negative",
            "high or low inside the bar",
            "high is no number",
            "volume is no number",
            "ts_ms is no number",
            "time out of range",
            "unknown timespan",
            "symbol is no text",
        ]
    )
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    assert len(metrics) == 780
    assert (metrics["volume"] == 1).sum() == 3
    rows = [line for line in result.output.splitlines() if "duplicate bars" in line or "corrected bars" in line]
    assert ["5" in rows[0], "3" in rows[1]] == [True, True]


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


def test_whatif_tells_what_only_one_raises(bars, tmp_path):
    loose, strict = tmp_path / "loose.yaml", tmp_path / "strict.yaml"
    loose.write_text("base: {rules: literal}")
    strict.write_text("base: {rules: literal, abnormal_volume: {multiple: 8}}")
    result = run("whatif", "--params", loose, "--params", strict, bars=bars, out=tmp_path)
    assert result.exit_code == 0, result.output
    only_a, only_b = (pd.read_parquet(tmp_path / f"only_{name}.parquet") for name in "ab")
    assert (len(only_a) > 0, set(only_a["rule"]), len(only_b)) == (True, {"abnormal_volume"}, 0)
    assert "Only A raises" in (tmp_path / "whatif.md").read_text()


def test_evaluate_finds_the_bursts(bars, replayed, tmp_path):
    labels = tmp_path / "labels.csv"
    start = OPEN + 200 * 60_000
    rows = [f"{symbol},{start},{start + 240_000},abnormal_volume" for symbol in ("KO", "NVDA")]
    labels.write_text("\n".join(["symbol,start_ms,end_ms,kind", *rows, f"KO,{start},{start},burst", "KO,x,1,gap"]))
    result = run("evaluate", alerts=replayed, labels=labels, bars=bars)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "abnormal_volume" in line)
    assert [cell.strip() for cell in line.split("│")[2:5]] == ["2", "2", "100.0%"]
    assert "10 symbol-days, from the bars." in result.output
    assert "1 rows left out: start_ms is no number" in result.output
    assert "No alert is of kind 'burst'" in result.output


def test_explain_reproduces_an_alert_or_says_what_differs(bars, replayed, tmp_path):
    alerts = pd.read_parquet(replayed)
    alert_id = alerts.loc[alerts["rule"] == "abnormal_volume", "event_id"].iloc[0]
    result = run("explain", alert_id, bars=bars, alerts=replayed)
    assert (result.exit_code, "Reproduced bit for bit" in result.output) == (0, True), result.output

    changed = alerts.copy()
    chosen = changed["event_id"] == alert_id
    changed.loc[chosen, "value"] = np.nextafter(changed.loc[chosen, "value"], inf)
    changed.to_parquet(tmp_path / "alerts.parquet")
    result = run("explain", alert_id, bars=bars, alerts=tmp_path / "alerts.parquet")
    assert (result.exit_code, "DIFFERS" in result.output, "value" in result.output) == (1, True, True)
    assert "score" not in result.output.split("DIFFERS")[1]

    nowhere = alert_id.replace("|minute|", "|day|")
    result = run("explain", nowhere, bars=bars, alerts=replayed)
    assert (result.exit_code, "is not raised by these inputs" in result.output) == (1, True)
    result = run("explain", alert_id, bars=bars, alerts=replayed, params=_stricter(tmp_path))
    assert (result.exit_code, "NOT REPRODUCED" in result.output) == (1, True)


def test_explain_of_a_robust_alert(bars, tmp_path):
    assert run("replay", bars=bars, rules="robust", out=tmp_path).exit_code == 0
    alerts = pd.read_parquet(tmp_path / "alerts.parquet")
    robust = alerts[alerts["form"] == "robust"]
    assert len(robust)
    for alert_id in robust["event_id"].unique()[:2]:
        result = run("explain", alert_id, bars=bars, alerts=tmp_path / "alerts.parquet", rules="robust")
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("alert_id", ["nonsense", "a|b|c", "||||"])
def test_explain_of_what_is_no_id(alert_id, bars):
    result = run("explain", alert_id, bars=bars)
    assert (result.exit_code, "is no alert's id" in result.output) == (1, True)


def test_explain_of_an_unknown_symbol_and_of_nothing(bars):
    unknown = run("explain", "price_gap|MOON|minute|1|v1", bars=bars)
    assert (unknown.exit_code, "has no bar of MOON" in unknown.output) == (1, True)
    nothing = run("explain", "price_gap|KO|minute|1|v1")
    assert (nothing.exit_code, "either --bars FILE or --kafka" in nothing.output) == (1, True)


def test_baselines_are_what_replay_takes(bars, tmp_path):
    profiles = tmp_path / "deep" / "profiles.jsonl"
    result = run("baselines", bars=bars, out=profiles)
    assert (result.exit_code, "2 of 2 series" in result.output) == (0, True), result.output
    assert run("replay", bars=bars, rules="robust", profiles=profiles, out=tmp_path).exit_code == 0
    one = tmp_path / "one.parquet"
    recording(1).to_parquet(one)
    few = run("baselines", bars=one, out=profiles)
    assert (few.exit_code, "too few sessions" in few.output) == (1, True)


FILES = {
    "empty.csv": b"",
    "empty.parquet": b"",
    "magic.parquet": b"no such thing",
    "cut.parquet": b"PAR1 and no more",
    "column.csv": b"symbol,ts_ms\nKO,1\n",
    "absent.csv": None,
}
COMMANDS = {
    "replay": ["--bars", "FILE", "--out", "OUT"],
    "calibrate": ["--bars", "FILE", "--out", "OUT", "--budget", "1"],
    "whatif": ["--bars", "FILE", "--params", "PARAMS", "--params", "PARAMS", "--out", "OUT"],
    "evaluate": ["--alerts", "FILE", "--labels", "FILE"],
    "explain": ["price_gap|KO|minute|1|v1", "--bars", "FILE"],
    "baselines": ["--bars", "FILE", "--out", "OUT"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_an_unusable_file_is_one_line(command, name, tmp_path):
    if FILES[name] is not None:
        (tmp_path / name).write_bytes(FILES[name])
    given = {"FILE": tmp_path / name, "OUT": tmp_path / "out", "PARAMS": _stricter(tmp_path)}
    result = run(command, *(given.get(part, part) for part in COMMANDS[command]))
    assert result.exit_code == 1, result.output
    errors = [line for line in result.output.splitlines() if line.strip()]
    assert len(errors) == 1, result.output
    assert errors[0].startswith("error: ")
    assert not (tmp_path / "out").is_file()


@pytest.mark.parametrize("command", ["calibrate", "whatif", "baselines"])
def test_a_header_alone_is_no_bars(command, tmp_path):
    (tmp_path / "bars.csv").write_text(",".join(COLUMNS) + "\n")
    given = {"FILE": tmp_path / "bars.csv", "OUT": tmp_path / "out", "PARAMS": _stricter(tmp_path)}
    result = run(command, *(given.get(part, part) for part in COMMANDS[command]))
    assert (result.exit_code, "no usable bar" in result.output) == (1, True)


@pytest.mark.parametrize("rules", ["literal", "robust"])
def test_replay_of_a_header_alone_writes_empty_tables(rules, tmp_path):
    (tmp_path / "bars.csv").write_text(",".join(COLUMNS) + "\n")
    result = run("replay", bars=tmp_path / "bars.csv", out=tmp_path / "out", rules=rules)
    assert result.exit_code == 0, result.output
    assert [len(pd.read_parquet(tmp_path / "out" / f"{name}.parquet")) for name in ("alerts", "metrics")] == [0, 0]


@pytest.mark.parametrize("command", ["calibrate", "whatif", "baselines", "explain"])
def test_bad_rows_never_stop_a_run(command, hostile_bars, tmp_path):
    given = {"FILE": hostile_bars, "OUT": tmp_path / "out", "PARAMS": _stricter(tmp_path)}
    rules = ["--rules", "literal"] if command in ("calibrate", "whatif") else []
    result = run(command, *(given.get(part, part) for part in COMMANDS[command]), *rules)
    expected = {"baselines": "too few sessions", "explain": "is not raised by these inputs"}
    assert result.exit_code == (command in expected), result.output
    assert expected.get(command, "rows left out: unknown timespan") in result.output


def test_a_folder_that_cannot_be_made_is_one_line(bars, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("replay", bars=bars, out=tmp_path / "file" / "out")
    assert (result.exit_code, "cannot be a folder to write to" in result.output) == (1, True)


def _stricter(folder: Path) -> Path:
    path = folder / "stricter.yaml"
    path.write_text("base: {rules: literal, abnormal_volume: {multiple: 1000000}}")
    return path
