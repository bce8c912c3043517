"""Injected bursts of volume that the product and the yardsticks find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from include.surveillance.sessions import Sessions
from tests.benchmarks.bursts import PER_SYMBOL_DAY
from tests.benchmarks.episode_counts import Statistic
from tests.benchmarks.injection import inject_bursts
from tests.benchmarks.scorecard.held_against import (
    PRODUCT,
    Raised,
    Recorded,
    count_inside,
    find_fires,
    hold_against,
)

USED_TO = f"{PRODUCT}, used to bursts"
_TIME_BITS = 43  # enough for epoch ms up to the year 2248


def count_bursts(
    file: Path,
    sessions: Sessions,
    *,
    budgets: Sequence[float],
    seeds: Sequence[int],
    multiples: Sequence[float],
    folder: Path,
    tell: Callable[[str], None],
) -> Iterator[dict[str, object]]:
    """Inject bursts of each multiple alone with each seed, and count at each budget what each method finds.

    The yardsticks have the thresholds with which they raise as many alerts as the product on the bars as they were
    recorded. A burst is found when a bar of it fires; chance is how many of the same stretches hold one that fires
    where nothing was injected. Bursts on days that are not judged are left out.

    The product is measured twice, since what it raises depends on what is rare: with profiles of the bars as they were
    recorded, as if each burst were the symbol's first, and as ``USED_TO`` with profiles of the injected bars, in which
    each symbol has had some every day.

    Args:
        folder: for the injected bars.

    Yields:
        One row per multiple, budget and method: ``multiple, budget, method, bursts, found, by_chance``.
    """
    bars = pd.read_parquet(file)
    quiet = Recorded.read(file, sessions)
    recorded = [quiet.run(budget) for budget in budgets]
    measured = _measure_volume(recorded[0])
    thresholds = [hold_against(one, measured).thresholds for one in recorded]
    calm = [find_fires(one, measured, own) for one, own in zip(recorded, thresholds, strict=True)]
    for fires in calm:
        fires[USED_TO] = fires[PRODUCT]
    for multiple in multiples:
        counts: Counter[tuple[float, str, str]] = Counter()
        for seed in seeds:
            injected, labels = inject_bursts(bars, seed=seed, per_symbol_day=PER_SYMBOL_DAY, multiples=(multiple,))
            injected.to_parquet(folder / "injected.parquet")
            used_to = Recorded.read(folder / "injected.parquet", sessions)
            surprised = Recorded(replace(used_to.recording, profiles=quiet.recording.profiles), sessions)
            for at, budget in enumerate(budgets):
                raised = surprised.run(budget)
                fires = {PRODUCT: raised.fires, USED_TO: used_to.run(budget).fires}
                fires |= find_fires(raised, _measure_volume(raised), thresholds[at])
                first, last = _find_stretches(raised, labels)
                for method, bars_that_fire in fires.items():
                    counts[budget, method, "bursts"] += len(first)
                    counts[budget, method, "found"] += count_inside(bars_that_fire, first, last)
                    counts[budget, method, "by_chance"] += count_inside(calm[at][method], first, last)
            tell(f"{file.stem}: bursts of {multiple:g} times, seed {seed}")
        for budget, method in dict.fromkeys(key[:2] for key in counts):
            yield {"multiple": multiple, "budget": budget, "method": method} | {
                name: counts[budget, method, name] for name in ("bursts", "found", "by_chance")
            }


def _measure_volume(raised: Raised) -> dict[str, Statistic]:
    """Measure the yardsticks that see a burst of volume."""
    return {name: one for name, one in raised.yardsticks().items() if "volume" in name}


def _find_stretches(raised: Raised, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the first bar in the scan of each label on a judged day, and the one behind its last."""
    scan, days = raised.run.evaluation.scan, raised.days
    code = np.repeat(np.arange(len(scan.segments.end)), scan.segments.end - scan.segments.start)
    order = code << _TIME_BITS | scan.bars.ts
    series = np.array([days.symbols[symbol] for symbol in labels["symbol"]], dtype=np.int64) << _TIME_BITS
    first = np.searchsorted(order, series | labels["start_ms"].to_numpy())
    last = np.searchsorted(order, series | labels["end_ms"].to_numpy(), side="right")
    judged = days.judged[days.of_bar[first]]
    return first[judged], last[judged]
