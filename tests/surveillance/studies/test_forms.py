"""Which form judged which bars, and why the robust one was not in force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.sessions import Sessions
from include.surveillance.studies.forms import count_forms, explain_unjudged
from include.surveillance.studies.recorded import RecordedFiles, read_recording
from tests.surveillance.cli.recordings import recording


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    recording(5).to_parquet(path)
    return read_recording(RecordedFiles(path), Sessions("XNYS"), with_profiles=True)


def judge(recorded, form):
    book = ParameterBook.default().replaced(alerting_form=form)
    engine, evaluation = recorded.engine(book), recorded.evaluate(book)
    return evaluation, count_forms(engine, evaluation), explain_unjudged(engine, evaluation)


def test_a_robust_rule_judges_what_it_has_a_profile_for(recorded):
    evaluation, judged, said = judge(recorded, "robust")
    assert {it.form for it in judged} == {"robust"}
    assert all(it.bars + it.not_applicable == len(recorded.bars) for it in judged)
    assert sum(it.firings for it in judged) == len(evaluation.fresh_firings)
    without = int(np.count_nonzero(evaluation.scan.profile < 0))
    assert without == 2 * 390, "the first session of both symbols"
    (volume,) = (it for it in judged if it.rule == "abnormal_volume")
    assert (volume.not_applicable, volume.symbol_days) == (without, 2 * 4)
    (line,) = said
    assert line.startswith(f"{without:,} of {len(recorded.bars):,} bars are not judged by robust rules: they come")
    assert line.endswith("of their symbol, and the earliest holds from 2019-02-11 00:00 New York on.")


def test_rules_in_different_forms_are_counted_in_theirs(recorded):
    _, judged, said = judge(recorded, {"price_breakout": "literal"})
    assert {it.rule: it.form for it in judged} == dict.fromkeys(BAR_RULES["robust"], "robust") | {
        "price_breakout": "literal"
    }
    (breakout,) = (it for it in judged if it.rule == "price_breakout")
    assert (breakout.not_applicable, breakout.symbol_days) == (2 * 20, 2 * 5)
    assert len(said) == 1


def test_of_rules_without_any_profile_nothing_is_judged(recorded):
    nobody = replace(recorded, profiles=recorded.profiles.take(np.empty(0, np.int64)))
    evaluation, judged, said = judge(nobody, "robust")
    assert [(it.bars, it.symbol_days, it.alerts) for it in judged] == [(0, 0, 0)] * len(judged)
    assert not len(evaluation.firings)
    (line,) = said
    assert line.startswith("3,900 of 3,900 bars are not judged by robust rules: KO (minute), NVDA (minute) have")
    assert line.endswith("which takes one full session before.")


def test_the_literal_forms_warm_up_is_not_applicable(recorded):
    _, judged, said = judge(recorded, "literal")
    assert {it.form for it in judged} == {"literal"}
    assert said == []
    (volume,) = (it for it in judged if it.rule == "abnormal_volume")
    assert (volume.not_applicable, volume.symbol_days) == (2 * 20, 2 * 5)
    assert volume.alerts <= volume.firings
