"""Recall of injected bursts of volume at an equal alert budget: ``python -m tests.benchmarks.recall``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.sessions import Sessions
from tests.benchmarks import recall_report
from tests.benchmarks.bursts import METHODS, PER_SYMBOL_DAY, Bursts, Scored, hits, measure, own_thresholds, threshold
from tests.paths import MEASURED, ROOT

FILES = ("minute_2019feb", "minute_2023jan", "minute15_2019")
MULTIPLES = (3, 5, 8)
BUDGET = 0.1
Z = (3.0, 3.5, 4.0, 4.5)


def main(
    data: Annotated[Path, typer.Option(envvar="SHARED_DATA", help="Folder of recorded bars.")] = (
        ROOT.parent / "shared" / "data"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="Copies of each file and multiple, with other bursts.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder for recall.md and recall.json.")] = MEASURED / "recall",
) -> None:
    """How many injected bursts the robust and the literal volume rule find when both raise equally many alerts."""
    missing = [name for name in FILES if not (data / f"{name}.parquet").exists()]
    if missing:
        typer.echo(f"error: {data} lacks {', '.join(missing)} (.parquet); give --data or set SHARED_DATA", err=True)
        raise typer.Exit(1)
    sessions, files = Sessions("XNYS"), {}
    for name in FILES:
        bars = pd.read_parquet(data / f"{name}.parquet")
        files[name] = measure(bars, sessions, seeds=range(1, seeds + 1), multiples=MULTIPLES)
        typer.echo(
            f"{name}: {len(files[name].injected):,} bursts on {files[name].quiet.symbol_days} symbol-days", err=True
        )
    results = summarise(files, seeds)
    text = recall_report.markdown(results)
    typer.echo(text)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recall.md").write_text(text)
    (out / "recall.json").write_text(json.dumps(results, indent=2, allow_nan=False) + "\n")


def summarise(files: Mapping[str, Bursts], seeds: int) -> dict[str, Any]:
    """Return everything that is reported, ready for JSON."""
    own, quiet = own_thresholds(files, BUDGET), {name: one.quiet for name, one in files.items()}
    shared = {method: threshold(list(quiet.values()), method, BUDGET) for method in METHODS}
    with_own, with_shared = hits(files, own), hits(files, dict.fromkeys(files, shared))
    default = ParameterBook.default().base.robust.abnormal_volume.z
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m tests.benchmarks.recall" + (f" --seeds {seeds}" if seeds != 5 else ""),
        "budget": BUDGET,
        "seeds": seeds,
        "bursts_per_symbol_day": PER_SYMBOL_DAY,
        "default_z": default,
        "files": {
            name: {
                "symbol_days": quiet[name].symbol_days,
                "thresholds": own[name],
                "above": {method: quiet[name].times_above(method, own[name][method]) for method in METHODS},
                "recall": by_multiple(with_own[with_own["file"] == name]),
                "recall_shared": by_multiple(with_shared[with_shared["file"] == name]),
                "quiet_episodes": quiet_episodes(quiet[name]),
            }
            for name in files
        },
        "pooled": {
            "own thresholds": {"recall": by_multiple(with_own)},
            "one threshold": {"thresholds": shared, "recall": by_multiple(with_shared)},
        },
        "by_seed": {str(seed): count(some) for seed, some in with_own.groupby("seed")},
    }


def quiet_episodes(market: Scored) -> dict[str, dict[str, float]]:
    """Method -> threshold -> episodes per symbol-day, of bars as they were recorded."""
    base = ParameterBook.default().base
    limits = {"robust": sorted({*Z, base.robust.abnormal_volume.z})}
    limits |= {method: [base.abnormal_volume.multiple] for method in ("literal", "literal, session reset")}
    return {
        method: {f"{limit:g}": market.episodes(method).count(limit) / market.symbol_days for limit in some}
        for method, some in limits.items()
    }


def by_multiple(bursts: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Map each multiple, and ``all``, to its counts."""
    return {f"{multiple:g}": count(some) for multiple, some in bursts.groupby("multiple")} | {"all": count(bursts)}


def count(bursts: pd.DataFrame) -> dict[str, Any]:
    """Count bursts, those that each method detects, and robust / literal; None where the literal one detects none."""
    counts = {method: int(bursts[method].sum()) for method in METHODS}
    ratios = {
        f"ratio to {method}": round(counts["robust"] / hits, 2) if hits else None
        for method, hits in counts.items()
        if method != "robust"
    }
    return {"bursts": len(bursts), "found": counts, **ratios}


if __name__ == "__main__":
    typer.run(main)
