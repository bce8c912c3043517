"""The command ``evaluate`` on the alerts of a small recording."""

from __future__ import annotations

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
    assert "1 rows left out: start_ms is no number" in result.output
    assert "No alert is of kind 'burst'" in result.output
