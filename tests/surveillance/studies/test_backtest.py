"""Backtests of markets in which it is known what comes after an alert."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.records import Alert
from include.surveillance.sessions import Sessions
from include.surveillance.studies import backtest_report, backtest_summary
from include.surveillance.studies.backtest import backtest_books, list_alerts
from include.surveillance.studies.backtest_summary import Backtest, group_alerts, summarise
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.timespans import MINUTE_MS

SESSIONS = Sessions()
DAYS = SESSIONS.between("2019-01-01", "2019-02-06")
MINUTES, BURSTS = 150, range(4, len(DAYS), 6)
VOLUME_ALONE = """
base:
  rules: literal
  abnormal_volume: {multiple: 10}
  price_breakout: {buffer: 1000}
  volatility_spike: {multiple: 1000}
  price_gap: {limit: 10}
overrides: []
"""


def bursting(shuffled: bool) -> pd.DataFrame:
    """Bursts of volume, each followed by half an hour of drift; shuffled, the drift is anywhere."""
    random, parts = np.random.default_rng(11), []
    for number in range(8):
        returns = random.normal(0, 5e-4, (len(DAYS), MINUTES))
        volume = random.lognormal(8, 0.2, (len(DAYS), MINUTES)).round()
        for day in BURSTS:
            at = int(random.integers(40, 80))
            volume[min(day + number % 3, len(DAYS) - 1), at] *= 40
            returns[min(day + number % 3, len(DAYS) - 1), at + 1 : at + 31] += random.choice([-1, 1]) * 0.02 / 30
        returns = random.permutation(returns.ravel()) if shuffled else returns.ravel()
        close = 50 * np.exp(np.cumsum(returns))
        ts_ms = np.concatenate([day.open_ms + MINUTE_MS * np.arange(MINUTES) for day in DAYS])
        prices = dict.fromkeys(("open", "high", "low", "close"), close)
        parts.append(
            pd.DataFrame(
                {"symbol": f"S{number}", "timespan": "minute", "ts_ms": ts_ms, **prices, "volume": volume.ravel()}
            )
        )
    return pd.concat(parts, ignore_index=True)


def backtest(folder: Path, bars: pd.DataFrame, *names: str) -> Backtest:
    folder.mkdir(exist_ok=True)
    bars.to_parquet(folder / "bars.parquet")
    (folder / "volume.yaml").write_text(VOLUME_ALONE)
    book = ParameterBook.load(folder / "volume.yaml")
    return backtest_books(
        RecordedFiles(folder / "bars.parquet"), [(name, book) for name in names], folder / "out", sessions=SESSIONS
    )


@pytest.fixture(scope="module")
def drifting(tmp_path_factory) -> tuple[Path, Backtest]:
    folder = tmp_path_factory.mktemp("drifting")
    return folder / "out", backtest(folder, bursting(shuffled=False), "<script>alert(1)</script>", "$b_{&}$")


def after_half_an_hour(result: Backtest) -> pd.Series:
    summary = result.tried[0].summary
    return summary[(summary["by"] == "all") & (summary["horizon"] == "30 min")].iloc[0]


def test_a_drift_after_bursts_is_found(drifting):
    row = after_half_an_hour(drifting[1])
    assert (row["alerts"], row["outcomes"], row["few"]) == (8 * len(BURSTS), 8 * len(BURSTS), False)
    assert row["matched"] == 5 * row["alerts"]
    assert row["beyond_low"] > 0.8
    assert row["median_low"] > 3 * row["matched_median"]
    assert row["median"] == pytest.approx(0.02, rel=0.2)
    # The burst itself is over when its bar is known.
    assert row["volume"] == pytest.approx(1, abs=0.1)


def test_where_the_drift_is_anywhere_none_is_found(tmp_path):
    row = after_half_an_hour(backtest(tmp_path, bursting(shuffled=True), "A"))
    assert row["alerts"] == 8 * len(BURSTS)
    assert row["beyond_low"] <= 0.05 <= row["beyond_high"]
    assert row["median_low"] <= row["matched_median"] <= row["median_high"]


def test_rows_are_those_of_each_alert_and_horizon_and_matched_bars_lie_in_calm_sessions(drifting):
    out, _ = drifting
    outcomes, matched = (pd.read_parquet(out / f"{stem}.parquet") for stem in ("outcomes", "matched"))
    assert len(outcomes) == 2 * 8 * len(BURSTS) * 4
    assert not outcomes.duplicated(["parameters", "event_id", "horizon"]).any()
    number = {day.date: at for at, day in enumerate(DAYS)}
    alerted = outcomes.groupby("symbol")["session_date"].unique()
    for symbol, dates in matched.groupby("symbol")["session_date"]:
        sessions = {number[date] for date in alerted[symbol]}
        assert all(abs(number[date] - one) > 1 for date in dates.unique() for one in sessions)
    symbols = outcomes.drop_duplicates("event_id").set_index("event_id")["symbol"]
    assert (matched["event_id"].map(symbols) == matched["symbol"]).all()


def test_what_is_unknown_is_counted_with_its_reason(drifting):
    # The recording ends hours before the last session's close.
    _, result = drifting
    unknown = result.tried[0].outcomes[result.tried[0].outcomes["missing"] != ""]
    assert {*unknown["missing"]} == {"beyond the data"}
    assert unknown["abnormal"].isna().all()
    assert f"{len(unknown):,} beyond the data" in backtest_report.describe_missing(result.tried[0])
    assert len(result.tried[0].outcomes) - len(unknown) == result.tried[0].outcomes["abnormal"].notna().sum()


def test_the_report_is_one_file_and_its_texts_are_no_markup(drifting, tmp_path):
    out, result = drifting
    text = (out / "backtest.html").read_text()
    backtest_report.write_report(tmp_path / "hostile.html", replace(result, symbols=["<img src=x>", *result.symbols]))
    hostile = (tmp_path / "hostile.html").read_text()
    for page in (text, hostile):
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert {source[:22] for source in re.findall(r'src="([^"]*)', page)} == {"data:image/png;base64,"}
        assert "http" not in page.replace("base64", "")[: page.index("data:image")]
        assert not re.search(r"<link|@import|url\(", page)
    assert "<img src=x>" not in hostile
    assert "&lt;img src=x&gt;" in hostile
    first, last = DAYS[0].date, DAYS[-1].date
    assert f"{8 * len(DAYS) * MINUTES:,} minute bars of 8 symbols, {first} to {last}." in text
    assert f"versions {result.tried[0].versions[0]}" in text


def test_the_same_is_drawn_again(drifting, tmp_path):
    out, _ = drifting
    names = ("<script>alert(1)</script>", "$b_{&}$")
    backtest(tmp_path, bursting(shuffled=False), *names)
    for stem in ("outcomes", "matched"):
        again, before = (pd.read_parquet(folder / f"{stem}.parquet") for folder in (tmp_path / "out", out))
        pd.testing.assert_frame_equal(again, before)
    assert (tmp_path / "out" / "backtest.html").read_text() == (out / "backtest.html").read_text()


def test_a_market_without_alerts_has_an_empty_report(tmp_path):
    calm = bursting(shuffled=False).assign(volume=1_000)
    result = backtest(tmp_path, calm, "A")
    assert len(result.tried[0].outcomes) == 0
    assert "A raises 0 alerts." in (tmp_path / "out" / "backtest.html").read_text()
    assert backtest_report.terminal_rows(result) == []


def message(**changes: object) -> Alert:
    fields = {
        "rule": "abnormal_volume", "rule_version": 1, "parameters_version": "p", "symbol": "KO", "timespan": "minute",
        "ts_ms": DAYS[0].open_ms, "bar_close_ms": DAYS[0].open_ms + MINUTE_MS, "value": 1.0, "threshold": 1.0,
        "window_start_ms": 0, "window_end_ms": 0, "score": 50.0, "severity": "low",
        "episode_start_ms": DAYS[0].open_ms, "session_phase": "regular", "session_date": DAYS[0].date,
        "data_age_ms": 0, "event_ids": (), "explanation": "", "tag": "unexplained", "rarity_sessions": 12.0,
    }  # fmt: skip
    return Alert(**fields | changes)


def test_an_alert_is_what_it_was_when_it_was_first_published():
    first = message()
    later = structs.replace(first, status="refired", firings=2, ts_ms=first.ts_ms + MINUTE_MS, tag="news", score=90.0)
    alerts = list_alerts([first, later, structs.replace(later, status="retracted"), message(symbol="PEP")])
    assert alerts[["symbol", "ts_ms", "tag", "score", "retracted"]].to_numpy().tolist() == [
        ["KO", first.ts_ms, "unexplained", 50.0, True],
        ["PEP", first.ts_ms, "unexplained", 50.0, False],
    ]


def test_few_outcomes_are_said_to_be_few_and_one_session_has_no_interval():
    values = {
        "event_id": ["a", "b"],
        "timespan": "day",
        "horizon": "next close",
        "abnormal": [0.1, -0.3],
        "volume": 1.0,
    }
    outcomes = pd.DataFrame(values | {"session_date": "2019-01-02", "retracted": [True, False], "signed": [0.1, None]})
    groups = pd.Series(pd.Categorical(["x", "x"]), index=["a", "b"])
    (row,) = summarise(outcomes, outcomes.iloc[:0], groups, 1).to_dict("records")
    assert (row["median"], row["signed"], row["retracted"], row["few"]) == (pytest.approx(0.2), 1, 1, True)
    assert np.isnan([row["median_low"], row["mean_high"], row["beyond"], row["limit"]]).all()
    unknown = outcomes.assign(abnormal=np.nan, signed=np.nan)
    (row,) = summarise(unknown, unknown, groups, 1).to_dict("records")
    assert (row["alerts"], row["outcomes"], row["matched"], row["few"]) == (2, 0, 0, True)
    assert np.isnan([row["median"], row["mean_low"], row["beyond"], row["beyond_low"], row["signed_mean"]]).all()


@given(st.lists(st.one_of(st.none(), st.integers(1, 9).map(float)), min_size=1, max_size=60))
def test_tenths_of_rarity_part_no_equals_and_keep_their_order(rarity):
    alerts = pd.DataFrame({"event_id": [str(at) for at in range(len(rarity))], "rule": "r", "tag": None})
    alerts["rarity_sessions"] = np.array([np.nan if it is None else it for it in rarity])
    groups = dict(group_alerts(alerts))["rarity"]
    places = dict(zip(alerts["rarity_sessions"], groups.cat.codes, strict=True))
    known = sorted(it for it in places if not np.isnan(it))
    assert [places[it] for it in known] == sorted(places[it] for it in known)
    assert len({it for it in groups if it != "unknown"}) <= 10
    assert (groups == "unknown").sum() == rarity.count(None)
    for rare, group in zip(rarity, groups, strict=True):
        if rare is not None:
            low, _, high = group.partition(" to ")
            assert float(low) <= rare <= float(high or low)


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 3)), min_size=1, max_size=20), st.integers(0, 2**16))
def test_statistics_of_resampled_sessions_are_those_of_their_values(values, seed):
    numbers, cluster = np.array([it for it, _ in values]), np.array([it for _, it in values])
    weights = np.random.default_rng(seed).integers(0, 3, (4, 4))
    medians = backtest_summary._resample_median(numbers, cluster, weights)
    means = backtest_summary._resample_mean(numbers, cluster, weights)
    for row, median, mean in zip(weights, medians, means, strict=True):
        drawn = np.sort(np.repeat(numbers, row[cluster]))
        expected = drawn[(len(drawn) - 1) // 2] if len(drawn) else np.nan
        assert median == pytest.approx(expected, nan_ok=True)
        assert mean == pytest.approx(drawn.mean() if len(drawn) else np.nan, abs=1e-9, nan_ok=True)
