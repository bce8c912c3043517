"""The scorecard as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from include.surveillance.studies.calibration import markdown_table
from include.surveillance.studies.evaluation import wilson
from tests.benchmarks.scorecard.held_against import PRODUCT
from tests.benchmarks.scorecard.raised import MEMBER, SINGLE
from tests.benchmarks.scorecard.silence import REASONS

LISTED = 30
"""Missed moves that are listed for each file; the others are in the JSON."""

INTRODUCTION = """\
All rules of the product together, robust, with the parameters as shipped but for the budget, against rules that anybody
writes first. Every session is judged with profiles of the sessions before it. An alert counts once, when it is first
published; an event of the market counts once, and its members not. Operations alerts do not count.

Product and yardsticks are compared on judged symbol-days: all but a symbol's first {new_sessions} sessions, and those
before which it has fewer than 21 bars. There each yardstick has the threshold with which it raises exactly as many
alerts as the product. Its firings of one side at most 15 bars apart are one alert within the day, as the product's
are, and each firing of a day bar is an alert of its own.
"""

CAVEATS = """\
## What this does not show

- A yardstick's threshold is chosen on the very days that it is judged on. The product's follow from earlier sessions.
- The product's rate is what its budget comes to, not the budget. What a symbol without a profile raises in literal form
  is in *alerts* and *new*, and not in what is compared; the literal volatility_spike of day bars, which has no robust
  form there, is in both, whatever the budget.
- The results days are those of today's members of the index, by the day alone; the reaction is on it or on the next
  session. Other news is not labelled, so what is no hit need not be false.
- The micro-caps were picked by hand because they were pumped; their bars are stamped with the day before, which is
  mended first. Their signals are of another detector, and its classes were made from the returns that followed.
- Only volume is injected as bursts, so yardsticks of returns have no part in them.
- Where the product raises nothing on the judged days as they were recorded, yardsticks may raise nothing either, and
  find no burst: so it is on the minute files, which are short.
- Intervals take labels as independent; days of one symbol, and symbols of one day, are not.
- Prices are not adjusted: a split that no file tells of is a move."""


def markdown(results: Mapping[str, Any]) -> str:
    lines = [
        "# Scorecard",
        "",
        f"{results['date']}. Repeat with `{results['command']}` (`make scorecard`).",
        "",
        INTRODUCTION.format(**results),
        *(f"- {name}: {text}." for name, text in results["yardsticks"].items()),
        "",
        "## What it raises",
        "",
        *ABOUT_RATES,
        "",
        *_table(_RATES, 2, map(_rate, results["rates"])),
        "",
        f"By rule, with the default budget of {results['default_budget']:g}, told on their own:",
        "",
        *_rules(results),
    ]
    for name, rows in _parts(sorted(results["labels"], key=itemgetter("set"), reverse=True), "set"):
        first = rows[0]
        lines += ["", f"## {name[0].upper()}{name[1:]}", "", _about_labels(first), ""]
        lines += _table(_FOUND, 2, _found(rows))
    lines += ["", "## Injected bursts", "", _about_bursts(results), ""]
    lines += _table(_BURSTS, 3, _bursts(results))
    lines += ["", "## Documented days", "", ABOUT_DAYS, ""]
    names = ("symbol", "date", "happened", "bars", "told", "said")
    days = [[row[name].replace("|", "/") for name in names] for row in results["documented"]]
    lines += markdown_table(("symbol", "date", "what happened", "bars", "told", "alerts, or why none"), days)
    lines += ["", "Days on which the whole market fell, in day_sp500_2009_2010:", ""]
    market = [[str(value) for value in row.values()] for row in results["market"]]
    lines += _table(("date", "events", "members", "singly", "inhibited"), 1, market)
    lines += ["", "## Largest moves", "", ABOUT_MOVES, ""]
    lines += _table(_MOVES, 1, map(_moves, results["moves"]))
    missed = {row["bars"]: sum(row["missed"].values()) for row in results["moves"]}
    for name, rows in _parts(results["missed"], "bars"):
        lines += ["", *_missed(name, rows, missed[name])]
    return "\n".join([*lines, "", CAVEATS.format(**results)]) + "\n"


ABOUT_DAYS = """\
With the default budget: each alert with its rule, tag, score from 0 to 100, and once in how many of the symbol's
sessions it goes so far. Results days and, where it says so, the split are known beforehand, as from the vendor's
calendar; news are not."""

ABOUT_MOVES = """\
The three largest open gaps and the three largest moves from close to close, of either sign, of each symbol and year
(its days are cut into equal years) are to alert, on their own or as members of an event of the market. *In an earlier
alert*: a rule fires, but its alert began on a day before and has not ended."""

ABOUT_RATES = (
    "Alerts are those of the product on all symbol-days; *inhibited* ones, and *members* of *events*, are not among",
    "them. *New* are the symbol's first sessions. *Days an alert*: the symbol-days that alerts lie on, for each alert;",
    "less than 1 where several rules alert on one. *Busiest* is the share of the alerts on judged days that lie on the",
    "five busiest sessions: of the product and, in brackets, least and greatest of the yardsticks.",
)

_RATES = (
    "bars", "budget", "symbol-days", "alerts", "a symbol-day", "new", "judged days", "judged", "days an alert",
    "events", "members", "inhibited", "sessions", "busiest",
)  # fmt: skip
_FOUND = ("budget", "method", "alerts", "found", "share", "95 %", "chance", "found / chance", "product / this")
_BURSTS = ("bars", "budget", "method", "bursts", "found", "95 %", "by chance", "3 times", "5 times", "8 times")
_MOVES = ("bars", "moves", "met", "singly", "in an event", *(f"missed: {reason}" for reason in REASONS))


def _rate(row: Mapping[str, Any]) -> tuple[str, ...]:
    yardsticks = [share for method, share in row["busiest"].items() if method != PRODUCT and share is not None]
    busiest = f"{_share(row['busiest'][PRODUCT])}"
    if yardsticks:
        busiest += f" ({_share(min(yardsticks))} to {_share(max(yardsticks))})"
    return (
        row["bars"], f"{row['budget']:g}", f"{row['symbol_days']:,}", f"{row['alerts']:,}",
        _per(row["alerts"], row["symbol_days"]), _per(row["new_alerts"], row["new_days"]), f"{row['judged_days']:,}",
        _per(row["judged_alerts"], row["judged_days"]), _per(row["judged_on"], row["judged_alerts"]),
        *(f"{row[name]:,}" for name in ("events", "members", "inhibited", "sessions")), busiest,
    )  # fmt: skip


def _rules(results: Mapping[str, Any]) -> list[str]:
    rows = [row for row in results["rates"] if row["budget"] == results["default_budget"]]
    names = sorted({rule for row in rows for rule in row["rules"]})
    cells = ((row["bars"], *(f"{row['rules'].get(name, 0):,}" for name in names)) for row in rows)
    return _table(("bars", *names), 1, cells)


def _about_labels(row: Mapping[str, Any]) -> str:
    return (
        f"{row['given']:,} labels, {row['labels']:,} of them on judged symbol-days. Found: the symbol has an alert of "
        f"its own on that session or the next. Chance: the share of all {row['days']:,} judged symbol-days of which "
        "that is so. The rows of single rules have these rules' alerts alone."
    )


def _found(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for budget, some in _parts(rows, "budget"):
        product = next(row["found"] for row in some if row["method"] == PRODUCT)
        for row in some:
            chance = row["days_found"] / row["days"] if row["days"] else 0.0
            share = row["found"] / row["labels"] if row["labels"] else 0.0
            times = f"{product / row['found']:.2f}" if row["found"] else "none found"
            yield (
                f"{budget:g}", row["method"], f"{row['alerts']:,}", f"{row['found']:,}", _share(share),
                _interval(row["found"], row["labels"]), _share(chance),
                f"{share / chance:.2f}" if chance else "", "" if row["method"].startswith(PRODUCT) else times,
            )  # fmt: skip


def _about_bursts(results: Mapping[str, Any]) -> str:
    copies = f"{results['seeds']} copies" if results["seeds"] > 1 else "one copy"
    return (
        "Volume of ten minutes, or of one longer bar, times 3, 5 or 8, as in [recall](../recall/recall.md); "
        f"{copies} of each file and multiple. Found: a bar of the burst fires, of the product in an alert that is told "
        "on its own. By chance: the same where nothing was injected. The last columns are the share found of each "
        "multiple. The product is shown twice, because what it raises depends on what is rare: each burst as if it "
        "were the symbol's first (profiles of the bars as they were recorded), and, *used to bursts*, in a market in "
        "which each symbol has up to two every day, which its profiles know."
    )


def _bursts(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    order = {id(row): at for at, row in enumerate(results["bursts"])}
    rows = sorted(results["bursts"], key=lambda row: (row["bars"], row["budget"]))
    methods = dict.fromkeys(row["method"] for row in sorted(rows, key=lambda row: order[id(row)]))
    for bars, of_file in _parts(rows, "bars"):
        for budget, some in _parts(of_file, "budget"):
            for method in methods:
                own = [row for row in some if row["method"] == method]
                bursts, found, chance = (sum(row[name] for row in own) for name in ("bursts", "found", "by_chance"))
                shares = (_share(row["found"] / row["bursts"] if row["bursts"] else None) for row in own)
                yield (bars, f"{budget:g}", method, f"{bursts:,}", _share(found / bursts if bursts else None),
                       _interval(found, bursts), _share(chance / bursts if bursts else None), *shares)  # fmt: skip


def _moves(row: Mapping[str, Any]) -> tuple[str, ...]:
    met = sum(row["met"].values())
    reasons = (f"{row['missed'].get(reason, 0):,}" for reason in REASONS)
    singly, members = (f"{row['met'].get(way, 0):,}" for way in (SINGLE, MEMBER))
    return row["bars"], f"{row['moves']:,}", _share(met / row["moves"]), singly, members, *reasons


def _missed(name: str, rows: Sequence[Mapping[str, Any]], missed: int) -> list[str]:
    what = f"the {len(rows)} largest of {missed:,} missed" if missed > len(rows) else f"{missed:,} missed"
    cells = [
        (row["symbol"], row["date"], row["move"], f"{row['size']:+.1%}", row["said"].replace("|", "/")) for row in rows
    ]
    return [f"### Missed in {name}", "", f"In order of size, {what}.", "",
            *markdown_table(("symbol", "date", "move", "size", "why"), cells)]  # fmt: skip


def _parts(rows: Iterable[Mapping[str, Any]], name: str) -> Iterator[tuple[Any, list[Mapping[str, Any]]]]:
    """Yield consecutive rows that share a value."""
    return ((value, list(some)) for value, some in groupby(rows, key=itemgetter(name)))


def _per(alerts: int, days: int) -> str:
    return f"{alerts / days:.3f}" if days else ""


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _interval(found: int, labels: int) -> str:
    low, high = wilson(found, labels)
    return f"{low:.1%} to {high:.1%}" if labels else ""


def _table(names: Sequence[str], texts: int, rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table whose first columns are text and whose others are numbers."""
    cells = [names, ["---"] * texts + ["---:"] * (len(names) - texts), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]
