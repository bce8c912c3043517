"""What came out, as Markdown and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.soak.verdict import FEWEST_POINTS, LIMITS, MOST_AT_END, Trend, judge

POINTS_KEPT = 200


@dataclass
class Soak:
    """What was seen.

    Attributes:
        hours: since the first sample, of each sample.
        maintained: whether maintenance had just ended at each sample.
        samples: series -> value, at each sample.
        troubles: what went wrong beside the series, a line each.
        vacuums: tables of Airflow's metadata -> how often autovacuum has cleared them.
    """

    hours: list[float] = field(default_factory=list)
    maintained: list[bool] = field(default_factory=list)
    samples: list[dict[str, float]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    vacuums: dict[str, int] = field(default_factory=dict)

    def trends(self) -> list[Trend]:
        """Of the series that every sample has; those of a component that came or went are in the troubles."""
        if not self.samples:
            return []
        everywhere = set.intersection(*(set(sample) for sample in self.samples))
        names = [name for name in self.samples[0] if name in everywhere]
        return [judge(name, self.hours, [s[name] for s in self.samples], self.maintained) for name in names]

    def fails(self) -> bool:
        trends = self.trends()
        return not trends or bool(self.troubles) or any(trend.fails for trend in trends)


def markdown(soak: Soak, about: dict[str, Any], command: str) -> str:
    trends = soak.trends()
    hours = soak.hours[-1] if soak.hours else 0.0
    failed = [trend.name for trend in trends if trend.fails]
    what = f"not flat: {', '.join(failed)}" if failed else "nothing grows" if trends else "no sample"
    lines = [
        "# Soak",
        "",
        f"`{command}`: {hours:.2f} hours, {len(soak.samples)} samples, {sum(soak.maintained)} runs of maintenance.",
        f"{about['date']}, {about['cpu']}, {about['cores']} cores, {about['memory']}.",
        "",
        f"**{what[0].upper()}{what[1:]}.**",
        *(f"- trouble: {trouble}" for trouble in soak.troubles),
        "",
        "Slope: median of the slopes between all pairs of samples of the second half (Theil-Sen). A series grows when",
        "its slope is above its limit and, at 95 % confidence, above 0. `rows`, `raw`, `database`, `logs` count right",
        f"after maintenance, at least {FEWEST_POINTS} times. Memory is PSS, of a component with all below it.",
        "*Bounded elsewhere*: kept for days by Kafka, for ever by intent, or turned over daily; the slope is its rate.",
        *(f"`{kind}`: at most {most} at the end, with nothing new coming in." for kind, most in MOST_AT_END.items()),
        "",
        "| series | unit | first | last | slope an hour | limit an hour | verdict |",
        "|---|---|---:|---:|---:|---:|---|",
        *(_row(trend) for trend in trends),
        "",
        "Limits, an hour: " + "; ".join(_limit(kind) for kind in LIMITS) + ".",
        "",
        "Tables cleared by autovacuum: " + ", ".join(f"{name} {count}x" for name, count in soak.vacuums.items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def as_dict(soak: Soak, about: dict[str, Any], command: str) -> dict[str, Any]:
    """Everything, with at most POINTS_KEPT samples, evenly taken."""
    step = max(1, -(-len(soak.samples) // POINTS_KEPT))
    return {
        "command": command,
        "about": about,
        "hours": soak.hours[-1] if soak.hours else 0,
        "fails": soak.fails(),
        "troubles": soak.troubles,
        "vacuums": soak.vacuums,
        "trends": [asdict(trend) for trend in soak.trends()],
        "samples": [
            {"hours": round(hours, 4), "maintained": maintained, **{name: round(v, 2) for name, v in sample.items()}}
            for hours, maintained, sample in list(zip(soak.hours, soak.maintained, soak.samples, strict=True))[::step]
        ],
    }


def _row(trend: Trend) -> str:
    limit = "" if trend.limit is None else f"{trend.limit:,.1f}"
    verdict = f"**{trend.verdict}**" if trend.fails else trend.verdict
    numbers = f"{trend.first:,.1f} | {trend.last:,.1f} | {trend.slope:+,.1f} | {limit}"
    return f"| {trend.name} | {trend.unit} | {numbers} | {verdict} |"


def _limit(kind: str) -> str:
    limit = LIMITS[kind]
    most = "" if limit.most == float("inf") else f", at most {limit.most:g}"
    return f"`{kind}` {limit.share:.0%} of its level, at least {limit.least:g}{most} {limit.unit}".rstrip()
