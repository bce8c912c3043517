"""What is known of a rule as shipped: its inputs, its parameters in force, and how good it was found to be."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from docs.generate.markdown import code, table, value
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.rules.bar_rule import BarRule, RobustRule
from include.surveillance.detection.rules.news_view import NewsRule
from include.surveillance.detection.rules.registry import TAILED
from include.surveillance.timespans import SPAN_MS
from tests.paths import ROOT

MEASURED = ROOT / "docs" / "measured"
VOLUME = "abnormal_volume"
FORMS = ("robust", "literal")
REPORTS = "../operate/people-and-rights.md#reports"
SCORECARD, RECALL = "../measured/scorecard/scorecard.md", "../measured/recall/recall.md"
FALSE = "Nobody knows which of them are false; if all were, this would be the rate of false alerts."
CHANCE = "Chance: the share of all judged symbol-days on which it alerts then or in the session after."
QUIET = "One threshold for all files, at which the bars as recorded raise {:g} alerts per symbol and day."


def inputs(rules: list[Any]) -> str:
    """Say what a rule reads, of all its forms."""
    if any(isinstance(rule, NewsRule) for rule in rules):
        read = ["articles that name the symbol, with the vendor's sentiment", f"firings of `{VOLUME}`"]
    elif any(isinstance(rule, BarRule) for rule in rules):
        (spans,) = {rule.timespans for rule in rules}
        read = [f"the symbol's {'bars of one timespan' if len(spans) == len(SPAN_MS) else f'{spans[0]} bars'}"]
        if any(isinstance(rule, RobustRule) for rule in rules):
            read.append("its [profile](../how/profiles.md), in the robust form")
    else:
        read = ["watermarks, which say what a poll asked for and what it brought"]
    return f"## Inputs\n\nIt reads {' and '.join(read)}. Its alerts are of the kind {kind_of(rules[0].name)}."


def watched(name: str) -> str:
    """Say what tells people when a rule does not work, and where it is seen how its alerts were decided."""
    if kind_of(name) != "market":
        names = ["FeedSilent", "DetectionStalled"]
    elif name == "news_impact":
        names = ["RuleSilent", "NewsSilent", "ProfilesOld"]
    else:
        names = ["RuleSilent", *(["ProfilesOld"] if name in TAILED else [])]
    links = [f"[{name}](../operate/monitoring.md#{name.lower()})" for name in names]
    decided = f"How people decided on its alerts is in [reports]({REPORTS}) of the desk."
    return f"## Watched\n\nPeople are told when it may not work: {', '.join(links)}. {decided}"


def in_force(name: str) -> str:
    """Say in which form a rule alerts as shipped, within what budget, and what is overridden for whom."""
    book = ParameterBook.default()
    base = book.base
    form = base.form_of(VOLUME if name == "news_impact" else name)
    lines = [f"Parameters as shipped have the version `{book.version('9999-12-31')}`."]
    if name in TAILED:
        once, share = base.budget.period(name), base.budget.shares[name]
        lines.append(
            f"The rule alerts in its {form} form and has {share:.0%} of the budget of "
            f"{base.budget.alerts_per_symbol_session:g} alerts per symbol and session: one in {once:.0f} sessions."
        )
    elif name == "news_impact":
        lines.append(f"The rule alerts in its {form} form. It has no budget of its own: that of `{VOLUME}` bounds it.")
    else:
        lines.append("It has no budget: whatever fires is an alert.")
    rows = [
        (f"{one.scope} {one.whom}".rstrip(), one.effective, one.form or "", _set(one.set), one.rationale.strip())
        for one in book.overrides
        if one.rule == name
    ]
    head = ("for whom", "from", "form", "instead", "why")
    return "\n\n".join(["## In force", " ".join(lines), table(head, rows) if rows else "No override is shipped."])


def found(name: str) -> str:
    """Say how many alerts a rule raised on recorded bars, and how much of what it should find it found."""
    scorecard = _read("scorecard")
    budget = scorecard["default_budget"]
    rates = [one for one in scorecard["rates"] if one["budget"] == budget]
    parts = ["## Measured"]
    if any(name in one["rules"] for one in rates):
        parts += [
            f"Alerts on [recorded bars]({SCORECARD}), {scorecard['date']}, default budget. {FALSE}",
            table(
                ("bars", "symbol-days", "alerts", "a symbol-day"),
                [(one["bars"], f"{one['symbol_days']:,}", *_rate(one, name)) for one in rates],
            ),
        ]
    labels = [one for one in scorecard["labels"] if one["method"] == f"product: {name}" and one["budget"] == budget]
    if labels:
        parts += [
            f"Recall by this rule alone. {CHANCE}",
            table(
                ("labels", "of them judged", "found", "recall", "chance"),
                [
                    (one["set"], one["labels"], one["found"], _share(one["found"], one["labels"]),
                     _share(one["days_found"], one["days"]))
                    for one in labels
                ],
            ),
        ]  # fmt: skip
    if name == VOLUME:
        parts += _bursts()
    if (MEASURED / "scenarios" / f"{name}.md").is_file():
        parts.append(f"What it finds, raises and misses on real bars: [its trial](../measured/scenarios/{name}.md).")
    if len(parts) == 1:
        parts.append(f"No recorded set has labels for `{name}`: neither its recall nor its false alerts were measured.")
    return "\n\n".join(parts)


def _bursts() -> list[str]:
    """Say what was found of injected bursts, each form with the thresholds by which it keeps the budget."""
    recall = _read("recall")
    rows = [
        (multiple, f"{one['bursts']:,}", *(_share(one["found"][form], one["bursts"]) for form in FORMS))
        for multiple, one in recall["pooled"]["one threshold"]["recall"].items()
    ]
    return [
        f"Recall of [injected bursts]({RECALL}), {recall['date']}. {QUIET.format(recall['budget'])}",
        table(("volume times", "bursts", *(f"{form} form" for form in FORMS)), rows),
    ]


def _rate(one: dict[str, Any], name: str) -> tuple[str, str]:
    alerts = one["rules"].get(name, 0)
    return f"{alerts:,}", f"{alerts / one['symbol_days']:.4f}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _set(given: dict[str, Any]) -> str:
    return ", ".join(f"`{field}` {code(value(one))}" for field, one in given.items())


@cache
def _read(name: str) -> dict[str, Any]:
    return json.loads((MEASURED / name / f"{name}.json").read_text())
