"""Firings of one evaluation as a table."""

from __future__ import annotations

import numpy as np

from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.positions import PHASES
from include.surveillance.detection.rules.bar_rule import FORMS
from include.surveillance.detection.rules.registry import KINDS
from include.surveillance.records import SEVERITIES

Columns = dict[str, np.ndarray]


def firing_columns(evaluation: Evaluation) -> Columns:
    """Return the columns of ``Alert`` that arrays hold, one element per firing of a new bar; text as objects."""
    firings, scan = evaluation.fresh_firings, evaluation.scan
    bars, index = scan.bars, firings.index
    symbols, timespans = ([key[part] for key in bars.keys] for part in (0, 1))
    rules, directions = ([kind[part] for kind in KINDS] for part in (0, 1))
    code = bars.code[index]
    return {
        "symbol": _named(symbols, code),
        "timespan": _named(timespans, code),
        "ts_ms": bars.ts[index],
        "rule": _named(rules, firings.kind),
        "form": _named(FORMS, firings.form),
        "direction": _named(directions, firings.kind),
        "value": firings.value,
        "threshold": firings.threshold,
        "baseline": firings.baseline,
        "score": firings.score,
        "severity": _named(SEVERITIES, firings.severity),
        "episode_start_ms": firings.start,
        "firings": firings.count,
        "session_phase": _named(PHASES, scan.positions.phase[index]),
    }


def _named(names: list[str] | tuple[str, ...], index: np.ndarray) -> np.ndarray:
    return np.array(names, dtype=object)[index]
