"""One page per rule: what it says, its fields, its limits, and an alert that it raised."""

from __future__ import annotations

import inspect
import re
from typing import Any

from msgspec.structs import fields

from docs.generate.examples import alerts
from docs.generate.markdown import HEADER, code, sections, table, value
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.bar_rule import FORMS, structural_fields
from include.surveillance.detection.rules.registry import RULES
from include.surveillance.records import Alert


def rules() -> dict[str, dict[str, Any]]:
    """Rule -> form -> the rule as it is shipped."""
    base = Parameters()
    return {
        name: {form: getattr(base.in_form(form), name) for form in FORMS if hasattr(base.in_form(form), name)}
        for name in RULES
    }


def index() -> str:
    """One row per rule: the first sentence of each form."""
    rows = []
    for name, forms in rules().items():
        literal = _summary(forms["literal"])
        robust = _summary(forms["robust"]) if "robust" in forms else "the same"
        rows.append((f"[`{name}`]({name}.md)", literal, robust))
    return table(("rule", "literal form", "robust form"), rows)


def page(name: str) -> str:
    """The page of one rule."""
    parts = [HEADER, f"# {name}"]
    for form, rule in rules()[name].items():
        text, meanings = sections(type(rule).__doc__)
        source = inspect.getfile(type(rule)).partition("/include/")[2]
        parts.append(f"## {form.capitalize()} form" if len(rules()[name]) > 1 else "## The rule")
        parts.append(f"Version {rule.version}. Source: [`include/{source}`](../../include/{source}).")
        parts.append(_text(text))
        parts.append(_fields(rule, meanings))
        if alert := alerts().get((name, form)):
            parts.append(_example(alert))
    parts.append(_where(name, rules()[name]))
    return "\n\n".join(parts) + "\n"


def _text(docstring: str) -> str:
    """A docstring's paragraphs; what is indented in it stays a block, and its headwords stand out."""
    text = re.sub(r"^(Example|Warm-up|Exceedance|Value)(:| is)", r"**\1**\2", code(docstring), flags=re.MULTILINE)
    return re.sub(r"^(Zero variance|Reckoned)", r"\1", text, flags=re.MULTILINE)


def _fields(rule: Any, meanings: dict[str, str]) -> str:
    rows = []
    for field in fields(rule):
        fixed = field.name in structural_fields(type(rule))
        rows.append(
            (
                f"`{field.name}`",
                value(getattr(rule, field.name)),
                "2 to 20" if field.name == "window" else "0 or more",
                "for everybody only" if fixed else "yes",
                meanings.get(field.name, ""),
            )
        )
    return table(("field", "default", "allowed", "can be overridden", "meaning"), rows)


def _example(alert: Alert) -> str:
    rows = [(name, _number(getattr(alert, name))) for name in ("value", "threshold", "baseline", "score", "severity")]
    return f"An alert of it:\n\n> {alert.explanation}\n\n" + table(("field", "value"), [row for row in rows if row[1]])


def _number(number: float | str | None) -> str:
    return f"{number:,.6g}" if isinstance(number, float) else number or ""


def _where(name: str, forms: dict[str, Any]) -> str:
    return ""


def _summary(rule: Any) -> str:
    return code(sections(type(rule).__doc__)[0].partition("\n\n")[0])
