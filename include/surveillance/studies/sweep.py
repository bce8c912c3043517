"""The sweep: alerts that the engine raises over the same bars with other thresholds, counted by rule and bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from include.surveillance.detection.episodes import OPENS
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.overrides import parse
from include.surveillance.detection.profile_columns import LIQUIDITY
from include.surveillance.detection.rules.bar_rule import FORMS, RuleForm
from include.surveillance.detection.rules.registry import BAR_RULES, KINDS
from include.surveillance.errors import ConfigurationError
from include.surveillance.studies.forms import select_rules
from include.surveillance.studies.recorded import Recording
from include.surveillance.studies.thresholds import Cell, Subject, list_thresholds

BUCKETS: dict[RuleForm, tuple[str, ...]] = {"literal": ("all",), "robust": LIQUIDITY}
Entry = dict[str, Any]
"""One override as it is written in a parameters file."""


def count_alerts(
    recording: Recording,
    book: ParameterBook,
    entries: Sequence[Entry],
    effective: str,
    thresholds: Mapping[Cell, float],
) -> dict[Cell, int]:
    """Run the engine over the same bars and count the alerts of each rule and bucket.

    Args:
        book: the parameters in force; its alerting form is swept.
        entries: the overrides of ``book`` as they are written.
        effective: YYYY-MM-DD, New York, not later than any of the bars.
        thresholds: to try; a cell that is not named keeps its threshold.
    """
    form = book.base.default_form
    trial = [override_entry(cell, form, effective, threshold, "A trial.") for cell, threshold in thresholds.items()]
    overrides = [parse(entry, "a trial") for entry in replace_entries(entries, trial)]
    # A value exceeds a threshold of 0 infinitely; here only the count matters.
    with np.errstate(divide="ignore"):
        return count_openings(recording.evaluate(ParameterBook(book.base, overrides)), form)


def list_subjects(evaluation: Evaluation, book: ParameterBook, *, budget: float, date: str) -> Iterator[Subject]:
    """Yield every rule that can fire in every bucket that has bars.

    Args:
        evaluation: of all bars with ``book``, whose alerting form is swept.
        budget: alerts of one rule per symbol and day.
        date: YYYY-MM-DD, New York; the threshold in force then is the current one.

    Raises:
        ConfigurationError: no bar can be counted.
    """
    form = book.base.default_form
    bucket, counts = bucket_numbers(evaluation, form)[evaluation.fresh], count_openings(evaluation, form)
    if not (bucket >= 0).any():
        raise ConfigurationError(
            "no bar can be calibrated: in robust form a symbol needs a profile, which takes sessions before it; give "
            "more bars or use --rules literal"
            if form == "robust"
            else "there are no usable bars to calibrate on"
        )
    session = evaluation.scan.positions.session[evaluation.fresh]
    symbol_day = evaluation.bars.code.astype(np.int64) << 32 | session.astype(np.int64)
    for number, name in enumerate(BUCKETS[form]):
        inside = bucket == number
        if not inside.any():
            continue
        days = len(np.unique(symbol_day[inside]))
        current = book.resolve_for(date, "", "", "" if name == "all" else name)
        for rule in select_rules(BAR_RULES[form], evaluation).values():
            # A statistic that divides by zero is not applicable, or infinitely far beyond its threshold.
            with np.errstate(divide="ignore", invalid="ignore"):
                thresholds = list_thresholds(rule.statistic(evaluation)[inside], budget * days)
            threshold = getattr(getattr(current.in_form(form), rule.name), rule.threshold)
            yield Subject(rule.name, name, rule.threshold, thresholds, days, float(threshold), counts[rule.name, name])


def count_judged_days(evaluation: Evaluation, form: RuleForm) -> tuple[int, int]:
    """Count the symbol-days and the sessions of new bars that the form judges; at least one each."""
    judged = (bucket_numbers(evaluation, form) >= 0) & evaluation.fresh
    session = evaluation.scan.positions.session[judged]
    symbol_days = np.unique(evaluation.scan.bars.code[judged].astype(np.int64) << 32 | session.astype(np.int64))
    return max(1, len(symbol_days)), max(1, len(np.unique(session)))


def count_openings(evaluation: Evaluation, form: RuleForm) -> dict[Cell, int]:
    """Count the episodes that the engine opened, of every rule in every bucket; the other form's do not count."""
    firings = evaluation.fresh_firings
    opened = (firings.effect == OPENS) & (firings.form == FORMS.index(form))
    # -1, no bucket, is the last one here.
    names = np.array([*BUCKETS[form], ""], dtype=object)[bucket_numbers(evaluation, form)[firings.index[opened]]]
    rules = [KINDS[kind][0] for kind in firings.kind[opened].tolist()]
    counts = Counter(zip(rules, names, strict=True))
    return {cell: counts[cell] for cell in product(BAR_RULES[form], BUCKETS[form])}


def bucket_numbers(evaluation: Evaluation, form: RuleForm) -> np.ndarray:
    """Return per bar of the scan the index of its bucket in ``BUCKETS``, int8; -1 for none."""
    if form == "literal":
        return np.zeros(len(evaluation.scan), dtype=np.int8)
    return np.append(evaluation.profiles.liquidity, np.int8(-1))[evaluation.scan.profile]


def override_entry(cell: Cell, form: RuleForm, effective: str, threshold: float, rationale: str) -> Entry:
    """Return the override that puts a threshold in force for one rule and bucket."""
    rule, bucket = cell
    scope = {"scope": "global"} if bucket == "all" else {"scope": "liquidity", "of": bucket}
    given = {"effective": effective, "set": {BAR_RULES[form][rule].threshold: threshold}, "rationale": rationale}
    return {"rule": rule, "form": form} | scope | given


def replace_entries(entries: Sequence[Entry], proposed: Sequence[Entry]) -> list[Entry]:
    """Return the proposed entries behind those of ``entries`` that do not hold over them."""
    kept = list(entries)
    for entry in proposed:
        kept = [left for other in kept if (left := _without(other, entry))]
    return [*kept, *proposed]


def _without(entry: Entry, proposed: Entry) -> Entry | None:
    """Return an entry without the values that would hold over a proposed one; None when no value is left."""
    target = {"scope": "global"} | entry
    same = all(target.get(name) == proposed.get(name) for name in ("rule", "form", "scope", "of"))
    if not same or str(entry["effective"]) < proposed["effective"]:
        return entry
    left = {name: value for name, value in entry["set"].items() if name not in proposed["set"]}
    return entry | {"set": left} if left else None
