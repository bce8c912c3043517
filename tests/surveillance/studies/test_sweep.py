"""Thresholds that the engine itself was asked for, over recorded bars, against an independent count of episodes."""

from __future__ import annotations

from collections import Counter
from functools import partial
from math import inf, isnan

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.overrides import parse
from include.surveillance.detection.parameters.values import NO_BUDGET
from include.surveillance.detection.rules.bar_rule import FORMS
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.records import Bar
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.studies.calibration import write_proposal
from include.surveillance.studies.recorded import RecordedFiles, read_recording
from include.surveillance.studies.sweep import count_alerts, list_subjects, override_entry, replace_entries
from include.surveillance.studies.thresholds import calibrate
from include.surveillance.timespans import MINUTE_MS
from tests.benchmarks.episode_counts import Episodes, Statistic, literal_volume, robust_volume
from tests.paths import SHARED_DATA

FILES = ("minute_2019feb", "minute_2023jan", "minute15_2019")
BUDGET = 0.5
OPEN = 1_550_154_600_000


def columns(minutes: list[tuple[str, int]]) -> BarColumns:
    return BarColumns.from_records(
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
    statistic = Statistic(value, side)
    assert Episodes(columns([bar[:2] for bar in bars]), statistic, cooldown).count(threshold) == expected


@pytest.fixture(scope="module", params=[(file, form) for file in FILES for form in ("robust", "literal")], ids=str)
def calibrated(request, tmp_path_factory):
    """(form, bars and what is known of them, choices, the book as proposed) of recorded bars."""
    file, form = request.param
    path = SHARED_DATA / f"{file}.parquet"
    if not path.exists():
        pytest.skip(f"no {path}; set SHARED_DATA to the folder of sample bars")
    recording = read_recording(RecordedFiles(path), Sessions(), with_profiles=form == "robust")
    book = ParameterBook.default().replaced(alerting_form=form, budget=NO_BUDGET)
    evaluation = recording.evaluate(book)
    entries = yaml.safe_load(Settings.parameters_file.read_text())["overrides"]
    count = partial(count_alerts, recording, book, entries, "2019-01-01")
    subjects = list(list_subjects(evaluation, book, budget=BUDGET, date="2024-01-01"))
    # Nothing else tried is the engine as it is.
    now = {(it.rule, it.bucket): it.current_alerts for it in subjects}
    assert {cell: count for cell, count in count({}).items() if cell in now} == now
    choices = calibrate(subjects, count, budget=BUDGET)
    out = tmp_path_factory.mktemp("proposal") / "parameters.yaml"
    write_proposal(out, Settings.parameters_file, choices, form=form, effective="2019-01-01", rationale="A test.")
    return form, recording, choices, ParameterBook.load(out).replaced(alerting_form=form)


def test_the_engine_keeps_within_the_budget_with_the_proposal(calibrated):
    form, recording, choices, book = calibrated
    evaluation = recording.evaluate(book)
    firings, profile = evaluation.fresh_firings, evaluation.scan.profile
    counts: Counter[tuple[str, str]] = Counter()
    # An alert is a series, a kind and a start; it belongs to the bar at which it started.
    series, start = evaluation.scan.bars.code[firings.index], evaluation.scan.bars.ts[firings.index] == firings.start
    firsts = zip(series[start], firings.kind[start], firings.start[start], strict=True)
    for key, index, number in zip(firsts, firings.index[start], firings.form[start], strict=True):
        if FORMS[number] == form:
            bucket = "all" if form == "literal" else evaluation.profiles[profile[index]].liquidity
            counts[KINDS[key[1]][0], bucket] += 1
    proposed = [choice for choice in choices if not isnan(choice.chosen)]
    assert len(proposed) >= 3
    for choice in proposed:
        cell = (choice.subject.rule, choice.subject.bucket)
        assert counts[cell] <= BUDGET * choice.subject.symbol_days, cell
        assert counts[cell] / choice.subject.symbol_days == pytest.approx(choice.chosen_alerts), cell


def test_little_is_raised_only_where_the_next_smaller_threshold_raises_too_much(calibrated):
    _, _, choices, _ = calibrated
    for choice in choices:
        smaller = choice.curve[choice.curve["threshold"] < choice.chosen]
        if not isnan(choice.chosen) and choice.chosen_alerts < BUDGET / 2 and len(smaller):
            assert smaller["alerts"].iloc[-1] > BUDGET, (choice.subject.rule, choice.subject.bucket)


def test_curves_of_a_rule_that_remembers_nothing_are_what_exceeds_each_threshold(calibrated):
    form, recording, choices, book = calibrated
    evaluation = recording.evaluate(book)
    statistic = literal_volume(evaluation) if form == "literal" else robust_volume(evaluation, book.base)
    for choice in choices:
        if choice.subject.rule != "abnormal_volume":
            continue
        here = np.ones(len(evaluation.bars), dtype=bool)
        if form == "robust":
            here = np.array([*(it.liquidity == choice.subject.bucket for it in evaluation.profiles), False])[
                evaluation.scan.profile
            ]
        held = Statistic(np.where(here, statistic.value, -inf), statistic.side)
        episodes = Episodes(evaluation.bars, held, book.base.cooldown_bars)
        # Symbols that change their bucket between sessions are far enough apart in time.
        for row in choice.curve.itertuples():
            assert row.alerts * choice.subject.symbol_days == pytest.approx(episodes.count(row.threshold)), row


DATES = [f"2024-01-0{day}" for day in range(1, 8)]
SCOPES = ({"scope": "global"}, {}, {"scope": "liquidity", "of": "thin"}, {"scope": "liquidity", "of": "mid"})
ENTRIES = st.lists(
    st.builds(
        lambda scope, effective, z, rvol: {
            **scope,
            "rule": "abnormal_volume",
            "form": "robust",
            "effective": effective,
            "rationale": "A test.",
            "set": {name: value for name, value in (("z", z), ("rvol", rvol)) if value},
        },
        st.sampled_from(SCOPES),
        st.sampled_from(DATES),
        st.none() | st.floats(1.0, 9.0),
        st.floats(1.0, 9.0),
    ),
    unique_by=lambda entry: (entry.get("of"), entry["effective"]),
    max_size=8,
)


@given(ENTRIES, st.sampled_from(["thin", "mid"]), st.sampled_from(DATES))
def test_a_proposal_holds_from_its_day_on_for_its_bucket_and_changes_nothing_else(entries, bucket, effective):
    proposal = override_entry(("abnormal_volume", bucket), "robust", effective, 77.0, "A test.")

    def resolve(given, date, liquidity):
        book = ParameterBook(overrides=[parse(entry, "a test") for entry in given])
        return book.resolve_for(date, "", "", liquidity).robust.abnormal_volume

    after = replace_entries(entries, [proposal])
    for date in DATES:
        for liquidity in ("liquid", "mid", "thin"):
            was, now = resolve(entries, date, liquidity), resolve(after, date, liquidity)
            assert now.rvol == was.rvol
            assert now.z == (77.0 if liquidity == bucket and date >= effective else was.z)
