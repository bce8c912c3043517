"""News, corporate actions and labels from files."""

from __future__ import annotations

import pandas as pd

from include.surveillance.files.side_files import (
    read_alerts,
    read_dividends,
    read_labels,
    read_news,
    read_splits,
    read_ticker_changes,
)
from include.surveillance.validity import TIME_OUT_OF_RANGE
from tests.surveillance.files.rows import OPEN, reasons


def test_news_may_name_the_company_and_be_withdrawn(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text(
        "symbol,article_id,published_ms,title,sentiment,company,withdrawn\n"
        f"A,a1,{OPEN},Recall,negative,Agilent Technologies Inc.,\nA,a1,{OPEN},Recall,negative,,TRUE\n"
        f"A,a2,{OPEN},Recall,negative,,perhaps\n"
    )
    items, rejects = read_news(path)
    assert [(item.company, item.withdrawn) for item in items] == [("Agilent Technologies Inc.", False), ("", True)]
    assert len({item.event_id for item in items}) == 2
    assert rejects["reason"].to_pylist() == ["withdrawn is neither true nor false"]


def test_news(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text(
        f'symbol,article_id,published_ms,title,sentiment,tickers\nNA,a1,{OPEN},"Two\nlines, one",negative,"NA, B"\n'
        f"B,a2,{OPEN},Title,,\nB,a3,x,Title,,\nB,a4,{OPEN},Title,furious,\nB,a5,0,Title,,\n"
    )
    items, rejects = read_news(path)
    assert [(item.symbol, item.sentiment, item.tickers) for item in items] == [
        ("NA", "negative", ("NA", "B")),
        ("B", None, ()),
    ]
    assert items[0].title == "Two lines, one"
    unknown = "sentiment is none of positive, neutral, negative"
    assert reasons(rejects) == ["published_ms is no number", unknown, TIME_OUT_OF_RANGE]


def test_corporate_actions(tmp_path):
    splits = tmp_path / "splits.csv"
    splits.write_text("ticker,execution_date,split_from,split_to\nA,2019-02-15,1,2\nA,soon,1,2\nA,2019-02-16,0,2\n")
    records, rejects = read_splits(splits)
    assert [(split.symbol, split.execution_date, split.split_to) for split in records] == [("A", "2019-02-15", 2.0)]
    assert reasons(rejects) == ["execution_date is no date", "split ratio not positive"]
    dates = pd.DataFrame({"ticker": ["A"], "ex_dividend_date": [pd.Timestamp("2019-02-15").date()], "cash_amount": [1]})
    dates.to_parquet(tmp_path / "dividends.parquet")
    dividends, rejects = read_dividends(tmp_path / "dividends.parquet")
    assert [(dividend.ex_date, dividend.cash_amount) for dividend in dividends] == [("2019-02-15", 1.0)]
    changes = tmp_path / "changes.csv"
    changes.write_text("ticker,new_ticker,date\nFB,META,2022-06-09\nFB,,2022-06-09\n")
    moved, rejects = read_ticker_changes(changes)
    assert ([change.new_symbol for change in moved], reasons(rejects)) == (["META"], ["new_ticker is no text"])


def test_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"symbol,start_ms,end_ms,kind\nA,{OPEN},{OPEN},gap\nA,{OPEN},{OPEN - 1},gap\nA,1e300,1,gap\n")
    labels, rejects = read_labels(path)
    assert labels.to_dict("records") == [{"symbol": "A", "start_ms": OPEN, "end_ms": OPEN, "kind": "gap"}]
    assert reasons(rejects) == ["end before start", TIME_OUT_OF_RANGE]


def test_alerts_that_were_retracted_are_left_out(tmp_path):
    path = tmp_path / "alerts.csv"
    path.write_text(
        "symbol,rule,ts_ms,episode_start_ms,status\n"
        f"A,price_gap,{OPEN},{OPEN},fired\nA,price_gap,{OPEN},{OPEN},retracted\nB,price_gap,{OPEN},0,\n"
    )
    alerts, rejects = read_alerts(path)
    assert alerts.to_dict("records") == [
        {"symbol": "A", "rule": "price_gap", "ts_ms": OPEN, "episode_start_ms": OPEN, "timespan": "", "direction": ""}
    ]
    assert reasons(rejects) == [TIME_OUT_OF_RANGE]
