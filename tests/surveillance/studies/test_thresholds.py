"""Thresholds from a budget, and two sets of parameters over the same bars."""

from __future__ import annotations

from collections import Counter
from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.alert_records import FORMS
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.parameters.book import DEFAULT, ParameterBook
from include.surveillance.detection.rules.bar_rule import KINDS
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar
from include.surveillance.sessions import MINUTE_MS
from include.surveillance.studies.calibration import write_proposal
from include.surveillance.studies.comparison import compare, episodes
from include.surveillance.studies.recorded import load
from include.surveillance.studies.sweep import Sweep, subjects
from include.surveillance.studies.thresholds import Subject, calibrate, checked, falling
from tests.benchmarks.episode_counts import Episodes, Statistic, literal_volume, robust_volume
from tests.paths import SHARED_DATA

FILES = ("minute_2019feb", "minute_2023jan", "minute15_2019")
BUDGET = 0.5
OPEN = 1_550_154_600_000


def columns(minutes: list[tuple[str, int]]) -> BarColumns:
    return BarColumns.of(
        [
            Bar(
                symbol=symbol,
                timespan="minute",
                ts_ms=OPEN + at * MINUTE_MS,
                open=1,
                high=1,
                low=1,
                close=1,
                volume=1,
            )
            for symbol, at in minutes
        ]
    )


BARS = st.lists(
    st.tuples(
        st.sampled_from("AB"), st.integers(0, 60), st.booleans(), st.sampled_from([-inf, 0.0, 1.0, 2.0, 3.0, inf])
    ),
    unique_by=lambda bar: bar[:2],
    max_size=40,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor
@given(BARS, st.sampled_from([0.0, 0.5, 1.0, 2.5]), st.integers(1, 20))
def test_episodes_are_counted_as_one_by_one(bars, threshold, cooldown):
    bars.sort()
    value, side = np.array([bar[3] for bar in bars]), np.array([bar[2] for bar in bars], dtype=bool)
    latest, expected = {}, 0
    for symbol, minute, up, number in bars:
        if number > threshold:
            expected += minute - latest.get((symbol, up), -1000) > cooldown
            latest[symbol, up] = minute
    found = Statistic(value, side)
    assert Episodes(columns([bar[:2] for bar in bars]), found, cooldown).count(threshold) == expected


def search(count, values: dict[str, list[float]], budget: float, field: str = "multiple"):
    """Calibrate subjects of one symbol-day; ``count`` is what the engine would say."""
    given = [
        Subject(name, "all", field, falling(np.array(of), budget), symbol_days=1, current=3.0, current_alerts=7)
        for name, of in values.items()
    ]
    trials = []

    def raised(thresholds):
        trials.append(dict(thresholds))
        return {(name, "all"): count(name, thresholds.get((name, "all"), nan), thresholds) for name in values}

    return {choice.rule: choice for choice in calibrate(given, raised, budget=budget)}, trials


def above(values):
    return lambda name, threshold, _: sum(value > threshold for value in values)


def test_the_smallest_threshold_that_the_budget_affords():
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    found, trials = search(above(values), {"volume": values}, budget=2)
    choice = found["volume"]
    assert (choice.chosen, choice.chosen_alerts) == (4.0, 2)
    assert (choice.field, choice.current, choice.current_alerts, choice.symbol_days) == ("multiple", 3.0, 7, 1)
    assert choice.curve["threshold"].is_monotonic_increasing
    counts = dict(zip(choice.curve["threshold"], choice.curve["alerts"], strict=True))
    assert (counts[2.0], counts[4.0]) == (3, 2)
    assert trials[-1] == {("volume", "all"): 4.0}


def test_a_small_threshold_that_merges_everything_into_one_alert_is_not_chosen():
    choice = search(
        lambda name, threshold, _: 0 if threshold >= 2 else 2 if threshold >= 1.5 else 1,
        {"volume": [1.0, 1.2, 1.4, 1.6, 2.0, 2.0]},
        budget=1,
    )[0]["volume"]
    assert (choice.chosen, choice.chosen_alerts) == (2.0, 0)


def test_the_way_down_ends_soon_after_too_much_is_raised():
    values = np.geomspace(1, 1e100, 10_000)
    found, _ = search(above(values), {"volume": values}, budget=10)
    assert found["volume"].curve["alerts"].max() < 1000
    assert found["volume"].chosen_alerts == 10


def test_what_cannot_be_judged_or_always_fires_gets_no_proposal():
    found, trials = search(lambda *_: 5, {"gap": [nan, 0.0, inf], "volume": [1.0, 2.0, inf]}, budget=1)
    assert isnan(found["gap"].chosen)
    assert found["gap"].curve.empty
    assert isnan(found["volume"].chosen)
    assert trials[-1] == {}


@pytest.mark.parametrize(("field", "chosen"), [("multiple", nan), ("buffer", 0.0)])
def test_when_every_threshold_is_affordable_only_a_buffer_becomes_0(field, chosen):
    found, _ = search(lambda *_: 1, {"rule": [1.0, 2.0]}, budget=1, field=field)
    assert found["rule"].chosen == pytest.approx(chosen, nan_ok=True)


def test_what_exceeds_the_budget_only_with_all_proposals_at_once_is_raised():
    a, b = list(range(1, 11)), np.geomspace(1e-3, 1e3, 2000)

    def count(name, threshold, thresholds):
        # The first is settled long before the second comes down far enough to add to it.
        added = 2 * (thresholds[("b", "all")] < 1)
        return sum(value > threshold for value in a) + added if name == "a" else 10 * (threshold < 0.02)

    found, trials = search(count, {"a": a, "b": b}, budget=5)
    assert (found["a"].chosen, found["a"].chosen_alerts) == (7.0, 5)
    assert (found["b"].chosen, found["b"].chosen_alerts) == (0.02, 0)
    assert trials[-1] == {("a", "all"): 7.0, ("b", "all"): 0.02}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60),
    st.lists(st.integers(0, 9), min_size=7, max_size=7),
    st.floats(0.1, 8),
)
def test_whatever_the_engine_says_the_choice_keeps_within_the_budget(values, wobbles, budget):
    def count(name, threshold, _):
        return wobbles[hash(threshold) % 7]

    choice = search(count, {"rule": values}, budget)[0]["rule"]
    curve = choice.curve.set_index("threshold")["alerts"]
    if isnan(choice.chosen):
        assert curve.iloc[-1] > budget or (curve <= budget).all()
        return
    assert (curve[curve.index >= choice.chosen] <= budget).all()
    assert curve[curve.index < choice.chosen].iloc[-1] > budget
    assert choice.chosen_alerts == curve[choice.chosen]


@pytest.mark.parametrize("budget", [0, -1, nan, inf])
def test_a_budget_must_be_above_zero(budget):
    with pytest.raises(ConfigurationError, match="the budget is"):
        checked(budget)


@pytest.fixture(scope="module", params=[(file, form) for file in FILES for form in ("robust", "literal")], ids=str)
def calibrated(request, tmp_path_factory):
    """(form, bars and what is known of them, choices, the book as proposed) of recorded bars."""
    file, form = request.param
    path = SHARED_DATA / f"{file}.parquet"
    if not path.exists():
        pytest.skip(f"no {path}; set SHARED_DATA to the folder of sample bars")
    recorded, book = load(path, calendar="XNYS", robust=form == "robust"), ParameterBook.default().with_(rules=form)
    found = recorded.evaluate(book)
    entries = yaml.safe_load(DEFAULT.read_text())["overrides"]
    sweep = Sweep(recorded.evaluate, book, entries, effective="2019-01-01")
    sought = list(subjects(found, book, budget=BUDGET, date="2024-01-01"))
    # Nothing else tried is the engine as it is.
    now = {(it.rule, it.bucket): it.current_alerts for it in sought}
    assert {cell: count for cell, count in sweep.raised({}).items() if cell in now} == now
    choices = calibrate(sought, sweep.raised, budget=BUDGET)
    out = tmp_path_factory.mktemp("proposal") / "parameters.yaml"
    write_proposal(out, DEFAULT, choices, form=form, effective="2019-01-01", rationale="A test.")
    return form, recorded, choices, ParameterBook.load(out).with_(rules=form)


def test_the_engine_keeps_within_the_budget_with_the_proposal(calibrated):
    form, recorded, choices, book = calibrated
    found = recorded.evaluate(book)
    firings, profile = found.fresh_firings, found.scan.profile
    counts: Counter[tuple[str, str]] = Counter()
    # An alert is a series, a kind and a start; it belongs to the bar at which it started.
    series, start = found.scan.bars.code[firings.index], found.scan.bars.ts[firings.index] == firings.start
    firsts = zip(series[start], firings.kind[start], firings.start[start], strict=True)
    for key, index, of in zip(firsts, firings.index[start], firings.form[start], strict=True):
        if FORMS[of] == form:
            bucket = "all" if form == "literal" else found.profiles[profile[index]].liquidity
            counts[KINDS[key[1]][0], bucket] += 1
    proposed = [choice for choice in choices if not isnan(choice.chosen)]
    assert len(proposed) >= 3
    for choice in proposed:
        cell = (choice.rule, choice.bucket)
        assert counts[cell] <= BUDGET * choice.symbol_days, cell
        assert counts[cell] / choice.symbol_days == pytest.approx(choice.chosen_alerts), cell


def test_little_is_raised_only_where_the_next_smaller_threshold_raises_too_much(calibrated):
    _, _, choices, _ = calibrated
    for choice in choices:
        smaller = choice.curve[choice.curve["threshold"] < choice.chosen]
        if not isnan(choice.chosen) and choice.chosen_alerts < BUDGET / 2 and len(smaller):
            assert smaller["alerts"].iloc[-1] > BUDGET, (choice.rule, choice.bucket)


def test_curves_of_a_rule_that_remembers_nothing_are_what_exceeds_each_threshold(calibrated):
    form, recorded, choices, book = calibrated
    found = recorded.evaluate(book)
    statistic = literal_volume(found) if form == "literal" else robust_volume(found, book.base)
    for choice in choices:
        if choice.rule != "abnormal_volume":
            continue
        here = np.ones(len(found.bars), dtype=bool)
        if form == "robust":
            here = np.array([*(it.liquidity == choice.bucket for it in found.profiles), False])[found.scan.profile]
        held = Statistic(np.where(here, statistic.value, -inf), statistic.side)
        episodes = Episodes(found.bars, held, book.base.cooldown_bars)
        # Symbols that change their bucket between sessions are far enough apart in time.
        for row in choice.curve.itertuples():
            assert row.alerts * choice.symbol_days == pytest.approx(episodes.count(row.threshold)), row


def fired(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return episodes(
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
    found = compare(a, b, cooldown_bars=(15, 15), symbol_days=4)
    assert found.only_a[["symbol", "start_ms"]].values.tolist() == [["B", OPEN], ["A", OPEN + 100 * MINUTE_MS]]
    assert found.only_b["symbol"].tolist() == ["C", "A"]
    row = found.rules.iloc[0]
    assert (row["alerts_a"], row["alerts_b"], row["per_day_a"], row["only_a"], row["only_b"]) == (3, 3, 0.75, 2, 2)
    assert a.iloc[0][["firings", "value"]].tolist() == [2, 0.0]


def test_nothing_is_nothing():
    nothing = fired()
    found = compare(nothing, nothing, cooldown_bars=(15, 15), symbol_days=0)
    assert (len(found.rules), len(found.only_a)) == (0, 0)
