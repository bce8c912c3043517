"""The largest moves of each symbol and year in day bars, and whether anybody is told of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.scan import Scan
from tests.benchmarks.scorecard.silence import Witness

LARGEST = 3
YEAR_DAYS = 365.25
GAP, CLOSE = "open gap", "close to close"


def list_moves(scan: Scan) -> pd.DataFrame:
    """Return the largest moves of each series and year, of either sign, as ``symbol, date, move, size``.

    The days of a series are cut into as many equal years as come nearest to their number. ``size`` is a fraction of the
    close before. Prices are as recorded: a split that nobody told of is a move.
    """
    tables = []
    for at, (start, end) in enumerate(zip(scan.segments.start.tolist(), scan.segments.end.tolist(), strict=True)):
        session, close = scan.positions.session[start:end], scan.close[start:end]
        years = max(1, round((int(session[-1]) - int(session[0])) / YEAR_DAYS))
        year = (session - session[0]) * years // (session[-1] - session[0] + 1)
        for move, price in ((GAP, scan.open[start:end]), (CLOSE, close)):
            size = price[1:] / close[:-1] - 1
            table = pd.DataFrame({"year": year[1:], "session": session[1:], "size": size, "far": np.abs(size)})
            largest = table.sort_values("far", ascending=False, kind="stable").groupby("year").head(LARGEST)
            tables.append(largest.assign(symbol=scan.bars.keys[at][0], move=move))
    moves = pd.concat(tables, ignore_index=True).sort_values(["symbol", "session", "move"], ignore_index=True)
    return moves.assign(date=[iso_date(day) for day in moves["session"].tolist()])[["symbol", "date", "move", "size"]]


def judge_moves(moves: pd.DataFrame, witness: Witness) -> pd.DataFrame:
    """Add to each move ``met`` (single, member or empty), ``reason`` why nothing was told, and ``said``."""
    rows = []
    for symbol, date in zip(moves["symbol"], moves["date"], strict=True):
        told, alerts = witness.find_told(symbol, date)
        reason, said = ("", witness.describe_alert(alerts[0])) if told else witness.explain(symbol, date)
        rows.append((told, reason, said))
    return moves.assign(**{name: [row[at] for row in rows] for at, name in enumerate(("met", "reason", "said"))})
