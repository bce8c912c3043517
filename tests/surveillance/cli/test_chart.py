"""The command ``chart`` on a small recording."""

from __future__ import annotations

import pandas as pd

from tests.surveillance.cli.recordings import OPEN, run

HOSTILE = r"$\frac{1}{0$ <script>alert(1)</script> & \undefined{"


def test_an_alert_is_drawn_with_its_bars_and_the_articles(bars, tmp_path):
    out = tmp_path / "replayed"
    assert run("replay", bars=bars, rules="robust", out=out).exit_code == 0
    raised = pd.read_parquet(out / "alerts.parquet")
    alert_id = raised.loc[(raised["form"] == "robust") & (raised["symbol"] == "KO"), "event_id"].iloc[0]
    news = tmp_path / "news.csv"
    article = {
        "symbol": "KO",
        "article_id": "a",
        "published_ms": OPEN + 195 * 60_000,
        "title": HOSTILE,
        "sentiment": "",
    }
    pd.DataFrame([article]).to_csv(news, index=False)
    for name, begins in (("chart.png", b"\x89PNG"), ("deep/chart.svg", b"<?xml")):
        result = run("chart", alert_id, bars=bars, news=news, rules="robust", out=tmp_path / name)
        assert (result.exit_code, "minute bars of KO" in result.output) == (0, True), result.output
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert "<script>" not in (tmp_path / "deep" / "chart.svg").read_text()


def test_a_symbol_is_drawn_without_an_alert(bars, tmp_path):
    result = run("chart", of="NVDA", bars=bars, out=tmp_path / "last.png")
    assert "390 minute bars of NVDA, 2019-02-14 09:30 to 2019-02-14 15:59 New York" in result.output
    options = {"since": "2019-02-13 10:00", "until": "2019-02-13 10:29", "rule": "price_breakout"}
    result = run("chart", of="NVDA", bars=bars, out=tmp_path / "part.png", **options)
    assert "30 minute bars of NVDA, 2019-02-13 10:00 to 2019-02-13 10:29" in result.output


def test_what_cannot_be_drawn_is_said(bars, tmp_path):
    def said(*arguments, **options):
        result = run("chart", *arguments, bars=bars, **({"out": tmp_path / "c.png"} | options))
        assert result.exit_code == 1, result.output
        return " ".join(result.output.split())

    assert "is no alert's id" in said("KO")
    assert "is not raised by these inputs" in said(f"price_gap|KO|minute|{OPEN}|v1")
    assert "there is no bar at" in said(f"price_gap|KO|minute|{OPEN - 60_000}|v1")
    assert "has no hour bars of KO; timespans of it there: minute" in said(f"price_gap|KO|hour|{OPEN}|v1")
    assert "the whole market has no bars" in said(f"market_event|MARKET|minute|{OPEN}|v1")
    assert "let its name end in .png or .svg" in said(of="KO", out=tmp_path / "c.exe")
    assert "has no bar in the time that is asked for" in said(of="KO", since="2030-01-01")
    assert "either an alert's id or --of SYMBOL" in said()
    assert "has no statistic of bars" in said(of="KO", rule="feed_freshness")
