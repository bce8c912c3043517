"""The literal rules of bars as one would write them in pandas: the baseline that the engine is measured against."""

from __future__ import annotations

import numpy as np
import pandas as pd

SERIES = ["symbol", "timespan"]


def firings(bars: pd.DataFrame) -> pd.DataFrame:
    """Columns symbol, timespan, ts_ms, rule, direction: one row per firing."""
    bars = bars.sort_values([*SERIES, "ts_ms"], kind="stable", ignore_index=True)
    key = bars.groupby(SERIES, sort=False).ngroup()

    def rolling(values: pd.Series, how: str) -> pd.Series:
        windows = values.groupby(key).rolling(20)
        return getattr(windows, how)().droplevel(0)

    def previous(values: pd.Series) -> pd.Series:
        return values.groupby(key).shift()

    mean = previous(rolling(bars["volume"], "mean"))
    highest, lowest = previous(rolling(bars["high"], "max")), previous(rolling(bars["low"], "min"))
    std = rolling(np.log(bars["close"] / previous(bars["close"])), "std")
    known = std.dropna()
    limit = known.groupby(key[known.index]).expanding(min_periods=100).quantile(0.95).droplevel(0)
    limit = previous(limit.reindex(std.index))

    local = pd.to_datetime(bars["ts_ms"], unit="ms", utc=True).dt.tz_convert("America/New_York")
    minute, date = local.dt.hour * 60 + local.dt.minute, local.dt.normalize()
    regular = (bars["timespan"] == "day") | minute.between(570, 959)
    regular |= (bars["timespan"] == "hour") & minute.between(511, 569)
    inside = bars[regular]
    before = inside["close"].groupby(key[regular]).shift()
    opens = date[regular] != date[regular].groupby(key[regular]).shift()
    gap = (inside["open"] / before - 1).where(opens)

    fired = {
        ("abnormal_volume", ""): bars["volume"] > 3 * mean,
        ("volatility_spike", ""): std > limit,
        ("price_breakout", "up"): bars["close"] > highest,
        ("price_breakout", "down"): bars["close"] < lowest,
        ("price_gap", "up"): gap > 0.02,
        ("price_gap", "down"): gap < -0.02,
    }
    keys = bars[[*SERIES, "ts_ms"]]
    rows = [keys.loc[mask[mask].index].assign(rule=rule, direction=way) for (rule, way), mask in fired.items()]
    return pd.concat(rows, ignore_index=True)
