"""Precision: which share of what a rule raised was right, and how sure so few decisions make it. Touches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import sqrt

from msgspec import Struct

from include.surveillance.desk.facts import Facts, Verdicts

# Of the normal distribution, for 95 %.
Z = 1.959963984540054


class Share(Struct, frozen=True):
    """A share of ``n``, from 0 to 1, with Wilson's interval of 95 %; all three are None where ``n`` is 0."""

    part: int
    n: int
    share: float | None
    lower: float | None
    upper: float | None


def measure_share(part: int, n: int) -> Share:
    """Measure a share of ``n``."""
    if not n:
        return Share(0, 0, None, None, None)
    share, spread = part / n, Z * Z / n
    middle, half = share + spread / 2, Z * sqrt(share * (1 - share) / n + spread / (4 * n))
    # Rounding must not let the interval lose what was seen.
    lower, upper = ((middle - half) / (1 + spread), (middle + half) / (1 + spread))
    return Share(part, n, share, min(max(0.0, lower), share), max(min(1.0, upper), share))


def measure_precision(facts: Iterable[Facts], verdicts: Verdicts) -> Share:
    """Measure the share of true positives of those that were closed with a verdict."""
    counts = Counter(one.find_verdict(verdicts) for one in facts)
    true = counts["true positive"]
    return measure_share(true, true + counts["false positive"])
