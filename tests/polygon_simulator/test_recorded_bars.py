"""Recorded bars come back untouched, moved in time, beside canaries with anomalies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.polygon_simulator.anomalies import MOVES, Label
from include.polygon_simulator.bar_pages import Query, read_page
from include.polygon_simulator.market import replay_market
from include.polygon_simulator.newsroom import Newsroom
from include.polygon_simulator.universe import CANARIES
from include.surveillance.detection.rules.registry import rules_at
from include.surveillance.errors import ConfigurationError
from tests.paths import SHARED_DATA
from tests.polygon_simulator.constants import DAY, MINUTE

OPEN = 1_550_068_200_000  # 2019-02-13 09:30 New York
SHIFT = 240_010_020_000  # whole minutes, not whole hours


def recording(days: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    starts = np.concatenate([OPEN + day * DAY + MINUTE * np.arange(390) for day in range(days)])
    parts = []
    for symbol in ("AMZN", "UGA"):
        close = 100 + rng.standard_normal(len(starts)).cumsum() / 50
        parts.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "ts_ms": starts,
                    "open": close,
                    "high": close + 0.05,
                    "low": close - 0.05,
                    "close": close,
                    "volume": rng.integers(1, 9000, len(starts)),
                    "vwap": np.nan,
                    "trades": pd.array([pd.NA] * len(starts), dtype="Int64"),
                    "timespan": "minute",
                }
            )
        )
    return pd.concat(parts).query("not (symbol == 'UGA' and ts_ms % 180000 == 0)")


@pytest.fixture(params=["parquet", "csv"])
def file(request, tmp_path) -> Path:
    path = tmp_path / f"bars.{request.param}"
    getattr(recording(), f"to_{request.param}")(path, index=False)
    return path


def test_average_price_and_trades_are_those_that_were_recorded(tmp_path):
    frame = recording(1).query("symbol == 'AMZN'").assign(trades=np.arange(390) + 2**25 + 1)
    frame = frame.assign(vwap=frame["close"] + 0.01)
    frame.to_parquet(tmp_path / "bars.parquet", index=False)
    market = replay_market(1, tmp_path / "bars.parquet", SHIFT, clock=lambda: OPEN + 30 * DAY + SHIFT)
    rows = pd.DataFrame(read_page(market, Query("AMZN", 1, "minute", OPEN + SHIFT - DAY, OPEN + SHIFT + DAY)).rows)
    assert rows["vw"].tolist() == frame["vwap"].tolist()
    assert rows["n"].tolist() == frame["trades"].tolist()


def test_recorded_bars_are_only_moved(file):
    frame = recording()
    market = replay_market(1, file, SHIFT, clock=lambda: OPEN + 30 * DAY + SHIFT)
    for symbol in ("AMZN", "UGA"):
        expected = frame[frame["symbol"] == symbol]
        rows = pd.DataFrame(
            read_page(market, Query(symbol, 1, "minute", OPEN + SHIFT - DAY, OPEN + SHIFT + 9 * DAY)).rows
        )
        assert set(rows) == {"t", "o", "h", "l", "c", "v"}  # nothing is made up for what was not recorded
        assert (rows["t"].to_numpy() - SHIFT == expected["ts_ms"].to_numpy()).all()
        for ours, theirs in {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}.items():
            assert (rows[ours].to_numpy() == expected[theirs].to_numpy()).all()


def test_the_clock_decides_what_is_visible_and_the_recording_ends(file):
    now = {"ms": OPEN + SHIFT + 60 * MINUTE}
    market = replay_market(1, file, SHIFT, clock=lambda: now["ms"])

    def newest(symbol: str) -> int:
        rows = read_page(market, Query(symbol, 1, "minute", OPEN + SHIFT - DAY, OPEN + SHIFT + 20 * DAY)).rows
        return (rows[-1]["t"] - OPEN - SHIFT) // MINUTE

    assert newest("AMZN") == 58
    now["ms"] = OPEN + SHIFT + 15 * DAY
    last = 2 * 1440 + 389
    assert newest("AMZN") == last
    assert newest("ZVZZT") == last
    assert market.labels(now["ms"] - DAY, now["ms"]) == []


def test_a_session_is_one_day_bar_though_it_crosses_midnight_by_the_shifted_clock(file):
    market = replay_market(1, file, SHIFT, clock=lambda: OPEN + SHIFT + 15 * DAY)
    rows = read_page(market, Query("AMZN", 1, "day", OPEN + SHIFT - 2 * DAY, OPEN + SHIFT + 9 * DAY)).rows
    volume = recording().query("symbol == 'AMZN'").groupby(lambda index: index // 390)["volume"].sum()
    assert [row["v"] for row in rows] == volume.tolist()


def test_canaries_carry_every_kind_and_recorded_symbols_none(file):
    market = replay_market(1, file, SHIFT, clock=lambda: OPEN + SHIFT + 15 * DAY)
    labels = market.labels(OPEN + SHIFT, OPEN + SHIFT + 3 * DAY)
    assert {label["symbol"] for label in labels} <= {canary.symbol for canary in CANARIES}
    days: list[list[Label]] = [[], [], []]
    for label in labels:
        days[(label["start_ms"] - OPEN - SHIFT) // DAY].append(label)
    kinds = [Counter(label["kind"] for label in labels) for labels in days]
    # There is nothing before the first session, and the last one is watched, an hour after its open.
    assert set(kinds[0]) == {"feed_freshness", "data_quality"}
    assert sum(kinds[1][kind] for kind in MOVES) <= 2
    assert set(kinds[2]) == set(rules_at("minute"))
    moves = [label["start_ms"] for label in days[2] if label["kind"] in MOVES]
    assert min(moves) == OPEN + SHIFT + 2 * DAY + 60 * MINUTE
    assert len(moves) > 100
    for article in Newsroom(market).articles(OPEN + SHIFT, OPEN + SHIFT + 3 * DAY):
        for insight in article.get("insights", []):
            assert insight["ticker"].startswith("Z") or insight["sentiment"] != "negative"


@pytest.mark.parametrize(
    ("change", "shift", "said"),
    [
        (lambda frame: frame.drop(columns="volume"), 0, "lacks column volume"),
        (lambda frame: frame.assign(timespan="day"), 0, "day bars"),
        (lambda frame: frame, 1234, "whole number of minutes"),
    ],
)
def test_an_unusable_recording_says_why(tmp_path, change, shift, said):
    path = tmp_path / "bars.parquet"
    change(recording(1)).to_parquet(path)
    with pytest.raises(ConfigurationError, match=said):
        replay_market(1, path, shift)


def test_a_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        replay_market(1, tmp_path / "nothing.parquet", 0)


def test_real_minutes_of_2019():
    root = SHARED_DATA
    path = root / "minute_2019feb.parquet"
    if not path.is_file():
        pytest.skip(f"no recorded bars in {root}; set SHARED_DATA")
    market = replay_market(1, path, SHIFT, clock=lambda: OPEN + SHIFT + 15 * DAY)
    frame = pd.read_parquet(path)
    assert len(market.instruments) == frame["symbol"].nunique() + len(CANARIES)
    served = sum(
        len(read_page(market, Query(symbol, 1, "minute", 0, OPEN + SHIFT + 15 * DAY, limit=50_000)).rows)
        for symbol in frame["symbol"].unique()
    )
    assert served == len(frame)


def test_a_recording_is_judged_as_every_file_of_bars_is(tmp_path):
    """Rows that are no bars are left out and told, the later of two rows holds, and any format will do."""
    good = recording(1).astype({"volume": "object", "high": "object"})
    good.loc[good.index[5], "volume"] = -1
    good.loc[good.index[6], "high"] = 0.01
    corrected = good.iloc[[7]].assign(volume=77)
    pd.concat([corrected.assign(volume=5), good, corrected]).to_csv(tmp_path / "bars.csv", index=False)
    market = replay_market(1, tmp_path / "bars.csv", SHIFT, clock=lambda: OPEN + 30 * DAY + SHIFT)
    rows = read_page(market, Query("AMZN", 1, "minute", OPEN + SHIFT - DAY, OPEN + SHIFT + 9 * DAY)).rows
    minutes = [(row["t"] - OPEN - SHIFT) // MINUTE for row in rows]
    assert [minute for minute in range(9) if minute not in minutes] == [5, 6]
    assert rows[5]["v"] == 77
    rows = [f"AMZN,1200,100,100.5,101,99,{OPEN + minute * MINUTE}000000,17\n" for minute in (0, 1)]
    head = "ticker,volume,open,close,high,low,window_start,transactions\n"
    (tmp_path / "flat.csv").write_text(head + "".join(rows))
    market = replay_market(1, tmp_path / "flat.csv", SHIFT, clock=lambda: OPEN + 30 * DAY + SHIFT)
    row, _ = read_page(market, Query("AMZN", 1, "minute", OPEN + SHIFT, OPEN + SHIFT + DAY)).rows
    assert (row["v"], row["n"], row["c"]) == (1200, 17, 100.5)
