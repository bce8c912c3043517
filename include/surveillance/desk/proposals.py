"""Proposals from what people decided: where a rule raises much that is wrong, what a stricter limit would have left.

Nothing here changes a rule: a proposal is for whoever tries it on recorded bars and then changes the parameters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import log2, log10

from msgspec import Struct

from include.surveillance.desk.facts import Facts, Verdicts
from include.surveillance.desk.precision import Share, measure_share

EVERYWHERE = "all symbols"
# Fewer decisions say nothing, and a rule of which no tenth is left does not speak any more.
LEAST_DECIDED, LEAST_LEFT = 10, 0.1
# A bucket whose precision may well be above this is left alone.
GOOD = 0.5
# Of a score: that of the rarest there is, once in so many sessions.
RAREST_SESSIONS = 4096


class Limit(Struct, frozen=True, kw_only=True):
    """A stricter limit, and what of the decided alerts it would have left.

    Attributes:
        score: the least that would have been raised.
        sessions: the same as a rarity, once in so many sessions of the symbol; None where no rarity is known.
        budget: the same as alerts per symbol and session; None like ``sessions``.
        factor: by how much the threshold would have had to be farther; None where a rarity is known.
    """

    score: float
    sessions: float | None
    budget: float | None
    factor: float | None
    raised: int
    true: int


class Proposal(Struct, frozen=True, kw_only=True):
    """A rule in one bucket.

    Attributes:
        bucket: a symbol, or all of them.
        precision: of the alerts of the bucket that were closed with a verdict.
        limit: the strictest that keeps each true positive and a tenth of all.
        saved: false positives that it would not have raised.
        sentence: the same for people.
    """

    rule: str
    form: str
    bucket: str
    precision: Share
    limit: Limit
    saved: int
    sentence: str


def propose_limits(facts: Iterable[Facts], verdicts: Verdicts) -> tuple[Proposal, ...]:
    """Propose stricter limits for rules of the market, those first that would have saved most false positives.

    A bucket is one rule and form over all symbols, or of one symbol. It has a proposal where at least LEAST_DECIDED of
    its alerts were closed with a verdict, its precision is below GOOD for sure, and a limit would have saved some.
    """
    buckets: dict[tuple[str, str, bool, str], list[tuple[float, bool]]] = defaultdict(list)
    for one in facts:
        verdict = one.find_verdict(verdicts)
        if one.kind == "market" and verdict in ("true positive", "false positive"):
            for whom in (EVERYWHERE, one.symbol):
                buckets[one.rule, one.form, one.is_rare, whom].append((one.score, verdict == "true positive"))
    found = [_propose(key, decided) for key, decided in buckets.items() if len(decided) >= LEAST_DECIDED]
    return tuple(
        sorted(
            (one for one in found if one is not None),
            key=lambda one: (-one.saved, one.rule, one.form, one.bucket, one.sentence),
        )
    )


def _propose(key: tuple[str, str, bool, str], decided: Sequence[tuple[float, bool]]) -> Proposal | None:
    rule, form, is_rare, bucket = key
    precision = measure_share(sum(true for _, true in decided), len(decided))
    assert precision.upper is not None
    if precision.upper >= GOOD:
        return None
    limit = _find_limit(decided, is_rare, precision.part)
    saved = len(decided) - limit.raised
    if not saved:
        return None
    return Proposal(
        rule=rule,
        form=form,
        bucket=bucket,
        precision=precision,
        limit=limit,
        saved=saved,
        sentence=_write(rule, form, bucket, precision, limit),
    )


def _find_limit(decided: Sequence[tuple[float, bool]], is_rare: bool, wanted: int) -> Limit:
    """Find the strictest limit that keeps the true positives and a tenth of all; the loosest keeps everything."""
    rarest_first, true = sorted(decided, reverse=True), 0
    for raised, (score, is_true) in enumerate(rarest_first, 1):
        true += is_true
        is_last_of_score = raised == len(decided) or rarest_first[raised][0] < score
        if is_last_of_score and true == wanted and raised >= LEAST_LEFT * len(decided):
            break
    sessions = RAREST_SESSIONS ** (score / 100) if is_rare else None
    return Limit(
        score=score,
        sessions=sessions,
        budget=1 / sessions if sessions else None,
        # As scores come from exceedances: 50 at the limit, 75 at twice the limit. At 100 it is beyond any number.
        factor=None if is_rare or score >= 100 else -log2(1 - score / 100),
        raised=raised,
        true=true,
    )


def _write(rule: str, form: str, bucket: str, precision: Share, limit: Limit) -> str:
    if limit.sessions is not None and limit.budget is not None:
        rarity = f"once in {_round(limit.sessions)} sessions"
        stricter = f"a budget of {_round(limit.budget)} per symbol and session ({rarity})"
    elif limit.factor is not None:
        stricter = f"an exceedance of {_round(limit.factor)} times the limit"
    else:
        stricter = f"a least score of {_round(limit.score)}"
    return (
        f"{rule} ({form}), {bucket}: {precision.part} of {precision.n} true; {stricter} would have raised "
        f"{limit.raised}, {limit.true} of them true"
    )


def _round(value: float) -> str:
    """Write three digits that count, and no exponent."""
    digits = 0 if value >= 100 else 2 - int(log10(value)) if value >= 1 else 4
    return f"{value:,.{max(0, digits)}f}"
