"""One page per rule: what it says, its fields, its limits, an alert that it raised, and how good it was found."""

from __future__ import annotations

import inspect
import re
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from docs.generate import measured
from docs.generate.examples import alerts
from docs.generate.markdown import HEADER, code, sections, table, value
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.bar_rule import BarRule, structural_fields
from include.surveillance.detection.rules.registry import RULES, LiteralRules, RobustRules
from include.surveillance.detection.state import CONTEXT
from include.surveillance.records import Alert


def forms(name: str) -> dict[str, Any]:
    """Form -> the rule as it is shipped."""
    shipped = {"literal": LiteralRules(), "robust": RobustRules()}
    return {form: getattr(rules, name) for form, rules in shipped.items() if hasattr(rules, name)}


def index() -> str:
    """One row per rule: the first paragraph of each form."""
    rows = []
    for name in RULES:
        said = [code(sections(type(rule).__doc__)[0].partition("\n\n")[0]) for rule in forms(name).values()]
        rows.append((f"[`{name}`]({name}.md)", *said, *["one form only"] * (2 - len(said))))
    return table(("rule", "literal form", "robust form"), rows)


def shared_parameters() -> str:
    """What all rules share."""
    _, meanings = sections(Parameters.__doc__)
    own = [field for field in fields(Parameters) if not isinstance(field.default, Struct)]
    rows = [(f"`{field.encode_name}`", value(field.default), code(meanings[field.name])) for field in own]
    return table(("parameter", "default", "meaning"), rows)


def page(name: str) -> str:
    """The page of one rule."""
    parts = [HEADER, f"# {name}"]
    for form, rule in forms(name).items():
        text, meanings = sections(type(rule).__doc__)
        source = f"include/{inspect.getfile(type(rule)).partition('/include/')[2]}"
        if len(forms(name)) > 1:
            parts.append(f"## {form.capitalize()} form")
        parts += [
            f"Version {rule.version}. Source: [`{source}`](../../{source}).",
            _text(text),
            _fields(rule, meanings),
        ]
        if isinstance(rule, BarRule):
            parts.append(_reported(rule))
        parts += [_example(alert) for key, alert in alerts().items() if key in _raised(name, form)]
    parts += [measured.inputs(list(forms(name).values())), measured.in_force(name), measured.found(name)]
    parts.append(measured.watched(name))
    return "\n\n".join(parts) + "\n"


def _raised(name: str, form: str) -> set[tuple[str, str]]:
    """Rule and form of the alerts that a form's section shows; a rule with one form raises alerts of both."""
    return {(name, form)} if len(forms(name)) > 1 else {(name, "literal"), (name, "robust")}


def _text(docstring: str) -> str:
    """A docstring as Markdown: each of its headwords begins a paragraph."""
    return re.sub(r"\n+(Example|Warm-up|Exceedance):", r"\n\n**\1**:", code(docstring))


def _fields(rule: Struct, meanings: dict[str, str]) -> str:
    rows = [
        (f"`{field.name}`", value(getattr(rule, field.name)), *_bounds(rule, field.name), code(meanings[field.name]))
        for field in fields(rule)
    ]
    return table(("field", "default", "allowed", "can be overridden", "meaning"), rows)


def _bounds(rule: Struct, name: str) -> tuple[str, str]:
    """What values a field may have, and for whom."""
    allowed = "0 or more"
    if name == "window" and isinstance(rule, BarRule):
        allowed = f"2 to {CONTEXT - rule.context + getattr(rule, name)}"
    return allowed, "for all symbols only" if name in structural_fields(type(rule)) else "yes"


def _reported(rule: BarRule) -> str:
    measures = ", ".join(f"`{name}`" for name in rule.reported) or "none of its measures"
    return f"A metric reports {measures}. `make calibrate` proposes values for `{rule.threshold}`."


def _example(alert: Alert) -> str:
    names = ("value", "threshold", "baseline", "score", "severity")
    rows = [(name, _number(getattr(alert, name))) for name in names if getattr(alert, name) is not None]
    return f"An alert of it ({alert.form}):\n\n> {alert.explanation}\n\n{table(('field', 'value'), rows)}"


def _number(number: float | str) -> str:
    return f"{number:,.6g}" if isinstance(number, float) else number
