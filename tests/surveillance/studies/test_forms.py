"""Which form judged which bars, and why the robust one was not in force."""

from __future__ import annotations

import numpy as np
import pytest

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.sessions import Sessions
from include.surveillance.studies.forms import count_forms, explain_fallback
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
    return evaluation, count_forms(engine, evaluation), explain_fallback(engine, evaluation)


def test_every_bar_is_judged_by_one_form_of_each_rule(recorded):
    evaluation, judged, said = judge(recorded, "robust")
    for rule in {it.rule for it in judged}:
        of_rule = [it for it in judged if it.rule == rule]
        assert sum(it.bars + it.not_applicable for it in of_rule) == len(recorded.bars)
    assert sum(it.firings for it in judged) == len(evaluation.fresh_firings)
    without = int(np.count_nonzero(evaluation.scan.profile < 0))
    assert said[0].startswith(
        f"{without:,} of {len(recorded.bars):,} bars are judged by the literal form: they come before"
    )


def test_the_literal_forms_warm_up_is_not_applicable(recorded):
    _, judged, said = judge(recorded, "literal")
    assert {it.form for it in judged} == {"literal"}
    assert said == []
    (volume,) = (it for it in judged if it.rule == "abnormal_volume")
    assert (volume.not_applicable, volume.symbol_days) == (2 * 20, 2 * 5)
    assert volume.alerts <= volume.firings
