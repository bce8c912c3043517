"""The engine against a slow, plain reading of the rules on real bars, row for row."""

from __future__ import annotations

import os
import statistics
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.parameters import Parameters
from include.surveillance.detection.state import State
from include.surveillance.models import Bar
from include.surveillance.sessions import Sessions

ROOT = Path(__file__).resolve().parents[3]
SHARED_DATA = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
KEYS = ["symbol", "ts_ms", "rule", "direction"]


def read(file: str, symbols: int | None = None) -> pd.DataFrame:
    path = SHARED_DATA / file
    if not path.exists():
        pytest.skip(f"no {path}; set SHARED_DATA to the folder of sample bars")
    frame = pd.read_parquet(path).sort_values(["symbol", "ts_ms"], ignore_index=True)
    return frame if symbols is None else frame[frame["symbol"].isin(sorted(frame["symbol"].unique())[:symbols])]


def oracle(frame: pd.DataFrame, session_reset: bool) -> pd.DataFrame:
    """Rows (symbol, ts_ms, rule, direction, value, threshold), written from the rules' text alone."""
    rows: list[tuple] = []
    for symbol, bars in frame.groupby("symbol"):
        start = pd.to_datetime(bars["ts_ms"], unit="ms", utc=True).dt.tz_convert("America/New_York")
        dates = start.dt.date.to_numpy()
        minute = (start.dt.hour * 60 + start.dt.minute).to_numpy()
        regular = (bars["timespan"] == "day").to_numpy() | ((minute >= 570) & (minute < 960))
        ts, opens, highs, lows, closes, volumes = (
            bars[name].to_numpy() for name in ("ts_ms", "open", "high", "low", "close", "volume")
        )
        first_of = {date: index for index, date in reversed(list(enumerate(dates)))}
        stds: dict[int, float] = {}
        last_regular: tuple | None = None
        for i in range(len(bars)):
            if i - (first_of[dates[i]] if session_reset else 0) >= 20:
                mean = volumes[i - 20 : i].mean()
                if volumes[i] > 3 * mean:
                    rows.append((symbol, ts[i], "abnormal_volume", "", volumes[i], 3 * mean))
                top, bottom = highs[i - 20 : i].max(), lows[i - 20 : i].min()
                if closes[i] > top:
                    rows.append((symbol, ts[i], "price_breakout", "up", closes[i], top))
                if closes[i] < bottom:
                    rows.append((symbol, ts[i], "price_breakout", "down", closes[i], bottom))
                window = closes[i - 20 : i + 1]
                stds[ts[i]] = statistics.stdev(np.log(window[1:] / window[:-1]).tolist())
            if regular[i]:
                if last_regular is not None and last_regular[0] != dates[i]:
                    gap = opens[i] / last_regular[1] - 1
                    if abs(gap) > 0.02:
                        rows.append((symbol, ts[i], "price_gap", "up" if gap > 0 else "down", abs(gap), 0.02))
                last_regular = (dates[i], closes[i])
        std = pd.Series(stds, dtype=float)
        limit = std.expanding(min_periods=100).quantile(0.95).shift()
        rows += [(symbol, at, "volatility_spike", "", std[at], limit[at]) for at in std.index[std > limit]]
    return pd.DataFrame(rows, columns=[*KEYS, "value", "threshold"])


def engine(frame: pd.DataFrame, session_reset: bool) -> pd.DataFrame:
    columns = ["symbol", "timespan", "ts_ms", "open", "high", "low", "close"]
    bars = [
        Bar(**row, volume=Decimal(str(volume)))
        for row, volume in zip(frame[columns].to_dict("records"), frame["volume"], strict=True)
    ]
    parameters = Parameters(session_reset=session_reset)
    firings = Engine(parameters, Sessions()).run(State(history="exact"), bars).firings
    return pd.DataFrame([{name: getattr(it, name) for name in [*KEYS, "value", "threshold"]} for it in firings])


@pytest.mark.parametrize("session_reset", [False, True])
@pytest.mark.parametrize(
    ("file", "symbols"),
    [
        ("minute_2019feb.parquet", None),
        ("minute_2023jan.parquet", None),
        ("minute15_2019.parquet", 6),
        ("day_2018_2019.parquet", None),
        ("day_sp500_2009_2010.parquet", 40),
    ],
)
def test_every_firing_equals_the_oracles(file, symbols, session_reset):
    frame = read(file, symbols)
    expected = oracle(frame, session_reset).sort_values(KEYS, ignore_index=True)
    found = engine(frame, session_reset).sort_values(KEYS, ignore_index=True)
    pd.testing.assert_frame_equal(found[KEYS], expected[KEYS], check_dtype=False)
    np.testing.assert_allclose(found[["value", "threshold"]], expected[["value", "threshold"]], rtol=1e-9)
    assert set(found["rule"]) >= ({"price_gap"} if "day" in file and session_reset else {"abnormal_volume"})
