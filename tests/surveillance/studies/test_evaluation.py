"""Alerts against labels: recall, precision, delay, and what they are divided by."""

from __future__ import annotations

from math import isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar
from include.surveillance.sessions import Sessions
from include.surveillance.studies.evaluation import (
    SymbolDays,
    count_symbol_days,
    estimate_symbol_days,
    evaluate,
    wilson,
)
from include.surveillance.timespans import MINUTE_MS

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, a Thursday
DAYS = SymbolDays(10, "a test")


def alerts(*rows: tuple) -> pd.DataFrame:
    columns = ["symbol", "rule", "direction", "minute", "episode"]
    frame = pd.DataFrame(rows, columns=columns).astype({"minute": "int64", "episode": "int64"})
    frame["ts_ms"], frame["episode_start_ms"] = OPEN + frame["minute"] * MINUTE_MS, OPEN + frame["episode"] * MINUTE_MS
    return frame.assign(timespan="minute")


def labels(*rows: tuple) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["symbol", "start", "end", "kind"]).astype({"start": "int64", "end": "int64"})
    frame["start_ms"], frame["end_ms"] = OPEN + frame["start"] * MINUTE_MS, OPEN + frame["end"] * MINUTE_MS
    return frame


def result(raised: pd.DataFrame, labelled: pd.DataFrame, rule: str = "gap") -> pd.Series:
    table = evaluate(raised, labelled, DAYS)
    return table.set_index("rule").loc[rule]


def test_firings_of_one_episode_count_once():
    raised = alerts(
        ("A", "gap", "up", 3, 3), ("A", "gap", "up", 4, 3), ("A", "gap", "up", 90, 90), ("B", "gap", "", 3, 3)
    )
    row = result(raised, labels(("A", 4, 10, "gap"), ("A", 50, 60, "gap")))
    assert (row["labels"], row["detected"], row["recall"]) == (2, 1, 0.5)
    # The episode that began before the label fires in it; the other two do not.
    assert (row["alerts"], row["precision"]) == (3, pytest.approx(1 / 3))
    assert row["alerts_per_symbol_day"] == 0.3
    assert row["delay_median"] == 0.0


def test_both_ends_of_a_label_belong_to_it():
    raised = alerts(
        ("A", "gap", "up", 4, 4), ("B", "gap", "up", 10, 10), ("C", "gap", "up", 3, 3), ("D", "gap", "up", 11, 11)
    )
    row = result(raised, labels(*((symbol, 4, 10, "gap") for symbol in "ABCD")))
    assert (row["detected"], row["precision"]) == (2, 0.5)
    assert (row["delay_median"], row["delay_p95"]) == (3.0, pytest.approx(5.7))


def test_directions_are_episodes_of_their_own():
    raised = alerts(("A", "gap", "up", 3, 3), ("A", "gap", "down", 3, 3))
    assert result(raised, labels())["alerts"] == 2


def test_a_label_of_another_kind_or_symbol_is_not_met():
    raised = alerts(("A", "gap", "", 5, 5))
    table = evaluate(raised, labels(("A", 0, 9, "volume"), ("B", 0, 9, "gap")), DAYS).set_index("rule")
    assert table["detected"].tolist() == [0, 0]
    assert (table.loc["gap", "precision"], isnan(table.loc["volume", "precision"])) == (0.0, True)
    assert isnan(table.loc["gap", "delay_median"])


def test_nothing_at_all_is_refused():
    with pytest.raises(ConfigurationError, match="neither an alert nor a label"):
        evaluate(alerts(), labels(), DAYS)


MOMENTS = st.integers(0, 30)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor
@given(
    st.lists(st.tuples(st.sampled_from("AB"), MOMENTS), max_size=12),
    st.lists(st.tuples(st.sampled_from("AB"), MOMENTS, MOMENTS), max_size=8),
)
def test_agrees_with_looking_at_every_pair(fired, stretches):
    raised = alerts(*((symbol, "gap", "", minute, minute) for symbol, minute in fired))
    labelled = labels(*((symbol, min(pair), max(pair), "gap") for symbol, *pair in stretches))
    if not fired and not stretches:
        return
    row = result(raised, labelled)
    spans = [(symbol, min(pair), max(pair)) for symbol, *pair in stretches]
    inside = {(s, m) for s, m in fired if any(s == of and low <= m <= high for of, low, high in spans)}
    delays = [
        min(within) - low
        for of, low, high in spans
        if (within := [minute for symbol, minute in fired if symbol == of and low <= minute <= high])
    ]
    assert row["detected"] == len(delays)
    assert row["alerts"] == len(set(fired))
    assert isnan(row["precision"]) if not fired else row["precision"] == len(inside) / len(set(fired))
    assert isnan(row["delay_median"]) if not delays else row["delay_median"] == np.median(delays)


def test_wilson():
    # From the formula by hand: 5 of 10 and 0 of 10.
    assert wilson(5, 10) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert all(map(isnan, wilson(0, 0)))


def test_symbol_days_of_bars_are_sessions_of_symbols():
    def bar(symbol: str, timespan: str, ts_ms: int) -> Bar:
        return Bar(symbol=symbol, timespan=timespan, ts_ms=ts_ms, open=1, high=1, low=1, close=1, volume=1)

    day = 24 * 60 * MINUTE_MS
    bars = [bar("A", "day", OPEN), bar("A", "minute", OPEN), bar("A", "minute", OPEN + MINUTE_MS)]
    columns = BarColumns.from_records([*bars, bar("A", "minute", OPEN + day), bar("B", "minute", OPEN)])
    assert count_symbol_days(columns, Sessions()).days == 3


def test_symbol_days_without_bars_are_weekdays_of_the_span():
    spanned = estimate_symbol_days(alerts(("A", "gap", "", 0, 0)), labels(("B", 0, 5 * 24 * 60, "gap")))
    assert spanned.days == 2 * 4  # Thursday to Tuesday
    assert "2 symbols on 4 weekdays" in spanned.source
    assert estimate_symbol_days(alerts(), labels()).days == 0
