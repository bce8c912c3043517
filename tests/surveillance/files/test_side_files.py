"""News, corporate actions and labels from files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.files.side_files import (
    read_actions,
    read_alerts,
    read_labels,
    read_news,
    read_scheduled_events,
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


def test_scheduled_events(tmp_path):
    path = written(
        tmp_path / "events.csv",
        "symbol,date,kind,time\nA,2023-11-14,,\nA,2023-11-14,,\n*,2023-12-13,FOMC,14:00\n"
        "A,soon,,\nA,2023-11-14,call,4 pm\nA,2023-11-14,call,24:00\n,2023-11-14,,\n",
    )
    events, rejects = read_scheduled_events(path)
    assert [(it.symbol, it.event, it.time) for it in events] == [("A", "results", ""), ("*", "FOMC", "14:00")]
    assert reasons(rejects) == ["date is no date", "time is not HH:MM", "time is not HH:MM", "symbol is no text"]
    days, _ = read_scheduled_events(written(tmp_path / "days.csv", "symbol,date\nADBE,2009-09-15\n"))
    assert [it.event_id for it in days] == ["scheduled_event|ADBE|2009-09-15|results"]


def written(path, text):
    path.write_text(text)
    return path


def test_corporate_actions(tmp_path):
    splits = written(
        tmp_path / "splits.csv",
        "ticker,execution_date,split_from,split_to\nA,2019-02-15,1,2\nA,soon,1,2\nA,2019-02-16,0,2\n,2019-02-15,1,3\n",
    )
    dates = pd.DataFrame({"ticker": ["A"], "ex_dividend_date": [pd.Timestamp("2019-02-15").date()], "cash_amount": [1]})
    dates.to_parquet(tmp_path / "dividends.parquet")
    changes = written(
        tmp_path / "changes.csv",
        "ticker,new_ticker,date\nFB,META,2022-06-09\nFB,,2022-06-09\n,,2022-06-09\nA,B,soon\n",
    )
    read = read_actions(splits, tmp_path / "dividends.parquet", changes)
    assert [(it.symbol, it.execution_date, it.split_to) for it in read.splits] == [("A", "2019-02-15", 2.0)]
    assert [(it.ex_date, it.cash_amount, it.currency) for it in read.dividends] == [("2019-02-15", 1.0, "USD")]
    assert [(it.symbol, it.new_symbol) for it in read.ticker_changes] == [("FB", "META"), ("FB", "")]
    rejects = {path.name: reasons(unusable) for path, unusable in read.rejects}
    assert rejects["splits.csv"] == ["execution_date is no date", "split ratio not positive", "ticker is no text"]
    assert rejects["changes.csv"] == ["no ticker", "date is no date"]
    assert read.objected == []
    assert read_actions(None, None, None) == ((), (), (), [], [])


def test_of_contradictory_rows_none_counts_and_a_repeated_one_counts_once(tmp_path):
    splits = written(
        tmp_path / "splits.csv",
        "ticker,execution_date,split_from,split_to\nA,2019-02-15,1,2\nB,2019-02-15,1,2\nA,2019-02-15,1,10\n"
        "B,2019-02-15,2,4\n",
    )
    read = read_actions(splits, None, None)
    assert {it.symbol for it in read.splits} == {"B"}
    assert reasons(read.rejects[0][1]) == ["two ratios for one day"] * 2
    assert {objection.detail for _, objection in read.objected} == {"A on 2019-02-15: 10 for 1 and 2 for 1"}
    actions = CorporateActions(splits=read.splits)
    assert actions.share_factor("B", np.array([20_000])).tolist() == [2.0]


def test_dividends_of_one_day_add_up_in_dollars(tmp_path):
    dividends = written(
        tmp_path / "dividends.csv",
        "ticker,ex_dividend_date,cash_amount,currency,dividend_type,pay_date\n"
        "COST,2023-12-27,15.00,USD,SC,2024-01-12\nCOST,2023-12-27,1.02,usd,CD,2024-02-16\n"
        "COST,2023-12-27,1.02,,CD,2024-02-16\nENB,2023-12-27,0.915,CAD,CD,2024-03-01\n",
    )
    read = read_actions(None, dividends, None)
    assert reasons(read.rejects[0][1]) == ["dividend in another currency"]
    day = np.datetime64("2023-12-27").astype(int)
    actions = CorporateActions(dividends=read.dividends)
    assert actions.dividend_between("COST", day - 1, day) == pytest.approx(16.02)
    assert actions.dividend_between("ENB", day - 1, day) == 0.0


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
