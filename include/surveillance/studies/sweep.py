"""What the engine raises over the same bars with other thresholds, counted by rule and bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from include.surveillance.detection.alert_records import FORMS
from include.surveillance.detection.episodes import OPENS
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook, RuleForm
from include.surveillance.detection.parameters.overrides import LIQUIDITY, parse
from include.surveillance.detection.rules.bar_rule import KINDS
from include.surveillance.errors import ConfigurationError
from include.surveillance.studies.thresholds import Cell, Subject, falling

FIELDS: dict[RuleForm, dict[str, str]] = {
    "literal": {
        "abnormal_volume": "multiple",
        "volatility_spike": "multiple",
        "price_breakout": "buffer",
        "price_gap": "limit",
    },
    "robust": {
        "abnormal_volume": "z",
        "volatility_spike": "multiple",
        "price_breakout": "buffer",
        "price_gap": "limit",
    },
}
"""The threshold of each rule: everything else about the rule stays as it is."""
BUCKETS: dict[RuleForm, tuple[str, ...]] = {"literal": ("all",), "robust": LIQUIDITY}
Entry = dict[str, Any]
"""One override as it is written in a parameters file."""


class Sweep:
    """The engine over the same bars, with the parameters in force but for some thresholds.

    Args:
        evaluate: all bars through the engine with a book.
        book: in force now; its ``rules`` is the form that is swept.
        entries: the overrides of ``book`` as they are written.
        effective: YYYY-MM-DD, New York, not later than any of the bars.
    """

    def __init__(
        self,
        evaluate: Callable[[ParameterBook], Evaluation],
        book: ParameterBook,
        entries: Sequence[Entry],
        effective: str,
    ):
        self.form, self._evaluate, self._book = book.base.rules, evaluate, book
        self._entries, self._effective = entries, effective

    def raised(self, thresholds: Mapping[Cell, float]) -> dict[Cell, int]:
        """Alerts of each rule and bucket in one run of the engine; a cell that is not named stays as it is."""
        trial = [entry(cell, self.form, self._effective, to, "A trial.") for cell, to in thresholds.items()]
        overrides = [parse(one, "a trial") for one in replaced(self._entries, trial)]
        # What is held against a threshold of 0 exceeds it infinitely; only the count is of interest here.
        with np.errstate(divide="ignore"):
            return alerts(self._evaluate(ParameterBook(self._book.base, overrides)), self.form)


def subjects(found: Evaluation, book: ParameterBook, *, budget: float, date: str) -> Iterator[Subject]:
    """Every rule in every bucket of which there are bars.

    Args:
        found: all bars with ``book``, whose ``rules`` is the form.
        date: YYYY-MM-DD, New York, at which a threshold counts as the current one.

    Raises:
        ConfigurationError: no bar can be counted.
    """
    form = book.base.rules
    bucket, count = bucket_of(found, form)[found.fresh], alerts(found, form)
    if not (bucket >= 0).any():
        raise ConfigurationError(
            "no bar can be calibrated: in robust form a symbol needs a profile, which takes sessions before it; give "
            "more bars or use --rules literal"
            if form == "robust"
            else "there are no usable bars to calibrate on"
        )
    symbol_day = found.bars.code.astype(np.int64) << 32 | found.scan.positions.session[found.fresh].astype(np.int64)
    for place, name in enumerate(BUCKETS[form]):
        here = bucket == place
        if not here.any():
            continue
        days = len(np.unique(symbol_day[here]))
        current = book.resolve_for(date, "", "", "" if name == "all" else name)
        for rule, field in FIELDS[form].items():
            thresholds = falling(_VALUES[form, rule](found)[here], budget * days)
            now = getattr(getattr(current.robust if form == "robust" else current, rule), field)
            yield Subject(rule, name, field, thresholds, days, float(now), count[rule, name])


def alerts(found: Evaluation, form: RuleForm) -> dict[Cell, int]:
    """Episodes that the engine opened, of every rule in every bucket; those of the other form are not counted."""
    firings = found.fresh_firings
    opened = (firings.does == OPENS) & (firings.form == FORMS.index(form))
    bucket, kind = bucket_of(found, form)[firings.index[opened]], firings.kind[opened]
    counts = dict.fromkeys(((rule, name) for rule in FIELDS[form] for name in BUCKETS[form]), 0)
    for number, (rule, _) in enumerate(KINDS):
        for place, name in enumerate(BUCKETS[form]):
            counts[rule, name] += int(np.count_nonzero((kind == number) & (bucket == place)))
    return counts


def bucket_of(found: Evaluation, form: RuleForm) -> np.ndarray:
    """Per bar of the scan the place of its bucket in ``BUCKETS``, int8; -1 for none."""
    if form == "literal":
        return np.zeros(len(found.scan), dtype=np.int8)
    places = [LIQUIDITY.index(profile.liquidity) for profile in found.profiles]
    return np.array([*places, -1], dtype=np.int8)[found.scan.profile]


def entry(cell: Cell, form: RuleForm, effective: str, threshold: float, rationale: str) -> Entry:
    """The override that puts a threshold in force for one rule and bucket."""
    rule, bucket = cell
    scope = {"scope": "global"} if bucket == "all" else {"scope": "liquidity", "of": bucket}
    given = {"effective": effective, "set": {FIELDS[form][rule]: threshold}, "rationale": rationale}
    return {"rule": rule, "form": form} | scope | given


def replaced(entries: Sequence[Entry], proposed: Sequence[Entry]) -> list[Entry]:
    """``entries`` without what would hold over the proposed ones, and those."""
    kept = list(entries)
    for one in proposed:
        kept = [left for other in kept if (left := _without(other, one))]
    return [*kept, *proposed]


def _without(one: Entry, proposed: Entry) -> Entry | None:
    """An override without the values that would hold over a proposed one; None when nothing is left of it."""
    whom = {"scope": "global"} | one
    same = all(whom.get(name) == proposed.get(name) for name in ("rule", "form", "scope", "of"))
    if not same or str(one["effective"]) < proposed["effective"]:
        return one
    left = {name: value for name, value in one["set"].items() if name not in proposed["set"]}
    return one | {"set": left} if left else None


def _quietly(statistic: Callable[[Evaluation], np.ndarray]) -> Callable[[Evaluation], np.ndarray]:
    """A statistic per fresh bar; NaN where there is none, and a division by zero is no matter."""

    def value(found: Evaluation) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return statistic(found)

    return value


def _beyond_range(found: Evaluation) -> np.ndarray:
    close, highest, lowest = found.bars.close, found.measures["highest_high"], found.measures["lowest_low"]
    return np.maximum(close - highest, lowest - close) / (highest - lowest)


_VALUES = {
    ("literal", "abnormal_volume"): _quietly(lambda found: found.bars.volume / found.measures["volume_mean"]),
    ("literal", "volatility_spike"): _quietly(
        lambda found: found.measures["return_std"] / found.measures["return_std_p95"]
    ),
    ("literal", "price_breakout"): _quietly(_beyond_range),
    ("literal", "price_gap"): lambda found: np.abs(found.measures["gap"]),
    ("robust", "abnormal_volume"): lambda found: found.measures["volume_z"],
    ("robust", "volatility_spike"): lambda found: found.measures["volatility_ratio"],
    ("robust", "price_breakout"): lambda found: np.abs(found.measures["breakout_atr"]),
    ("robust", "price_gap"): lambda found: np.abs(found.measures["gap_range"]),
}
"""What is held against each threshold, apart from the rule's other conditions: where it is worth trying thresholds."""
