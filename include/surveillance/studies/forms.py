"""Forms: which form of each rule judged which bars, what it raised, and why the robust one was not in force."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.episodes import OPENS
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.bar_rule import FORMS, RuleForm
from include.surveillance.detection.rules.registry import BAR_RULES, KINDS
from include.surveillance.timespans import write_new_york

NAMED = 5


class Judged(NamedTuple):
    """What one form of a rule did with new bars.

    Attributes:
        bars: that it judged.
        not_applicable: bars that were its to judge, and it had too little to go on: its warm-up, or no bar of its kind.
        symbol_days: distinct pairs of symbol and session of all these bars.
        firings: bars at which it fired.
        alerts: episodes that it opened.
    """

    rule: str
    form: RuleForm
    bars: int
    not_applicable: int
    symbol_days: int
    firings: int
    alerts: int


def judging_forms(engine: Engine, evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Return per rule the index into ``FORMS`` of the form that judges each bar of the scan, int8."""
    forms = {}
    for rule in BAR_RULES["literal"]:
        forms[rule] = np.zeros(len(evaluation.scan), dtype=np.int8)
        if engine.book.base.alerting_form == "robust" and engine.profiles:
            forms[rule][engine.rules["robust"][rule].applies(evaluation.scan)] = FORMS.index("robust")
    return forms


def count_forms(engine: Engine, evaluation: Evaluation) -> list[Judged]:
    """Count what each form of each rule judged and raised of the new bars; a form that judged none is left out."""
    fresh, firings = evaluation.fresh, evaluation.fresh_firings
    days = _symbol_days(evaluation)
    counted = []
    for rule, judging in judging_forms(engine, evaluation).items():
        kinds = [kind for kind, (name, _) in enumerate(KINDS) if name == rule]
        of_rule = np.isin(firings.kind, kinds)
        for number, form in enumerate(FORMS):
            own = judging[fresh] == number
            if not own.any():
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                absent = np.isnan(engine.rules[form][rule].statistic(evaluation)[own])
            fired = of_rule & (firings.form == number)
            counts = int(fired.sum()), int((fired & (firings.effect == OPENS)).sum())
            judged = len(absent) - int(absent.sum()), int(absent.sum())
            counted.append(Judged(rule, form, *judged, len(np.unique(days[own])), *counts))
    return counted


def explain_fallback(engine: Engine, evaluation: Evaluation) -> list[str]:
    """Say in a sentence each why the robust form did not judge bars that it was to judge; empty: it judged all."""
    if engine.book.base.alerting_form != "robust":
        return []
    scan = evaluation.scan
    without = (scan.profile < 0) & evaluation.fresh
    first_ms: dict[tuple[str, str], int] = {}
    for code, effective_ms in zip(engine.profiles.code.tolist(), engine.profiles.effective_ms.tolist(), strict=True):
        key = engine.profiles.keys[code]
        first_ms[key] = min(effective_ms, first_ms.get(key, effective_ms))
    known = np.array([key in first_ms for key in scan.bars.keys], dtype=bool)[scan.bars.code]
    total, lines = int(evaluation.fresh.sum()), []
    if early := int((without & known).sum()):
        lines.append(
            f"{early:,} of {total:,} bars are judged by the literal form: they come before the first profile of their "
            f"symbol, and the earliest holds from {write_new_york(min(first_ms.values()))} New York on."
        )
    if never := int((without & ~known).sum()):
        series = [scan.bars.keys[code] for code in np.unique(scan.bars.code[without & ~known]).tolist()]
        names = ", ".join(f"{symbol} ({timespan})" for symbol, timespan in series[:NAMED])
        more = f" and {len(series) - NAMED:,} more" if len(series) > NAMED else ""
        lines.append(
            f"{never:,} of {total:,} bars are judged by the literal form: {names}{more} have no profile, which takes "
            "three full sessions before."
        )
    for rule, judging in judging_forms(engine, evaluation).items():
        if other := int(((judging == 0) & (scan.profile >= 0) & evaluation.fresh).sum()):
            lines.append(
                f"{other:,} of {total:,} bars are judged by the literal form of {rule}: its robust form does not apply "
                "to bars of their timespan or phase."
            )
    return lines


def _symbol_days(evaluation: Evaluation) -> np.ndarray:
    """Return one number per new bar, equal for bars of one symbol and session; int64."""
    scan = evaluation.scan
    order = {symbol: number for number, (symbol, _) in enumerate(scan.bars.keys)}
    numbers = np.array([order[symbol] for symbol, _ in scan.bars.keys], dtype=np.int64)
    days = numbers[scan.bars.code] << 32 | scan.positions.session.astype(np.int64)
    return days[evaluation.fresh]
