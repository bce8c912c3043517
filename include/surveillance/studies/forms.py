"""Forms: in which form each rule judged which bars, what it raised, and why robust ones did not judge the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.episodes import OPENS
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.bar_rule import BarRule, RuleForm
from include.surveillance.detection.rules.registry import KINDS, rules_at
from include.surveillance.timespans import write_new_york

NAMED = 5


class Judged(NamedTuple):
    """What a rule did with new bars, in the form in which it alerts.

    Attributes:
        bars: that it judged.
        not_applicable: the others: it had too little to go on, its warm-up or no profile, or they are not of its kind.
        symbol_days: distinct pairs of symbol and session of the bars that it may judge.
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


def judged_bars(engine: Engine, evaluation: Evaluation, rule: BarRule) -> np.ndarray:
    """Say per new bar whether a rule judged it, bool; the others are not applicable to it."""
    applies = _applies(engine, evaluation, rule)
    if not applies.any():
        return applies
    with np.errstate(divide="ignore", invalid="ignore"):
        return applies & ~np.isnan(rule.statistic(evaluation))


def select_rules(rules: Mapping[str, BarRule], evaluation: Evaluation) -> dict[str, BarRule]:
    """Return of rules by name those that can fire at bars of these timespans."""
    can_fire = rules_at(*(timespan for _, timespan in evaluation.scan.bars.keys))
    return {name: rule for name, rule in rules.items() if name in can_fire}


def count_forms(engine: Engine, evaluation: Evaluation) -> list[Judged]:
    """Count what each rule that can fire at bars of these timespans judged and raised of the new ones."""
    firings, days = evaluation.fresh_firings, _symbol_days(evaluation)
    counted = []
    for name, rule in select_rules(engine.alerting, evaluation).items():
        fired = np.isin(firings.kind, [kind for kind, (of, _) in enumerate(KINDS) if of == name])
        judged = int(judged_bars(engine, evaluation, rule).sum())
        symbol_days = len(np.unique(days[_applies(engine, evaluation, rule)]))
        alerts = int((fired & (firings.effect == OPENS)).sum())
        counted.append(Judged(name, rule.form, judged, len(days) - judged, symbol_days, int(fired.sum()), alerts))
    return counted


def explain_unjudged(engine: Engine, evaluation: Evaluation) -> list[str]:
    """Say in a sentence each why robust rules did not judge bars; empty: they judged all, or there are none."""
    robust = [rule for rule in engine.alerting.values() if rule.form == "robust"]
    if not robust:
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
            f"{early:,} of {total:,} bars are not judged by robust rules: they come before the first profile of their "
            f"symbol, and the earliest holds from {write_new_york(min(first_ms.values()))} New York on."
        )
    if never := int((without & ~known).sum()):
        series = [scan.bars.keys[code] for code in np.unique(scan.bars.code[without & ~known]).tolist()]
        names = ", ".join(f"{symbol} ({timespan})" for symbol, timespan in series[:NAMED])
        more = f" and {len(series) - NAMED:,} more" if len(series) > NAMED else ""
        lines.append(
            f"{never:,} of {total:,} bars are not judged by robust rules: {names}{more} have no profile, which takes "
            "one full session before."
        )
    for rule in robust:
        judgeable = _applies(engine, evaluation, rule) | without[evaluation.fresh]
        if not judgeable.all():
            lines.append(
                f"{total - int(judgeable.sum()):,} of {total:,} bars are not judged by {rule.name}: its robust form "
                "does not apply to bars of their timespan, or their symbol's profile knows nothing of it."
            )
    return lines


def _applies(engine: Engine, evaluation: Evaluation, rule: BarRule) -> np.ndarray:
    """Say per new bar whether a rule may judge it, bool."""
    if rule.form == "robust" and not engine.profiles:
        return np.zeros(int(evaluation.fresh.sum()), np.bool_)
    return rule.applies(evaluation.scan)[evaluation.fresh]


def _symbol_days(evaluation: Evaluation) -> np.ndarray:
    """Return one number per new bar, equal for bars of one symbol and session; int64."""
    scan = evaluation.scan
    order = {symbol: number for number, (symbol, _) in enumerate(scan.bars.keys)}
    numbers = np.array([order[symbol] for symbol, _ in scan.bars.keys], dtype=np.int64)
    days = numbers[scan.bars.code] << 32 | scan.positions.session.astype(np.int64)
    return days[evaluation.fresh]
