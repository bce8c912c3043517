"""Two sets of parameters over the same bars: what only one of them raises."""

from __future__ import annotations

import pandas as pd

from include.surveillance.studies.comparison import compare_episodes, group_episodes
from include.surveillance.timespans import MINUTE_MS

OPEN = 1_550_154_600_000


def fired(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return group_episodes(
        pd.DataFrame(
            [
                {
                    "symbol": symbol,
                    "timespan": "minute",
                    "rule": "gap",
                    "direction": "up",
                    "ts_ms": OPEN + at * MINUTE_MS,
                    "episode_start_ms": OPEN + start * MINUTE_MS,
                    "value": float(at),
                    "threshold": 1.0,
                }
                for symbol, at, start in rows
            ],
            columns=["symbol", "timespan", "rule", "direction", "ts_ms", "episode_start_ms", "value", "threshold"],
        )
    )


def test_what_only_one_raises():
    a = fired(("A", 0, 0), ("A", 5, 0), ("A", 100, 100), ("B", 0, 0))
    b = fired(("A", 20, 20), ("A", 200, 200), ("C", 0, 0))
    comparison = compare_episodes(a, b, cooldown_bars=15, symbol_days=4)
    assert comparison.only_a[["symbol", "start_ms"]].to_numpy().tolist() == [["B", OPEN], ["A", OPEN + 100 * MINUTE_MS]]
    assert comparison.only_b["symbol"].tolist() == ["C", "A"]
    row = comparison.rules.iloc[0]
    assert (row["alerts_a"], row["alerts_b"], row["per_day_a"], row["only_a"], row["only_b"]) == (3, 3, 0.75, 2, 2)
    assert a.iloc[0][["firings", "value"]].tolist() == [2, 0.0]


def test_nothing_is_nothing():
    nothing = fired()
    comparison = compare_episodes(nothing, nothing, cooldown_bars=15, symbol_days=0)
    assert (len(comparison.rules), len(comparison.only_a)) == (0, 0)
