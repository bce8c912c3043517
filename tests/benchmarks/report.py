"""The numbers as Markdown."""

from __future__ import annotations

from typing import Any


def markdown(results: dict[str, Any]) -> str:
    """Return tables of what was measured; parts that were not are left out."""
    it = results["machine"]
    where = f"{it['cpu']}, one of {it['cores']} cores, {it['memory']}"
    lines = [
        "# Speed of detection",
        "",
        f"{it['date']}, {where}, load at the start {it['load_at_start']}.",
        f"Python {it['python']}, " + ", ".join(f"{name} {it[name]}" for name in ("numpy", "numba", "pandas")) + ".",
        "All literal rules of bars together. Repeat with `make bench-engine`.",
        "Order: one series after the other, as files are read, or all series minute by minute, as the log brings them.",
    ]
    if "engine" in results:
        rows = [
            (name, f"{row['bars']:,}", f"{row['series']:,}", f"{row['bars_per_s'] / 1e6:.2f}")
            for name, row in results["engine"].items()
        ]
        lines += _table("Engine", ("bars, history, order", "bars", "series", "million bars/s"), rows)
    if "pandas" in results:
        rows = [
            (
                name,
                f"{row['bars']:,}",
                f"{row['firings']:,}",
                f"{row['engine_bars_per_s'] / 1e6:.2f}",
                f"{row['pandas_bars_per_s'] / 1e6:.3f}",
                f"{row['ratio']:.1f}",
            )
            for name, row in results["pandas"].items()
        ]
        names = ("same bars, same firings", "bars", "firings", "engine, million bars/s", "pandas", "ratio")
        lines += _table("Engine (exact history) against pandas groupby, rolling, expanding", names, rows)
    if "live" in results:
        row = results["live"]
        numbers = ("load_ms", "detect_ms", "save_ms", "total_ms", "fastest_ms")
        cells = [*(f"{row[name]:.0f}" for name in numbers)]
        cells += [f"{row[name]:,.0f}" for name in ("saved_bytes_per_symbol", "memory_bytes_per_symbol")]
        names = (
            "load ms",
            "detect ms",
            "save ms",
            "together ms",
            "fastest ms",
            "saved bytes/symbol",
            "in memory, bytes/symbol",
        )
        title = f"Live step: {row['symbols']:,} symbols, one new bar each, after {row['warm_bars']} bars of each"
        lines += _table(title, names, [tuple(cells)])
    if "flat" in results:
        rows = [
            (
                f"{row['bars']:,}",
                f"{row['bars_a_symbol']:,}",
                f"{row['all_ns']:.0f}",
                f"{row['latest_ns']:.0f}",
                f"{row['saved_bytes_per_symbol']:,.0f}",
            )
            for row in results["flat"]
        ]
        names = ("bars so far", "per symbol", "ns/bar, all", "ns/bar, latest chunk", "state, saved bytes/symbol")
        lines += _table("Cost per bar, one state carried on, sketched history", names, rows)
    return "\n".join(lines) + "\n"


def _table(title: str, names: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    cells = [names, ("---", *("---:" for _ in names[1:])), *rows]
    return ["", f"## {title}", "", *("| " + " | ".join(row) + " |" for row in cells)]
