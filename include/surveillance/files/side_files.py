"""Reads what goes with recorded bars: files of news, corporate actions, labels and alerts.

Every function raises ConfigurationError when the file cannot be read, is empty or lacks a column, and hands back the
rows that it could not use as a table of ``tables.REJECTS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

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
from include.surveillance.instruments import (
    CURRENCY,
    Objection,
    Tickers,
    settle_changes,
    settle_dividends,
    settle_splits,
)
from include.surveillance.records import (
    SENTIMENTS,
    Dividend,
    NewsItem,
    Payment,
    Record,
    ScheduledEvent,
    Split,
    TickerChange,
)
from include.surveillance.texts import LONGEST_TITLE, one_line, web_address
from include.surveillance.timespans import NEW_YORK, to_ms, to_utc
from include.surveillance.validity import TIME_OUT_OF_RANGE, is_timely

R = TypeVar("R", bound=Record)
Settle = Callable[[list[Any]], tuple[list[Any], dict[int, Objection]]]
"""Says which of several statements hold, and what there is against the others, by their index."""
NEWS = {"symbol": TEXT, "article_id": TEXT, "published_ms": WHOLE, "title": TEXT, "sentiment": OPTIONAL_TEXT}
NEWS |= dict.fromkeys(("url", "publisher", "tickers", "company", "withdrawn"), OPTIONAL_TEXT)
LONGEST_EVENT = 40
WITHDRAWN = {None: False, "": False, "false": False, "true": True}
SPLITS = {"ticker": TEXT, "execution_date": TEXT, "split_from": NUMBER, "split_to": NUMBER}
DIVIDENDS = {"ticker": TEXT, "ex_dividend_date": TEXT, "cash_amount": NUMBER, "currency": OPTIONAL_TEXT}
DIVIDENDS |= {"dividend_type": OPTIONAL_TEXT, "distribution_type": OPTIONAL_TEXT, "pay_date": OPTIONAL_TEXT}
EITHER = Field("text", optional=True, present=True)
TICKER_CHANGES = {"ticker": EITHER, "new_ticker": EITHER, "date": TEXT, "composite_figi": OPTIONAL_TEXT}
SCHEDULED = {"symbol": TEXT, "date": TEXT, "kind": OPTIONAL_TEXT, "time": OPTIONAL_TEXT}
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


class ActionFiles(NamedTuple):
    """The usable rows of files of corporate actions.

    Attributes:
        objected: the rows that do not count although each by itself can be used, with the reason.
        rejects: each file with its unusable rows, those among them, a table of ``tables.REJECTS``.
    """

    splits: tuple[Split, ...]
    dividends: tuple[Dividend, ...]
    ticker_changes: tuple[TickerChange, ...]
    objected: list[tuple[Split | Dividend | TickerChange, Objection]]
    rejects: list[tuple[Path, pa.Table]]


def read_actions(splits: Path | None, dividends: Path | None, ticker_changes: Path | None) -> ActionFiles:
    """Read corporate actions; None where there is no such file.

    Args:
        splits: of ``ticker, execution_date, split_from, split_to``.
        dividends: of ``ticker, ex_dividend_date, cash_amount`` and, where there are any, ``currency`` (else dollars),
            ``dividend_type`` or ``distribution_type``, ``pay_date``.
        ticker_changes: of ``ticker, new_ticker, date``: without the one an instrument is listed for the first time,
            without the other no longer. Where there is one, ``composite_figi`` says which instrument it is.
    """
    objected: list[tuple[Any, Objection]] = []
    rejects: list[tuple[Path, pa.Table]] = []

    def read(path: Path | None, fields: dict[str, Field], make: Callable[..., R], check: Check, settle: Settle) -> Any:
        if path is None:
            return ()
        records, unusable = _records(path, fields, make, _settled(fields, check, make, settle, objected))
        rejects.append((path, unusable))
        return tuple(records)

    changes = read(ticker_changes, TICKER_CHANGES, _make_change, _check_change, settle_changes)
    tickers = Tickers(changes)
    return ActionFiles(
        read(splits, SPLITS, _make_split, _check_split, lambda given: settle_splits(given, tickers)),
        read(dividends, DIVIDENDS, _make_dividend, _check_dividend, lambda given: settle_dividends(given, tickers)),
        changes,
        objected,
        rejects,
    )


def read_scheduled_events(path: Path) -> tuple[list[ScheduledEvent], pa.Table]:
    """Read events of ``symbol`` (*: all symbols) and ``date`` and, where there are any, ``kind`` (else results) and
    ``time`` (HH:MM, New York). A row that is there twice is one event."""

    def event(*, kind: str | None, time: str | None, **row: Any) -> ScheduledEvent:
        return ScheduledEvent(**row, event=one_line(kind or "results", LONGEST_EVENT), time=time or "")

    events, rejects = _records(path, SCHEDULED, event, _check_scheduled)
    return list({it.event_id: it for it in events}.values()), rejects


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


_check_split = _dated("execution_date", ("split_from", "split_to"), "split ratio not positive")
_check_dividend = _dated("ex_dividend_date", ("cash_amount",), "amount not positive")


def _check_scheduled(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
    dated, timed = check_cells(values["date"], _is_date), check_cells(values["time"], _is_time_of_day)
    return np.where(dated, np.where(timed, 0, 2), 1), ("date is no date", "time is not HH:MM")


def _is_time_of_day(text: str | None) -> bool:
    return not text or re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, flags=re.ASCII) is not None


def _is_date(text: str | None) -> bool:
    try:
        return text is not None and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _untimely(ts_ms: np.ndarray) -> np.ndarray:
    return (~is_timely(ts_ms)).astype(np.int16)


def _make_change(*, ticker: str | None, new_ticker: str | None, **row: Any) -> TickerChange:
    return TickerChange(symbol=ticker or "", new_symbol=new_ticker or "", **row)


def _make_split(*, ticker: str, **row: Any) -> Split:
    return Split(symbol=ticker, **row)


def _make_dividend(
    *, ticker: str, ex_dividend_date: str, cash_amount: float, currency: str | None, dividend_type: str | None,
    distribution_type: str | None, pay_date: str | None,
) -> Dividend:  # fmt: skip
    kind = distribution_type or dividend_type or ""
    return Dividend(
        symbol=ticker,
        ex_date=ex_dividend_date,
        cash_amount=cash_amount,
        currency=(currency or CURRENCY).upper(),
        payments=(Payment(cash_amount=cash_amount, type=kind, pay_date=pay_date or ""),),
    )


def _check_change(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
    undated, (why, _) = _dated("date", (), "")(values)
    named = check_cells(values["ticker"], bool) | check_cells(values["new_ticker"], bool)
    return np.where(undated, undated, np.where(named, 0, 2)), (why, "no ticker")


def _settled(
    fields: dict[str, Field], check: Check, make: Callable[..., R], settle: Settle, objected: list[tuple[R, Objection]]
) -> Check:
    """Return a check that also objects to what contradicts other rows, and adds that to ``objected``."""
    texts = [name for name, field in fields.items() if field == TEXT]

    def check_all(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
        numbers, meanings = check(values)
        numbers = np.array(numbers, dtype=np.int16)
        good = numbers == 0
        for name in texts:
            good &= check_cells(values[name], bool)
        index = np.flatnonzero(good)
        records = _make(make, {name: _taken(column, index) for name, column in values.items()})
        _, objections = settle(records)
        reasons = sorted({objection.reason for objection in objections.values()})
        for at, objection in objections.items():
            numbers[index[at]] = len(meanings) + 1 + reasons.index(objection.reason)
            objected.append((records[at], objection))
        return numbers, (*meanings, *reasons)

    return check_all


def _taken(column: Any, index: np.ndarray) -> Any:
    return column.take(pa.array(index)) if isinstance(column, pa.Array) else column[index]


def _make(make: Callable[..., R], values: Values) -> list[R]:
    columns = [column.to_pylist() if isinstance(column, pa.Array) else column.tolist() for column in values.values()]
    return [make(**dict(zip(values, row, strict=True))) for row in zip(*columns, strict=True)]


def _records(path: Path, fields: dict[str, Field], make: Callable[..., R], check: Check) -> tuple[list[R], pa.Table]:
    """Make a record of each usable row."""
    values, rejects, _ = read_columns(path, fields, check)
    return _make(make, values), rejects


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
