"""The command ``evaluate`` on the alerts of a small recording."""

from __future__ import annotations

import pytest

from tests.surveillance.cli.recordings import OPEN, run


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
    assert "1 rows left out: start or end is no time" in result.output
    assert "No rule is called 'burst'; rules are abnormal_volume" in result.output


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2019-02-14 12:50", "2019-02-14 12:54"),
        ("2019-02-14T17:50:00Z", "2019-02-14T17:54:00+00:00"),
        ("2019-02-14", "2019-02-14"),
        (str(OPEN // 1_000 + 12_000), str(OPEN // 1_000 + 12_240)),
        (str(OPEN * 10**6 + 12_000 * 10**9), str(OPEN * 10**6 + 12_240 * 10**9)),
    ],
)
def test_times_of_labels_are_read_as_people_write_them(replayed, tmp_path, start, end):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"symbol,start,end,kind\nKO,{start},{end},abnormal_volume\n")
    result = run("evaluate", alerts=replayed, labels=labels)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "abnormal_volume" in line)
    assert [cell.strip() for cell in line.split("│")[2:4]] == ["1", "1"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("MOON,2019-02-14,2019-02-14", "no label is of a symbol that has"),
        ("KO,2018-02-14 10:00,2018-02-14 11:00", "no label lies in the time of the"),
        ("KO,yesterday,today", "there is no usable label"),
    ],
)
def test_labels_that_no_alert_can_meet_are_said(bars, replayed, tmp_path, row, said):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"symbol,start,end,kind\n{row},abnormal_volume\n")
    for options in ({}, {"bars": bars}):
        result = run("evaluate", alerts=replayed, labels=labels, **options)
        assert (result.exit_code, said in " ".join(result.output.split())) == (1, True), result.output
