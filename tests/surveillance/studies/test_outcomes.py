"""Outcomes of moments and the bars they are compared with, against plain loops over tables."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.rules.registry import PRIORS, TAILED
from include.surveillance.records import Split
from include.surveillance.sessions import Sessions
from include.surveillance.studies.backtest import measure_moments
from include.surveillance.studies.matching import draw_matched
from include.surveillance.studies.outcomes import Market, list_horizons, name_benchmark
from include.surveillance.studies.recorded import Recording
from include.surveillance.timespans import DAY_MS, MINUTE_MS, SPAN_MS, new_york_midnight

SESSIONS = Sessions()
# The 24th closes at 13:00; Christmas and a weekend lie between.
DATES = ["2018-12-18", "2018-12-19", "2018-12-20", "2018-12-21", "2018-12-24", "2018-12-26", "2018-12-27", "2018-12-28"]
LITERAL = ParameterBook().replaced(alerting_form="literal")
VALUES = ["until_ms", "entry", "exit", "log_return", "benchmark", "abnormal", "volume"]


def make_bars(seed: int, timespan: str, symbols: list[str]) -> pd.DataFrame:
    """Bars at the edges of sessions and around them, many of them missing."""
    random, rows = np.random.default_rng(seed), []
    for symbol in symbols:
        for date in DATES:
            if random.random() < 0.15:
                continue
            if timespan == "day":
                starts = [new_york_midnight(date)]
            else:
                session, span = SESSIONS.on(date), SPAN_MS[timespan]
                # One grid, whose spans may reach over the close.
                close = -(-(session.close_ms - session.open_ms) // span)
                grid = sorted({*range(-3, 8), *range(close - 8, close + 4)})
                starts = [session.open_ms + k * span for k in grid if random.random() < 0.7]
                # The vendor's bars end with the post-market.
                starts = [start for start in starts if session.first_ms <= start <= session.end_ms - span]
            rows += [
                (symbol, start, 100 * np.exp(random.normal(0, 0.1)), 10 * random.integers(1, 90)) for start in starts
            ]
    return pd.DataFrame(rows, columns=["symbol", "ts_ms", "close", "volume"]).assign(timespan=timespan)


def lay_out(bars: pd.DataFrame, *splits: Split) -> Market:
    bars = bars.sort_values(["symbol", "timespan", "ts_ms"], ignore_index=True)
    keys = list(dict.fromkeys(zip(bars["symbol"], bars["timespan"], strict=True)))
    code = np.array([keys.index(key) for key in zip(bars["symbol"], bars["timespan"], strict=True)], dtype=np.int32)
    close, zeros = bars["close"].to_numpy(float), np.zeros(len(bars), dtype=np.int64)
    columns = BarColumns(
        keys, code, bars["ts_ms"].to_numpy(), close, close, close, close, bars["volume"].to_numpy(float),
        zeros.astype(np.uint32), zeros, zeros.astype(bool),
    )  # fmt: skip
    none = ProfileColumns.from_records([], TAILED, PRIORS)
    recording = Recording(columns, (), CorporateActions(splits), [], none, SESSIONS, Counter(), [], [])
    return Market.from_evaluation(recording.evaluate(LITERAL), SESSIONS)


def located(bars: pd.DataFrame) -> pd.DataFrame:
    """Add each bar's session and when it is known, one by one from the calendar."""
    rows = []
    for row in bars.to_dict("records"):
        start, span = row["ts_ms"], SPAN_MS[row["timespan"]]
        if row["timespan"] == "day":
            session = SESSIONS.on(str(pd.Timestamp(start, unit="ms", tz="UTC").tz_convert("America/New_York").date()))
            end = session.close_ms
        else:
            session = SESSIONS.on(SESSIONS.session_date(start))
            end = min(start + span, session.close_ms) if session.open_ms <= start < session.close_ms else start + span
        rows.append(row | {"session": session.date, "end": end})
    return pd.DataFrame(rows).sort_values(["symbol", "end"], ignore_index=True)


def slow_outcome(table: pd.DataFrame, symbol: str, known: int, session, horizon) -> dict:
    """Look everything up in a table of ``located`` bars of one timespan."""
    target = session
    for _ in range(horizon.sessions):
        target = SESSIONS.following(target.open_ms)
    until = known + horizon.minutes * MINUTE_MS if horizon.minutes else target.close_ms
    limit = session.close_ms if known < session.close_ms else session.end_ms
    nothing = dict.fromkeys(VALUES, np.nan) | {"until_ms": until}

    def price(name, at, of):
        seen = table[(table["symbol"] == name) & (table["end"] <= at) & (table["session"] == of.date)]
        return seen["close"].iloc[-1] if len(seen) else np.nan

    def shares(after, end, of):
        own = table[(table["symbol"] == symbol) & (table["session"] == of.date)]
        return own[(own["end"] > after) & (own["end"] <= end)]["volume"].sum()

    nothing["entry"] = price(symbol, known, session)
    if until <= known or (not horizon.sessions and until > limit):
        return nothing | {"missing": "past the session"}
    if until > table["end"].max():
        return nothing | {"missing": "beyond the data"}
    exit_ = price(symbol, until, target)
    log_return = np.log(exit_ / nothing["entry"])
    names = sorted({*table["symbol"]})
    others = ["SPY"] if "SPY" in names else names
    returns = [np.log(price(it, until, target) / price(it, known, session)) for it in others if it != symbol]
    returns = [it for it in returns if not np.isnan(it)]
    benchmark = 0.0 if len(names) == 1 else np.median(returns) if returns else np.nan

    rest = until if not horizon.sessions else max(known, session.close_ms)
    traded = shares(known, rest, session)
    between = session
    for _ in range(horizon.sessions):
        between = SESSIONS.following(between.open_ms)
        traded += shares(between.open_ms, between.close_ms, between)
    earlier = sorted({*table[(table["symbol"] == symbol) & (table["session"] < session.date)]["session"]})[-20:]
    earlier = [SESSIONS.on(date) for date in earlier]
    shifts = [it.open_ms - session.open_ms for it in earlier]
    usual = np.nan
    if len(earlier) >= 3:
        usual = np.median([shares(known + by, rest + by, it) for by, it in zip(shifts, earlier, strict=True)])
        usual += horizon.sessions * np.median([shares(it.open_ms, it.close_ms, it) for it in earlier])
    return {
        "until_ms": until, "entry": nothing["entry"], "exit": exit_, "log_return": log_return,
        "benchmark": np.nan if np.isnan(log_return) else benchmark, "abnormal": log_return - benchmark,
        "volume": traded / usual if usual > 0 else np.nan,
        "missing": "no bar" if np.isnan(log_return) else "no benchmark" if np.isnan(benchmark) else "",
    }  # fmt: skip


MARKETS = st.tuples(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["minute", "5minute", "15minute", "hour", "day"]),
    st.sampled_from([["AA"], ["AA", "BB"], ["AA", "BB", "CC", "DD"], ["AA", "BB", "SPY"]]),
)


@settings(max_examples=15)
@given(MARKETS)
def test_outcomes_are_those_of_plain_loops(given_market):
    bars = make_bars(*given_market)
    if bars.empty:
        return
    market, table = lay_out(bars), located(bars)
    chosen = np.random.default_rng(given_market[0]).permutation(len(table))[:5]
    symbols = [symbol for symbol, _ in market.keys]
    code = np.array([symbols.index(it) for it in table["symbol"].iloc[chosen]], dtype=np.int64)
    measured = measure_moments(market, code, table["end"].to_numpy()[chosen])
    assert len(measured) == len(chosen) * len(list_horizons(given_market[1]))
    horizons = {it.name: it for it in list_horizons(given_market[1])}
    for row in measured.to_dict("records"):
        moment = table.iloc[chosen[row["moment"]]]
        session = SESSIONS.on(moment["session"])
        expected = slow_outcome(table, moment["symbol"], int(moment["end"]), session, horizons[row["horizon"]])
        assert row["missing"] == expected["missing"]
        for name in VALUES:
            assert row[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-12, nan_ok=True), (name, row, expected)


@settings(max_examples=15)
@given(MARKETS)
def test_nothing_from_behind_the_horizon_or_before_the_entry_counts(given_market):
    """Prices outside [entry, horizon] and volumes behind the horizon may be anything."""
    bars = make_bars(*given_market)
    if bars.empty:
        return
    table = located(bars)
    market = lay_out(bars)
    at = int(np.random.default_rng(given_market[0]).integers(len(table)))
    code = np.array([[symbol for symbol, _ in market.keys].index(table["symbol"].iloc[at])], dtype=np.int64)
    known = table["end"].to_numpy()[[at]]
    before = measure_moments(market, code, known)
    for number, row in enumerate(before.to_dict("records")):
        changed = table.copy()
        own = changed["symbol"] == table["symbol"].iloc[at]
        # A horizon may end before the moment: the session's close, for one behind it.
        behind = changed["end"] > max(row["until_ms"], known[0])
        changed.loc[behind | (own & (changed["end"] < known[0])), "close"] *= 7
        changed.loc[behind, "volume"] *= 3
        after = measure_moments(lay_out(changed), code, known).iloc[number]
        for name in VALUES:
            assert after[name] == pytest.approx(row[name], rel=1e-9, abs=1e-12, nan_ok=True), name


def test_what_the_data_do_not_reach_is_null_and_counted():
    bars = make_bars(1, "minute", ["AA", "BB"])
    bars = bars[bars["ts_ms"] < SESSIONS.on("2018-12-28").open_ms + 5 * MINUTE_MS]
    market = lay_out(bars)
    last = np.array([np.flatnonzero(market.code == 0)[-1]])
    measured = measure_moments(market, market.code[last], market.ends[last])
    assert measured["missing"].tolist() == ["beyond the data"] * 4
    assert measured[["exit", "log_return", "benchmark", "abnormal", "volume"]].isna().all(axis=None)


def test_a_split_is_no_return_and_no_volume():
    bars = pd.DataFrame({"symbol": "AA", "timespan": "day", "ts_ms": [new_york_midnight(date) for date in DATES]})
    bars = bars.assign(close=100.0, volume=1_000.0)
    after = bars["ts_ms"] >= new_york_midnight("2018-12-27")
    bars.loc[after, "close"], bars.loc[after, "volume"] = 25.0, 4_000.0
    market = lay_out(bars, Split(symbol="AA", execution_date="2018-12-27", split_from=1, split_to=4))
    measured = measure_moments(market, market.code[5:6], market.ends[5:6])
    assert measured["log_return"].iloc[0] == pytest.approx(0, abs=1e-12)
    assert measured["volume"].iloc[0] == pytest.approx(1)


def test_the_benchmark_is_spy_or_the_others():
    days = make_bars(1, "day", ["AA", "BB", "CC", "SPY"])
    assert name_benchmark(lay_out(days), "day") == "SPY"
    assert name_benchmark(lay_out(days[days["symbol"] != "SPY"]), "day") == (
        "the median of the 2 other symbols in the files"
    )
    assert name_benchmark(lay_out(days[days["symbol"] == "AA"]), "day") == ""


@settings(max_examples=15)
@given(MARKETS, st.integers(0, 4), st.integers(1, 6))
def test_matched_bars_are_of_the_same_time_in_calm_sessions(given_market, count, matches):
    bars = make_bars(*given_market)
    if bars.empty:
        return
    market, table = lay_out(bars), located(bars)
    timespan, symbols = given_market[1], [symbol for symbol, _ in market.keys]
    alerts = table.sample(min(count, len(table)), random_state=given_market[0] % 1000)
    code = np.array([symbols.index(it) for it in alerts["symbol"]], dtype=np.int64)
    known, ids = alerts["end"].to_numpy(np.int64), [f"alert {it}" for it in range(len(alerts))]
    drawn = draw_matched(market, ids, code, known, matches=matches, seed=7)
    every = {date: number for number, date in enumerate(sorted(it.date for it in SESSIONS.between("2018", "2020")))}
    numbers = table["session"].map(every)
    part = [
        0 if end <= SESSIONS.on(date).open_ms else 1 if end <= SESSIONS.on(date).close_ms else 2
        for end, date in zip(table["end"], table["session"], strict=True)
    ]
    table = table.assign(number=numbers, part=part)
    table["offset"] = table["end"] - table["session"].map(lambda date: SESSIONS.on(date).open_ms)
    for at, alert in enumerate(table.loc[alerts.index].to_dict("records")):
        own = table["symbol"] == alert["symbol"]
        alerted = table.loc[alerts.index][lambda it: it["symbol"] == alert["symbol"]]["number"]  # noqa: B023
        calm = [all(abs(number - one) > 1 for one in alerted) for number in table["number"]]
        near = (table["offset"] - alert["offset"]).abs() <= (DAY_MS if timespan == "day" else 15 * MINUTE_MS)
        candidates = table[own & np.array(calm) & near & (table["part"] == alert["part"])]
        ends = market.ends[drawn.bar[drawn.alert == at]].tolist()
        assert len(ends) == len({*ends}) == min(matches, len(candidates))
        assert {*ends} <= {*candidates["end"]}
        assert {*market.code[drawn.bar[drawn.alert == at]].tolist()} <= {symbols.index(alert["symbol"])}
    turned = draw_matched(market, ids[::-1], code[::-1], known[::-1], matches=matches, seed=7)
    for at in range(len(ids)):
        mirrored = turned.bar[turned.alert == len(ids) - 1 - at]
        assert mirrored.tolist() == drawn.bar[drawn.alert == at].tolist()
