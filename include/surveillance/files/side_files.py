"""Reads what goes with recorded bars: files of news, corporate actions, labels and alerts.

Every function raises ConfigurationError when the file cannot be read, is empty or lacks a column, and hands back the
rows that it could not use as a table of ``tables.REJECTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from include.surveillance.files.tables import (
    CELLS,
    NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    WHOLE,
    Check,
    Field,
    Values,
    check_cells,
    open_table,
    read_columns,
    read_fields,
    require_columns,
)
from include.surveillance.files.times import parse_times
from include.surveillance.records import SENTIMENTS, Dividend, NewsItem, Record, Split, TickerChange
from include.surveillance.texts import LONGEST_TITLE, one_line, web_address
from include.surveillance.timespans import NEW_YORK, to_ms, to_utc
from include.surveillance.validity import TIME_OUT_OF_RANGE, is_timely

R = TypeVar("R", bound=Record)
NEWS = {"symbol": TEXT, "article_id": TEXT, "published_ms": WHOLE, "title": TEXT, "sentiment": OPTIONAL_TEXT}
NEWS |= dict.fromkeys(("url", "publisher", "tickers", "company", "withdrawn"), OPTIONAL_TEXT)
WITHDRAWN = {None: False, "": False, "false": False, "true": True}
SPLITS = {"ticker": TEXT, "execution_date": TEXT, "split_from": NUMBER, "split_to": NUMBER}
DIVIDENDS = {"ticker": TEXT, "ex_dividend_date": TEXT, "cash_amount": NUMBER}
TICKER_CHANGES = {"ticker": TEXT, "new_ticker": TEXT, "date": TEXT}
LABELS = {"symbol": TEXT, "start_ms": CELLS, "end_ms": CELLS, "kind": TEXT}
LABEL_COLUMNS = {"start_ms": ("start_ms", "start"), "end_ms": ("end_ms", "end")}
ALERTS = {"symbol": TEXT, "rule": TEXT, "ts_ms": WHOLE, "episode_start_ms": WHOLE}
ALERTS |= {"timespan": OPTIONAL_TEXT, "direction": OPTIONAL_TEXT, "status": OPTIONAL_TEXT}


def read_news(path: Path) -> tuple[list[NewsItem], pa.Table]:
    """Read items of ``symbol, article_id, published_ms, title, sentiment`` (empty: unknown) and, where there is one,
    ``url``, ``publisher``, ``tickers`` (separated by commas), ``company`` (its name, by which a title is about it) and
    ``withdrawn`` (true: the vendor no longer lists it). A later row of an article and symbol replaces the earlier."""

    def item(*, tickers: str | None, withdrawn: str | None, **row: Any) -> NewsItem:
        parts = (part.strip() for part in (tickers or "").split(","))
        known = {name: value for name, value in row.items() if value is not None}
        known |= {"title": one_line(row["title"], LONGEST_TITLE), "url": web_address(row.get("url") or "")}
        known |= {"tickers": tuple(part for part in parts if part), "source": "backfill"}
        return NewsItem(**known, withdrawn=WITHDRAWN[withdrawn and withdrawn.lower()])

    return _records(path, NEWS, item, _check_news)


def read_splits(path: Path) -> tuple[list[Split], pa.Table]:
    """Read splits as Polygon gives them."""
    check = _dated("execution_date", ("split_from", "split_to"), "split ratio not positive")
    return _records(path, SPLITS, Split, check, ticker="symbol")


def read_dividends(path: Path) -> tuple[list[Dividend], pa.Table]:
    """Read dividends as Polygon gives them."""
    check = _dated("ex_dividend_date", ("cash_amount",), "amount not positive")
    return _records(path, DIVIDENDS, Dividend, check, ticker="symbol", ex_dividend_date="ex_date")


def read_ticker_changes(path: Path) -> tuple[list[TickerChange], pa.Table]:
    """Read changes of ``ticker, new_ticker, date``."""
    check = _dated("date", (), "")
    return _records(path, TICKER_CHANGES, TickerChange, check, ticker="symbol", new_ticker="new_symbol")


def read_labels(path: Path) -> tuple[pd.DataFrame, pa.Table]:
    """Read ``symbol, start_ms, end_ms, kind``: stretches in which a rule should fire; both ends belong to it.

    The columns may be called ``start`` and ``end``. Times are numbers of any unit, ISO 8601 (New York's unless they
    have an offset) or dates: from the beginning of the first day to the end of the last.
    """
    table = open_table(path, f"it needs the columns {', '.join(LABELS)}")
    columns = {name: next((it for it in known if it in table.names), name) for name, known in LABEL_COLUMNS.items()}
    require_columns(path, table.names, [columns.get(name, name) for name in LABELS])
    values, rejects, _ = read_fields(table, LABELS, _check_labels, columns=columns)
    return _as_frame(values), rejects


def read_alerts(path: Path) -> tuple[pd.DataFrame, pa.Table]:
    """Read ``symbol, rule, ts_ms, episode_start_ms`` and, where there are any, ``timespan, direction, status`` of
    alerts as a replay writes them ('': none); retracted ones are left out."""
    alerts, rejects = _frame(path, ALERTS, _check_alerts)
    return alerts[alerts.pop("status") != "retracted"].reset_index(drop=True), rejects


def _check_news(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
    known = check_cells(values["sentiment"], lambda sentiment: sentiment in (None, *SENTIMENTS))
    stated = check_cells(values["withdrawn"], lambda withdrawn: (withdrawn and withdrawn.lower()) in WITHDRAWN)
    unknown = f"sentiment is none of {', '.join(SENTIMENTS)}"
    objections = np.where(known, np.where(stated, 0, 3), 2)
    reasons = TIME_OUT_OF_RANGE, unknown, "withdrawn is neither true nor false"
    return np.where(_untimely(values["published_ms"]) > 0, 1, objections), reasons


def _check_alerts(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
    return _untimely(values["ts_ms"]) | _untimely(values["episode_start_ms"]), (TIME_OUT_OF_RANGE,)


def _check_labels(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
    for name in ("start_ms", "end_ms"):
        times = parse_times(values[name], NEW_YORK)
        values[name] = (
            np.array([_end_of_day(ms) for ms in times.ts_ms]) if times.dates and name == "end_ms" else times.ts_ms
        )
    start, end = values["start_ms"], values["end_ms"]
    absent, timely = np.isnan(start) | np.isnan(end), is_timely(start) & is_timely(end)
    reason = np.where(absent, 1, np.where(~timely, 2, np.where(end < start, 3, 0)))
    for name in ("start_ms", "end_ms"):
        values[name] = np.where(timely, values[name], 0).astype(np.int64)
    return reason, ("start or end is no time", TIME_OUT_OF_RANGE, "end before start")


def _end_of_day(ts_ms: float) -> float:
    """Return the last millisecond of a New York date whose midnight this is; any other time as it is."""
    if isnan(ts_ms):
        return ts_ms
    moment = to_utc(ts_ms).astimezone(NEW_YORK)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        return ts_ms
    return to_ms(moment + timedelta(days=1)) - 1


def _dated(day: str, positive: tuple[str, ...], why: str) -> Check:
    def check(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
        usable = np.ones(len(values[day]), dtype=bool)
        for name in positive:
            usable &= (values[name] > 0) & np.isfinite(values[name])
        return np.where(check_cells(values[day], _is_date), np.where(usable, 0, 2), 1), (f"{day} is no date", why)

    return check


def _is_date(text: str | None) -> bool:
    try:
        return text is not None and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _untimely(ts_ms: np.ndarray) -> np.ndarray:
    return (~is_timely(ts_ms)).astype(np.int16)


def _records(
    path: Path, fields: dict[str, Field], make: Callable[..., R], check: Check, **renamed: str
) -> tuple[list[R], pa.Table]:
    """Make a record of each usable row; ``renamed`` gives the record's name of a column where it has another one."""
    values, rejects, _ = read_columns(path, fields, check)
    names = [renamed.get(name, name) for name in values]
    columns = [column.to_pylist() if isinstance(column, pa.Array) else column.tolist() for column in values.values()]
    return [make(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)], rejects


def _frame(path: Path, fields: dict[str, Field], check: Check) -> tuple[pd.DataFrame, pa.Table]:
    values, rejects, _ = read_columns(path, fields, check)
    return _as_frame(values), rejects


def _as_frame(values: Values) -> pd.DataFrame:
    columns = {
        name: np.array([text or "" for text in column.to_pylist()], dtype=object)
        if isinstance(column, pa.Array)
        else column
        for name, column in values.items()
    }
    return pd.DataFrame(columns)
